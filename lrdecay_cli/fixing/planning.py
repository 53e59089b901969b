"""Turn the fixes of findings into new texts of config files.

An edit can be written into the text in several ways. The planner tries them in order and takes the first whose merged
config equals the old merged config with only that edit applied. Nothing is run or written here.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.fix import Edit, EditError, Fix, Keys, apply_edits, fitting, path_of
from lrdecay_cli.domain.origins import COMMAND_LINE, Option
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.fixing.script import Script, Splice
from lrdecay_cli.origins import UNKNOWN, ConfigOrigins, config_origins

_DELETE = "_delete_"
_READ = frozenset(
    (
        *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
        *("test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator"),
        *("default_hooks", "custom_hooks", "data_preprocessor", "load_from", "resume", "launcher", "env_cfg"),
        *("log_processor", "log_level", "visualizer", "default_scope", "randomness", "experiment_name"),
        *("model_wrapper_cfg", "custom_imports", "tta_model"),
    )
)
"""Top-level names of a config that mmengine reads. Other names are variables that only pass a value on.

Source: mmengine 0.10.7, ``Runner.from_cfg``, and its tools."""
Texts = Mapping[Path, str]
Splices = dict[Path, list[Splice]]


class Refused(Exception):  # noqa: N818
    """A fix cannot be written into the files of a config; the message is the reason in one line."""


class Planner:
    """Computes new texts for the files of several configs, one fix after another.

    Args:
        requested: the fixes of each config. An edit changes a base only if every config that inherits from the base
            requests the same edit.
        project: the project whose files may change.
        overrides: ``--cfg-options``.

    Attributes:
        before: the old texts of the files, by their real paths.
    """

    def __init__(self, requested: Mapping[str, Sequence[Fix]], project: Project, overrides: Sequence[str] = ()) -> None:
        self._requested = {config: [edit for fix in fixes for edit in fix.edits] for config, fixes in requested.items()}
        self._project = project
        self._overrides = tuple(overrides)
        self.before: dict[Path, str] = {}
        self._now: dict[Path, str] = {}
        self._done: set[tuple[str, str]] = set()

    @property
    def changed(self) -> dict[Path, str]:
        """The new texts of all changed files, by their real paths."""
        return {path: text for path, text in self._now.items() if text != self.before[path]}

    def state(self) -> tuple[dict[Path, str], set[tuple[str, str]]]:
        """Return the current texts and applied edits, to pass to :meth:`restore`."""
        return {**self._now}, {*self._done}

    def restore(self, state: tuple[dict[Path, str], set[tuple[str, str]]]) -> None:
        """Undo everything since :meth:`state` returned this state."""
        self._now, self._done = {**state[0]}, {*state[1]}

    def fix(self, config: str, fix: Fix) -> None:
        """Apply a fix to the texts of a config.

        Raises:
            Refused: the fix cannot be applied; the texts stay unchanged.
        """
        state = self.state()
        try:
            for edit in fix.edits:
                self._edit(config, edit)
        except Refused:
            self.restore(state)
            raise

    def origins(self, config: str) -> ConfigOrigins:
        """Return where the options of a config are set in the current texts.

        Raises:
            Refused: the text of the config cannot be analysed.
        """
        try:
            return config_origins(config, self._overrides, self._normal)
        except LrdecayError as error:
            raise Refused(f"cannot analyse its text: {error}") from error

    @property
    def _normal(self) -> Texts:
        return {path: text.replace("\r\n", "\n").replace("\r", "\n") for path, text in self._now.items()}

    def _edit(self, config: str, edit: Edit) -> None:
        if (config, str(edit)) in self._done:
            return
        origins = self.origins(config)
        before = origins.merged()
        given, edit = edit, fitting(before, edit)
        expected = _expected(before, edit)
        if _same(before, expected):
            return
        option = origins.find(edit.keys)
        if option is not None and option.origin.place.file == COMMAND_LINE:
            raise Refused(f"{edit.option} is set by {COMMAND_LINE}")
        reason = ""
        for splices, variables in self._candidates(config, given, edit, origins, expected):
            state = self.state()
            try:
                self._splice(splices)
                self._verify(config, given, expected, variables, state, splices)
            except Refused as error:
                reason = reason or str(error)
                self.restore(state)
                continue
            self._done.add((config, str(given)))
            return
        raise Refused(reason or self._objection(config, edit, option, origins))

    def _objection(self, config: str, edit: Edit, option: Option | None, origins: ConfigOrigins) -> str:
        leaf = self._leaf(config)
        if why := self._project.objection(leaf):
            return why
        if leaf.suffix in (".yaml", ".yml"):
            return f"in YAML, only values and keys in the file can be changed; this edit is not possible: {edit}"
        if option is not None and option.origin.unknown:
            return f"{edit.option} is unknown without running the config: {option.origin.unknown}"
        return f"{leaf.name} has no place for the edit: {edit}"

    def _splice(self, splices: Splices) -> None:
        for path, several in splices.items():
            self._now[path] = self._script(path).spliced(several)

    def _script(self, path: Path) -> Script:
        if path not in self._now:
            try:
                # Keep the line ends.
                raw = path.read_bytes().decode("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise Refused(f"cannot read {path}: {error}") from error
            self._now[path] = raw
            self.before.setdefault(path, raw)
        try:
            return Script(path, self._now[path])
        except (SyntaxError, ValueError, RecursionError, LrdecayError) as error:
            raise Refused(f"cannot parse {path}: {error}") from error

    def _leaf(self, config: str) -> Path:
        return Path(os.path.realpath(find_config(config)))

    def _verify(
        self,
        config: str,
        edit: Edit,
        expected: dict[str, Any],
        variables: frozenset[str],
        state: tuple[dict[Path, str], Any],
        splices: Splices,
    ) -> None:
        after = self.origins(config)
        if after.raised:
            raise Refused(f"the config would raise {after.raised[0][1]}")
        _compare(after.merged(), expected, edit, variables)
        for other in self._requested:
            if other == config or not splices.keys() & self._files_of(other):
                continue
            new = self.origins(other).merged()
            now, self._now = self._now, state[0]
            try:
                old = self.origins(other).merged()
            finally:
                self._now = now
            if _same(new, old):
                continue
            if edit not in self._requested[other]:
                raise Refused(f"the edit would also change {other}")
            _compare(new, _expected(old, edit), edit, variables)
            self._done.add((other, str(edit)))

    def _files_of(self, config: str) -> set[Path]:
        try:
            return {Path(os.path.realpath(path)) for path in self.origins(config).files.values()}
        except Refused:
            return set()

    def _writable(self, config: str, edit: Edit, origins: ConfigOrigins) -> list[Path]:
        """Return the files in which an edit may be written: the config, and bases that set the option.

        A base is left out if it is a complete config that does not request the edit, if another config of the project
        inherits from it, or if it is outside the project.
        """
        leaf = self._leaf(config)
        files = {shown: Path(os.path.realpath(path)) for shown, path in origins.files.items()}
        asking = {self._leaf(other) for other, edits in self._requested.items() if edit in edits}
        option = origins.find(edit.keys)
        setting = [*option.overridden, option.origin] if option else []
        places = {place.file for origin in setting for place in (origin.place, origin.key) if place}
        bases = {files[shown] for shown in places if shown in files} - {leaf}
        own = [
            base
            for base in sorted(bases)
            if not self._project.objection(base)
            and (base in asking or not self._is_trained(base))
            and not self._project.is_shared(base, {*asking, *files.values()})
        ]
        return [*([] if self._project.objection(leaf) else [leaf]), *own]

    def _is_trained(self, base: Path) -> bool:
        """Return True if a base is a complete config, which may be correct as it is."""
        try:
            merged = config_origins(str(base), (), self._normal).merged()
        except LrdecayError:
            return True
        return {"model", "optim_wrapper", "train_cfg"} <= merged.keys()

    def _candidates(
        self, config: str, given: Edit, edit: Edit, origins: ConfigOrigins, expected: dict[str, Any]
    ) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield text replacements that may apply an edit, each with the names of variables that they may change too."""
        leaf = self._leaf(config)
        if why := self._project.objection(leaf):
            raise Refused(why)
        files = {Path(os.path.realpath(path)): shown for shown, path in origins.files.items()}
        writable = self._writable(config, given, origins)
        forms = _EditForms([self._script(path) for path in writable], files, origins, edit, expected)
        yield from forms.all()


