"""Run a command with ``--watch``, from the first report to Ctrl-C."""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

import msgspec
import typer

from lrdecay_cli.app.requests.checks import is_config, named_by
from lrdecay_cli.app.shell import CANNOT_JUDGE
from lrdecay_cli.app.shell.options import BuildOptions
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.app.watching.answering import Answer
from lrdecay_cli.app.watching.difference import difference
from lrdecay_cli.app.watching.known import Known
from lrdecay_cli.app.watching.run import Run
from lrdecay_cli.app.watching.screen import Screen
from lrdecay_cli.app.watching.watcher import Watcher
from lrdecay_cli.cache.evidence import is_installed, stamp
from lrdecay_cli.cache.gathering import module_files
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.processes.children import Outcome
from lrdecay_cli.text.counting import count, listed

_PATIENCE = 1.0
"""If an input changes during a run, the child is stopped as soon as it has run for this number of seconds."""
_ATTEMPTS = 5
"""Maximum number of runs in a row that start only because a file changed while the previous run read it."""
_LOOK = 100
"""Interval in milliseconds for checking whether the child process ended without a result."""
# Modules that a child imported and every further child would import again. For the stack, only modules whose presence
# changes no answer: see processes/building.py.
_LOADED_AHEAD = frozenset(
    ("lrdecay_cli", "rich", "jinja2", "markupsafe", "pygments", "typer", "msgspec", "yaml", "pkg_resources")
) | frozenset(("torch", "numpy", "mmengine", "mmcv", "mmdet"))
_NOT_AHEAD = ("lrdecay_cli.training",)
"""Modules that are not imported in advance, because they register types on import."""


