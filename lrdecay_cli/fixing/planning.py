"""Turn the fixes of findings into new texts of config files.

There are several ways (forms) to write an edit into the text of a config, see ``forms/``. The planner tries one form
after another. After each try, the planner merges the changed config with its bases, and compares the result with the
merged config before the edit. The planner uses the first form that changes only the edited option. This module runs no
config and writes no file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.fix import Edit, Fix, fitting
from lrdecay_cli.domain.origins import COMMAND_LINE, Option
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.fixing.forms import EditedConfig, Form, Splices, forms_of
from lrdecay_cli.fixing.merged import Refused, check_change, edited, is_same
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.fixing.script import Script
from lrdecay_cli.origins import ConfigOrigins, config_origins

Texts = Mapping[Path, str]


class Planner:
    """Computes new texts for the files of several configs, one fix after another.

    Args:
        requested: the fixes of each config. An edit changes a base only if every config that inherits from the base
            requests the same edit.
        project: the project whose files may change.
        overrides: ``--cfg-options``.

    Attributes:
        before: a dict from the real path of each file to its text before all fixes.
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
        """A dict from the real path of each changed file to its new text."""
        return {path: text for path, text in self._now.items() if text != self.before[path]}

    def state(self) -> tuple[dict[Path, str], set[tuple[str, str]]]:
        """Return the current texts and applied edits, to pass to :meth:`restore`."""
        return {**self._now}, {*self._done}

    def restore(self, state: tuple[dict[Path, str], set[tuple[str, str]]]) -> None:
        """Undo all edits since :meth:`state` returned this state."""
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
        """Return where the config files set each option of a config, after the edits that were already made.

        Raises:
            Refused: the text of the config cannot be analysed.
        """
        try:
            return config_origins(config, self._overrides, self._normal)
        except LrdecayError as error:
            raise Refused(f"cannot analyse the text of the config: {error}") from error

    @property
    def _normal(self) -> Texts:
        return {path: text.replace("\r\n", "\n").replace("\r", "\n") for path, text in self._now.items()}

    def _edit(self, config: str, edit: Edit) -> None:
        if (config, str(edit)) in self._done:
            return
        origins = self.origins(config)
        before = origins.merged()
        given, edit = edit, fitting(before, edit)
        expected = edited(before, edit)
        if is_same(before, expected):
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
            return (
                f"in a YAML file, lrdecay can change only values and keys that are already there, so it cannot {edit}"
            )
        if option is not None and option.origin.unknown:
            return f"the value of {edit.option} is unknown without running the config: {option.origin.unknown}"
        return f"the edit cannot be written into {leaf.name}: {edit}"

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
            raise Refused(f"with this edit, the config would raise {after.raised[0][1]}")
        check_change(after.merged(), expected, edit, variables)
        for other in self._requested:
            if other == config or not splices.keys() & self._files_of(other):
                continue
            new = self.origins(other).merged()
            now, self._now = self._now, state[0]
            try:
                old = self.origins(other).merged()
            finally:
                self._now = now
            if is_same(new, old):
                continue
            if edit not in self._requested[other]:
                raise Refused(f"the edit would also change the config {other}")
            check_change(new, edited(old, edit), edit, variables)
            self._done.add((other, str(edit)))

    def _files_of(self, config: str) -> set[Path]:
        try:
            return {Path(os.path.realpath(path)) for path in self.origins(config).files.values()}
        except Refused:
            return set()

    def _writable(self, config: str, edit: Edit, origins: ConfigOrigins) -> list[Path]:
        """Return the files that an edit may change: the config, and bases that set the option.

        An edit may not change these bases:

        - a base outside the project
        - a base that is itself a complete config, if no fix for the base requests the edit
        - a base from which another config of the project inherits, if no fix for that config requests the edit
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
        """Return True if a base is also a complete config, from which a model can be trained.

        An edit in such a base would also change trainings with the base itself. The old value may be correct for these
        trainings.
        """
        try:
            merged = config_origins(str(base), (), self._normal).merged()
        except LrdecayError:
            return True
        return {"model", "optim_wrapper", "train_cfg"} <= merged.keys()

    def _candidates(
        self, config: str, given: Edit, edit: Edit, origins: ConfigOrigins, expected: dict[str, Any]
    ) -> Iterator[Form]:
        """Yield the ways to write an edit, each with its text replacements and the variables that may change."""
        leaf = self._leaf(config)
        if why := self._project.objection(leaf):
            raise Refused(why)
        files = {Path(os.path.realpath(path)): shown for shown, path in origins.files.items()}
        writable = self._writable(config, given, origins)
        yield from forms_of(EditedConfig([self._script(path) for path in writable], files, origins, edit, expected))