class _EditForms:
    """All ways to write one edit into the files of a config. ``scripts`` begins with the config itself."""

    def __init__(
        self,
        scripts: Sequence[Script],
        files: Mapping[Path, str],
        origins: ConfigOrigins,
        edit: Edit,
        expected: dict[str, Any],
    ) -> None:
        self.scripts, self.leaf = scripts, scripts[0]
        self.files, self.origins, self.edit, self.expected = files, origins, edit, expected

    def all(self) -> Iterator[tuple[Splices, frozenset[str]]]:
        edit = self.edit
        match edit.action:
            case "set":
                yield from self.put(edit.keys, edit.value)
            case "append":
                yield from self._appended()
            case "delete":
                yield from self._without(edit.keys)
            case "rename":
                yield from self._renamed()
                if len(edit.keys) > 1 and not self.leaf.is_lazy:
                    yield from self._restated(edit.keys[:-1])
                yield from self._moved()
            case "move":
                yield from self._moved()

    def put(self, keys: Keys, value: Any) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that set an option."""
        option = self.origins.find(keys)
        if option is not None and not option.origin.unknown:
            yield from self._in_place(option, value)
        for script in self.scripts:
            if not script.is_yaml:
                yield from self._entered(script, keys, value)
        yield from self._unshared(keys)
        yield from self._stated(keys, value)

    def _unshared(self, keys: Keys) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that write a dict in place of a variable that several options use."""
        for length in range(len(keys) - 1, 1, -1):
            holder = self.origins.find(keys[:length])
            names = [via for via in holder.origin.via if via.kind == "variable"] if holder else []
            for script in self.scripts:
                for via in names:
                    if via.place.file == self.files.get(script.path):
                        splice = script.replaced_at(script.offsets(via.place), _value_at(self.expected, keys[:length]))
                        if splice:
                            yield {script.path: [splice]}, frozenset()

    def _in_place(self, option: Option, value: Any) -> Iterator[tuple[Splices, frozenset[str]]]:
        origin = option.origin
        variables = frozenset(via.name for via in origin.via if via.kind == "variable")
        places = [origin.place, *(via.place for via in origin.via if via.kind in ("variable", "base-variable"))]
        for script in self.scripts:
            shown = self.files.get(script.path)
            for place in places:
                if place.file != shown or (place is origin.place and not _is_literal(origin.text, origin.constant)):
                    continue
                if splice := script.replaced_at(script.offsets(place), value):
                    yield {script.path: [splice]}, variables if place is origin.place else frozenset()

    def _entered(self, script: Script, keys: Keys, value: Any) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that add or replace an entry of a dict or list literal in the text."""
        found = script.find(keys)
        if found is None:
            return
        keys, value = self._whole(keys, value, found.depth)
        if found.depth >= len(keys):
            found = script.find(keys)
            assert found is not None
            for each in _with_delete(value):
                if splice := script.replaced(found.value, each):
                    yield {script.path: [splice]}, found.variables
            return
        display = script.display(found.value)
        if display is None or (display.kind == "list"):
            return
        rest = keys[found.depth + 1 :]
        for each in _with_delete(value):
            splices = script.inserted(display, [(keys[found.depth], _nested(rest, each))])
            yield {script.path: splices}, found.variables

    def _whole(self, keys: Keys, value: Any, depth: int) -> tuple[Keys, Any]:
        """Return the path and value of the whole list if an option is in a list that this file does not contain.

        mmengine cannot override a single entry of a base's list.
        """
        cut = next((index for index in range(depth, len(keys)) if isinstance(keys[index], int)), None)
        if cut is None:
            return keys, value
        return keys[:cut], _value_at(self.expected, keys[:cut])

    def _stated(self, keys: Keys, value: Any) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that add an assignment at the end of the config."""
        script = self.leaf
        if not script.is_python:
            return
        if script.is_lazy:
            if len(keys) > 1 or not script.assigns(str(keys[0])):
                yield {script.path: [script.appended(f"{_target(keys)} = {script.value_text(value)}")]}, frozenset()
            return
        if script.assigns(str(keys[0])):
            if len(keys) > 1:
                yield {script.path: [script.appended(f"{_target(keys)} = {script.value_text(value)}")]}, frozenset()
            return
        keys, value = self._whole(keys, value, 1)
        for each in _with_delete(value):
            nested = _nested(keys[1:], each)
            head = f"{keys[0]} = "
            text = head + script.value_text(nested, column=len(head))
            yield {script.path: [script.appended(text)]}, frozenset()

    def _appended(self) -> Iterator[tuple[Splices, frozenset[str]]]:
        edit = self.edit
        for script in self.scripts:
            found = None if script.is_yaml else script.find(edit.keys)
            if found is not None and found.depth == len(edit.keys):
                display = script.display(found.value)
                if display is not None and display.kind == "list":
                    yield {script.path: script.inserted(display, [(None, edit.value)])}, found.variables
        yield from self.put(edit.keys, _value_at(self.expected, edit.keys))

    def _without(self, keys: Keys) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that remove an option."""
        taken: list[tuple[Path, Splice, frozenset[str]]] = []
        for script in self.scripts:
            found = None if script.is_yaml else script.find(keys)
            if found is None or found.depth < len(keys):
                continue
            if found.display is not None and found.entry is not None:
                splice: Splice | None = script.deleted(found.display, found.entry)
            else:
                splice = script.without_statement(found.statement) if found.statement else None
            if splice:
                taken.append((script.path, splice, found.variables))
        yield from _each_and_all(taken)
        option = self.origins.find(keys)
        for script in self.scripts:
            # a.b = 1
            if option is not None and option.origin.key and option.origin.key.file == self.files.get(script.path):
                statement = script.statement_at(script.offsets(option.origin.key)[0]) if script.is_python else None
                splice = script.without_statement(statement) if statement else None
                if splice:
                    yield {script.path: [splice]}, frozenset()
        cut = next((index for index, key in enumerate(keys) if isinstance(key, int)), None)
        if self.leaf.is_lazy:
            yield {self.leaf.path: [self.leaf.appended(f"del {_target(keys)}")]}, frozenset()
        elif cut is not None:
            yield from self.put(keys[:cut], _value_at(self.expected, keys[:cut]))
        elif len(keys) > 1:
            yield from self._restated(keys[:-1])
        if self.leaf.is_python and self.leaf.assigns(str(keys[0])) and len(keys) > 1:
            yield {self.leaf.path: [self.leaf.appended(f"del {_target(keys)}")]}, frozenset()

    def _restated(self, holder: Keys) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that drop an entry of a base's dict.

        They write ``_delete_`` and all other entries of the dict into the config.
        """
        script = self.leaf
        left = _value_at(self.expected, holder)
        if not isinstance(left, dict):
            return
        found = script.find(holder)
        if found is None or found.depth < len(holder):
            for splices, variables in self.put(holder, left):
                if script.path in splices and len(splices) == 1:
                    yield splices, variables
            return
        display = script.display(found.value)
        if display is None or display.kind == "list":
            return
        here = {entry.key for entry in display.entries}
        dropped = self.edit.keys[-1]
        further = {key: value for key, value in left.items() if key not in here}
        if display.entry(dropped) is not None:
            if splice := script.replaced(found.value, {_DELETE: True, **left}):
                yield {script.path: [splice]}, found.variables
            return
        several = script.inserted_first(display, _DELETE, True)
        if further:
            several += script.inserted(display, [*further.items()])
        yield {script.path: several}, found.variables

    def _renamed(self) -> Iterator[tuple[Splices, frozenset[str]]]:
        edit = self.edit
        name = str((edit.to or ("",))[-1])
        taken: list[tuple[Path, Splice, frozenset[str]]] = []
        for script in self.scripts:
            if script.is_yaml:
                option = self.origins.find(edit.keys)
                if option and option.origin.key and option.origin.key.file == self.files.get(script.path):
                    place = script.offsets(option.origin.key)
                    yield (
                        {script.path: [Splice(*place, name if name.isidentifier() else json.dumps(name))]},
                        frozenset(),
                    )
                continue
            found = script.find(edit.keys)
            if found is None or found.depth < len(edit.keys):
                continue
            if found.display is not None and found.entry is not None:
                splice = script.renamed(found.display, found.entry, name)
            else:
                splice = script.renamed_statement(found.statement, name) if found.statement else None
            if splice:
                taken.append((script.path, splice, found.variables))
        yield from _each_and_all(taken)

    def _moved(self) -> Iterator[tuple[Splices, frozenset[str]]]:
        """Yield replacements that remove an option and set its value at another path."""
        edit = self.edit
        to = tuple(edit.to or ())
        value = _value_at(self.origins.merged(), edit.keys)
        if _has_unknown(value):
            raise Refused(f"{edit.option} is unknown without running the config")
        for taken, names in list(self._without(edit.keys)):
            for added, more in list(self.put(to, value)):
                both: Splices = {path: [*taken.get(path, []), *added.get(path, [])] for path in {*taken, *added}}
                if not any(_overlap(splices) for splices in both.values()):
                    yield both, names | more