def answer_again(context: typer.Context, targets: Sequence[str], build: BuildOptions, *, edits: str = "") -> NoReturn:
    """Run the command line now, and again whenever one of its input files changes. This function never returns.

    Raises:
        LrdecayError: a source is ``-``, which can be read only once; ``edits`` names an option that changes watched
            files; or the system cannot fork a process.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    if edits:
        raise LrdecayError(f"the option cannot be used with {edits}", where="--watch", fix="leave one out")
    if "-" in (*targets, build.named_by):
        raise LrdecayError("stdin can be read only once", where="--watch", fix="give a file")
    if not hasattr(os, "fork"):
        raise LrdecayError(f"{sys.platform} cannot fork a process", where="--watch", fix="use Linux or macOS")
    if find_spec("watchfiles") is None:
        raise LrdecayError("needs watchfiles", where="--watch", fix='pip install "lrdecay-cli[watch]"')
    words = [word for word in context.find_root().obj if word != "--watch"]
    session = Session(words, targets, exact=build.exact)
    try:
        session.run()
    finally:
        session.close()


class Session:
    """A watched command: its dependencies at the last run, the screen, and the modules loaded in advance."""

    def __init__(self, words: Sequence[str], targets: Sequence[str], *, exact: bool) -> None:
        self._words, self._targets, self._exact = words, targets, exact
        self._screen, self._watcher = Screen(), Watcher()
        self._known = Known(Answer(CANNOT_JUDGE).dependencies)
        self._last = Answer(CANNOT_JUDGE)
        self._stamps: dict[str, list[int] | None] = {}
        """For the file of each module that this process loaded: its size and times."""
        self._warm = False
        self._tried: set[str] = set()
        self._attempts = 0
        self._shown = time.monotonic()
        self._resized = False
        self._spare: Run | None = None
        """A child process, forked in advance, that waits for the next change. A fork takes 15 ms."""
        self._note_modules()

    def run(self) -> NoReturn:
        """Run the command, wait until an input changes, and repeat."""
        # fast_start disables garbage collection for short commands.
        gc.enable()
        if self._screen.redraws:
            signal.signal(signal.SIGWINCH, self._note_resize)
        changed: list[str] = []
        while True:
            found = self._answer(changed)
            if found.document:
                self._last = found
            self._follow(found)
            self._load_ahead(found)
            changed = self._changed_meanwhile() or self._next_change()

    def close(self) -> None:
        """Stop watching."""
        self._drop_spare()
        self._watcher.close()

    def _answer(self, changed: Sequence[str]) -> Answer:
        """Run the command in a child process, show its output, and return its result."""
        plain, began = False, time.monotonic()
        while True:
            outcome = self._outcome(plain=plain)
            if outcome is None:
                continue
            if outcome.lost:
                self._screen.show(b"", f"lrdecay: the child process died: {outcome.reason}\n")
                found = Answer(CANNOT_JUDGE, dependencies=self._last.dependencies)
            else:
                found = msgspec.msgpack.decode(outcome.answer, type=Answer)
            if not found.retry:
                self._screen.log(self._status(changed, self._shown - began, found))
                return found
            self._load_stack()
            plain = True

    def _outcome(self, *, plain: bool) -> Outcome | None:
        """Run the command in a child process and show its output. Return None if inputs changed during the run."""
        run = self._new_run(plain=plain)
        began = time.monotonic()
        poller = self._poller()
        poller.register(run.fileno(), select.POLLIN)
        poller.register(run.reader, select.POLLIN)
        shown = late = False
        try:
            run.start()
            while True:
                self._poll(poller, _LOOK)
                outcome = run.poll()
                if not shown and (output := run.output()) is not None:
                    poller.unregister(run.reader)
                    self._screen.show(output.out, output.err)
                    self._shown, shown = time.monotonic(), True
                if outcome is not None:
                    return outcome
                late = late or self._is_late()
                if late and time.monotonic() - began > _PATIENCE:
                    return None
        finally:
            run.stop()

    def _new_run(self, *, plain: bool) -> Run:
        """Return the spare child process if it can run the command now, or else a new child process."""
        spare, self._spare = self._spare, None
        if spare is not None:
            if not plain and spare.poll() is None:
                return spare
            spare.stop()
        return Run(self._words, inherited=[*self._stamps], warm=self._warm, plain=plain)

    def _keep_spare(self) -> None:
        # Without the stack, results are cached, and the evidence of a result starts with its process.
        if self._warm and self._spare is None:
            self._spare = Run(self._words, inherited=[*self._stamps], warm=True, plain=False)

    def _drop_spare(self) -> None:
        if self._spare is not None:
            self._spare.stop()
            self._spare = None

    def _poller(self) -> select.poll:
        poller = select.poll()
        poller.register(self._watcher.reader, select.POLLIN)
        # The reader of the output may be gone.
        poller.register(1, 0)
        return poller

    def _poll(self, poller: select.poll, wait: int | None) -> None:
        for descriptor, event in poller.poll(wait):
            if descriptor == 1 and event & (select.POLLERR | select.POLLHUP):
                raise BrokenPipeError

    def _is_late(self) -> bool:
        return self._concern(self._watcher.take()) and bool(self._known.changes())

    def _concern(self, paths: set[str]) -> bool:
        if paths & self._known.folders:
            self._watcher.forget()
            return True
        return any(map(self._known.concerns, paths))

    def _next_change(self) -> list[str]:
        """Wait until a dependency changes, and return the changed files and folders.

        Empty if only the size of the terminal changed.
        """
        self._attempts = 0
        self._keep_spare()
        while True:
            if not self._resized:
                self._poll(self._poller(), None)
            paths = self._watcher.take()
            self._check_modules(paths)
            changed = self._known.changes() if self._concern(paths) else []
            if changed or self._resized:
                self._resized = False
                return changed

    def _note_resize(self, *_: object) -> None:
        """Record that the size of the terminal changed, so that the command runs again for the new width."""
        self._resized = True

    def _changed_meanwhile(self) -> list[str]:
        """Return the dependencies that changed during the last run.

        A config may write a file that it also reads. If only such files change, this function returns them only a few
        times in a row: otherwise, the command would run again forever.
        """
        uncertain = self._known.uncertain()
        changed = self._known.changes()
        self._attempts = self._attempts + 1 if uncertain.issuperset(changed) else 0
        return changed if self._attempts < _ATTEMPTS else []

    def _follow(self, found: Answer) -> None:
        self._known = Known(found.dependencies)
        ours = {os.path.dirname(path) for path in self._stamps}
        # Polling every folder of the stack would be too slow.
        if self._watcher.polls:
            ours = {folder for folder in ours if not is_installed(folder)}
        self._watcher.follow(self._known.folders, ours)

    def _status(self, changed: Sequence[str], seconds: float, found: Answer) -> str:
        files = sum(known is not None for known in found.dependencies.own.values())
        parts = [_names(changed)] if changed else []
        if found.kind and found.kind == self._last.kind:
            parts.append(difference(found.kind, self._last.document, found.document))
        parts.append(f"{seconds:.2f} s; watching {count(files, 'file')}; Ctrl-C ends")
        return "; ".join(filter(None, parts))

    def _load_ahead(self, found: Answer) -> None:
        """Import the modules that the last child imported, because the next child needs them too."""
        if not self._warm and ("torch" in found.modules or self._needs_stack()):
            self._load_stack()
        wanted = [
            name
            for name in found.modules
            if name.partition(".")[0] in (_LOADED_AHEAD | sys.stdlib_module_names)
            and name not in sys.modules
            and name not in self._tried
            and not name.startswith(_NOT_AHEAD)
            and (self._warm or name.partition(".")[0] not in ("torch", "mmengine", "mmcv", "mmdet"))
        ]
        if found.read and self._warm:
            from lrdecay_cli.openmmlab.shared_bases import read_ahead

            read_ahead(found.read)
        elif not wanted:
            return
        for name in wanted:
            self._tried.add(name)
            with suppress(Exception):
                import_module(name)
        self._freeze()

    def _needs_stack(self) -> bool:
        return bool(find_spec("torch")) and bool(self._configs())

    def _configs(self) -> list[str]:
        with suppress(LrdecayError):
            return [name for name in named_by(self._targets) if is_config(name)]
        return []

    def _load_stack(self) -> None:
        if self._warm:
            return
        # Without the stack, each child reports what is missing.
        with suppress(LrdecayError, ImportError):
            from lrdecay_cli.openmmlab.preloading import preload_stack
            from lrdecay_cli.processes.building import needed_packages

            packages = needed_packages(self._configs())
            line = f"loading {listed(['torch', *packages])}; edits are picked up after loading"
            with self._screen.notice(line):
                preload_stack(packages)
            if not self._exact:
                from lrdecay_cli.openmmlab.shared_bases import share_bases

                share_bases()
        self._warm = True
        self._freeze()

    def _freeze(self) -> None:
        self._note_modules()
        # Exclude existing objects from garbage collection: it would write to memory that children share.
        gc.collect()
        gc.freeze()

    def _note_modules(self) -> None:
        for path in module_files(list(sys.modules.values())):
            if path not in self._stamps:
                self._stamps[path] = stamp(path)

    def _check_modules(self, paths: Iterable[str]) -> None:
        """Restart this process if the file of a loaded module changed: children would inherit the old module."""
        for path in paths:
            if path in self._stamps and stamp(path) != self._stamps[path]:
                self._stamps[path] = stamp(path)
                self._screen.log(f"{_names([path])}, which is loaded: restarting")
                self.close()
                fast_start.start_over()
                self._screen.log("lrdecay cannot restart itself: end the command with Ctrl-C and start it again")
                self._watcher = Watcher()
                self._watcher.follow(self._known.folders)


def _names(changed: Sequence[str]) -> str:
    first, *others = changed
    shown = os.path.relpath(first)
    shown = first if shown.startswith(os.pardir) else shown
    return f"{shown} and {len(others)} more changed" if others else f"{shown} changed"
