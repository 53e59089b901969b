"""Write the baselines of configs, and compare existing baselines with the current groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.settings import settings
from lrdecay_cli.checking.baseline_files import FORMS, SUFFIXES, Form, baseline_path
from lrdecay_cli.checking.baseline_text import HEAD, to_text
from lrdecay_cli.checking.baselines import read_baseline
from lrdecay_cli.domain.change import BaselineRecord, State
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.precision import CLOSE
from lrdecay_cli.files import read_bytes, read_map, to_json, top_level_keys, write_text


def write_baselines(
    folder: str, maps: Iterable[GroupMap], *, form: Form | None = None, write: bool = True
) -> Iterator[BaselineRecord]:
    """Write the baseline of each config below ``folder``. Unchanged baselines are not written.

    Args:
        folder: target folder; created if missing.
        maps: the new baselines.
        form: form of all baselines; None keeps the form of an existing baseline, and uses text for a new one.
        write: False only reports what would be written.

    Raises:
        LrdecayError: a file cannot be written, or an existing file is not a baseline.
    """
    for group_map in maps:
        path = baseline_path(folder, group_map.config.path, form)
        state, changes = _compare_file(path, group_map)
        if write and state != "unchanged":
            text = to_text(group_map) if path.suffix == SUFFIXES["text"] else to_json(group_map)
            write_text(path, text, make_folders=True)
            state = "written" if state == "missing" else "updated"
        if write and form is not None:
            # A config has one baseline: remove the other form.
            for other in FORMS:
                if other != form:
                    baseline_path(folder, group_map.config.path, other).unlink(missing_ok=True)
        yield BaselineRecord(group_map.config.path, path.as_posix(), state, changes)


def _compare_file(path: Path, group_map: GroupMap) -> tuple[State, int | None]:
    """Return the state of a baseline file compared with a map, and the number of parameters that differ."""
    if not path.exists():
        return "missing", None
    if path.suffix == SUFFIXES["text"]:
        return _compare_text(path, group_map)
    keys = top_level_keys(read_bytes(str(path))) or frozenset()
    if not {"schema_version", "groups"} <= keys:
        raise LrdecayError(
            "the file is not a group map, so lrdecay does not overwrite it",
            where=str(path),
            fix="move the file away, or set another path with -o",
        )
    try:
        old = read_map(str(path))
    except LrdecayError:
        # Written by another version, or damaged.
        return "outdated", None
    changes = len({change.parameter for change in diff(old, group_map, rtol=CLOSE)})
    same = not changes and not settings(old, group_map) and _content(old) == _content(group_map)
    return ("unchanged" if same else "outdated"), changes


def _compare_text(path: Path, group_map: GroupMap) -> tuple[State, int | None]:
    raw = read_bytes(str(path))
    if raw == to_text(group_map).encode():
        return "unchanged", 0
    try:
        old = read_baseline(str(path), group_map)
    except LrdecayError as error:
        if HEAD.encode() not in raw:
            problem = "the file is not a baseline, so lrdecay does not overwrite it"
            fix = "move the file away, or set another path with -o"
            raise LrdecayError(problem, where=str(path), fix=fix) from error
        # Written by another version, or damaged.
        return "outdated", None
    changed = {change.parameter for change in diff(old.group_map, group_map, rtol=CLOSE)}
    return "outdated", len(changed.union(*(other.parameters for other in old.others)))


def _content(group_map: GroupMap) -> bytes:
    """Return the map as JSON, without the fields about the environment of the build, for example ``device``."""
    tool = msgspec.structs.replace(group_map.tool, version="")
    made = {"stack": {}, "distributions": msgspec.UNSET, "device": "", "stubs": ()}
    return msgspec.json.encode(msgspec.structs.replace(group_map, tool=tool, **made))