def _each_and_all(taken: Sequence[tuple[Path, Splice, frozenset[str]]]) -> Iterator[tuple[Splices, frozenset[str]]]:
    """Yield the same change first in each single file, then in all files together."""
    for path, splice, variables in taken:
        yield {path: [splice]}, variables
    if len(taken) > 1:
        yield {path: [splice] for path, splice, _ in taken}, frozenset().union(*(names for _, _, names in taken))


def _target(keys: Keys) -> str:
    return str(keys[0]) + "".join(f"[{key!r}]" for key in keys[1:])


def _overlap(splices: Sequence[Splice]) -> bool:
    ordered = sorted(splices)
    return any(second.start < first.end for first, second in pairwise(ordered))


def _with_delete(value: Any) -> Iterator[Any]:
    """Yield the value; for a dict, yield it also with ``_delete_``, in case a base has further keys."""
    yield value
    if isinstance(value, dict) and _DELETE not in value:
        yield {_DELETE: True, **value}


def _nested(keys: Keys, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _value_at(config: Any, keys: Keys) -> Any:
    try:
        for key in keys:
            config = config[key]
    except (LookupError, TypeError) as error:
        raise Refused(f"{path_of(keys)} is not set") from error
    return config


def _is_literal(text: str, constant: bool) -> bool:
    return constant or text.startswith(("[", "(", "{", "dict("))


def _has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_unknown, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_unknown, value))
    return value is UNKNOWN


def _expected(before: dict[str, Any], edit: Edit) -> dict[str, Any]:
    holder: Any = before
    for index, key in enumerate(edit.keys):
        if holder is UNKNOWN:
            raise Refused(f"{path_of(edit.keys[:index])} is unknown without running the config")
        try:
            holder = holder[key]
        except (LookupError, TypeError):
            break
    expected: MutableMapping[str, Any] = copy.deepcopy(before, {id(UNKNOWN): UNKNOWN})
    try:
        apply_edits(expected, [edit])
    except EditError as error:
        raise Refused(str(error)) from error
    return dict(expected)


def _compare(found: Mapping[str, Any], expected: Mapping[str, Any], edit: Edit, variables: frozenset[str]) -> None:
    """Raise Refused if a config differs from the expected config. Changes of ``variables`` that mmengine does not read
    are ignored.
    """
    for key in {*found, *expected} - (variables - _READ - {edit.keys[0]}):
        if key not in found or key not in expected or not _same(found[key], expected[key]):
            raise Refused(f"the new text would change {key} differently from the edit: {edit}")


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(value, second[key]) for key, value in first.items())
    if isinstance(first, (list, tuple)) and type(first) is type(second):
        return len(first) == len(second) and all(map(_same, first, second))
    # 1 differs from True here, and NaN equals itself.
    return first is second or (type(first) is type(second) and repr(first) == repr(second))
