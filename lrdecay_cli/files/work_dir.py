"""Read a work directory of mmengine: dumped configs, logged lrs and checkpoints. Executes nothing and needs no torch.

Sources: mmengine 0.10.7, ``Runner.dump_config`` (``<work_dir>/<config>.py``), ``LocalVisBackend``
(``<timestamp>/vis_data/config.py``, ``scalars.json``), ``LoggerHook`` (``vis_data/<timestamp>.json``), ``MMLogger``
(``<timestamp>/<timestamp>.log``), ``CheckpointHook`` (``epoch_3.pth``, ``iter_2000.pth``, ``last_checkpoint``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import CHECKPOINT_SUFFIXES, SEPARATOR

# The text log has both before its first iterations.
_HEAD = 4 * 2**20
# Not compiled here: every command with configs imports this module.
_GPUS = r"(?m)^\s+GPU number: (\d{1,6})\s*$"
_EPOCH_LENGTH = r"Epoch\(train\)\s+\[\s*\d+\]\[\s*\d+/0*([1-9]\d{0,11})\]"
_LARGEST = 1e300
_PREFIX = "train/"
"""Prefix of every key in the log if ``log_processor.log_with_hierarchy`` is on."""


class LogLine(NamedTuple):
    """The lrs that were logged in one iteration."""

    iteration: int
    epoch: int | None
    """The epoch, counted from 1; None if the loop counts iterations, or if the line contains no epoch."""
    lrs: Mapping[str, float | None]
    """The lr for each key in the log, such as ``base_lr``; None if the lr is not a finite number."""


class Stamp(NamedTuple):
    """One start of a training, with its config and logs. mmengine writes a folder with a time stamp for each start."""

    name: str
    config: str | None
    """Path of the dumped config; None if there is no dumped config, or if there are several."""
    log: Path
    lines: tuple[LogLine, ...]
    """The lrs of each logged iteration, in order. If an iteration was logged twice, the later value is used."""
    gpus: int | None
    iterations_per_epoch: int | None


def is_work_dir(source: str) -> bool:
    """True if ``source`` is the work directory of a training."""
    root = Path(source)
    try:
        if SEPARATOR in source or not root.is_dir():
            return False
        return (root / "last_checkpoint").is_file() or any(root.glob("*/vis_data")) or bool(checkpoints(source))
    except OSError:
        return False


def read_stamps(work_dir: str) -> list[Stamp]:
    """Return all starts of the training that logged an lr, in the order of their time stamps.

    Raises:
        LrdecayError: ``work_dir`` is not a directory, cannot be read, or has no log with an lr.
    """
    root = Path(work_dir)
    try:
        if not root.is_dir():
            problem = "is not a directory" if root.exists() else "no such directory"
            raise LrdecayError(problem, where=work_dir, fix="give the work_dir of a training")
        folders = sorted(folder for folder in root.iterdir() if (folder / "vis_data").is_dir())
        found = list(filter(None, (_stamp(root, folder) for folder in folders)))
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=work_dir) from error
    if not found:
        if not folders:
            problem = (
                "the work directory has no folder <time stamp>/vis_data,"
                " into which mmengine's LocalVisBackend writes the log"
            )
            fix = "give the work_dir of a training with LocalVisBackend in its vis_backends"
        else:
            problem = f"the logs of {folders[-1].name} contain no lr: no iteration has been logged yet"
            fix = "wait until LoggerHook writes a log line, or set a smaller interval of LoggerHook"
        raise LrdecayError(problem, where=work_dir, fix=fix)
    return found


def dumped_config(work_dir: str) -> str:
    """Return the config that the last training in a work directory saved there.

    Raises:
        LrdecayError: there is no such config, or there are several.
    """
    root = Path(work_dir)
    try:
        beside = _configs_in(root)
        stamped = sorted(root.glob("*/vis_data/config.py"))
    except OSError as error:
        raise LrdecayError(f"cannot read: {error.strerror or error}", where=work_dir) from error
    # Each start with the same config rewrites the one beside the checkpoints.
    if len(beside) == 1:
        return beside[0]
    if stamped:
        return str(stamped[-1])
    if beside:
        names = ", ".join(Path(path).name for path in beside[:4])
        raise LrdecayError(
            f"the work directory has several configs: {names}", where=work_dir, fix="give one of these configs"
        )
    raise LrdecayError("the work directory has no dumped config", where=work_dir, fix="give the config of the training")


def checkpoints(work_dir: str) -> list[str]:
    """Return the checkpoints in a work directory: those without a number, then the others from the highest number."""

    def number(path: Path) -> float:
        numbers = re.findall(r"\d+", path.stem)
        return int(numbers[-1]) if numbers and len(numbers[-1]) < 16 else math.inf

    files = [path for path in Path(work_dir).iterdir() if path.suffix in CHECKPOINT_SUFFIXES and path.is_file()]
    return [str(path) for path in sorted(files, key=lambda path: (number(path), path.name), reverse=True)]


def last_checkpoint(work_dir: str) -> str:
    """Return the checkpoint from which mmengine would resume.

    This is the checkpoint in the file ``last_checkpoint``; without this file, the checkpoint with the highest number.
    Only the file name of the path in ``last_checkpoint`` is used, because the directory may have been moved.

    Raises:
        LrdecayError: there is no checkpoint.
    """
    found = checkpoints(work_dir)
    named = Path(_head(Path(work_dir) / "last_checkpoint").strip()).name
    by_name = {Path(path).name: path for path in found}
    if named in by_name:
        return by_name[named]
    # A "best" checkpoint is older than the last of the others.
    plain = [path for path in found if not Path(path).name.startswith("best_")] or found
    if not plain:
        fix = "give a .pth file, or train with CheckpointHook"
        raise LrdecayError("the work directory has no checkpoint", where=work_dir, fix=fix)
    return plain[0]


def iterations_of_epoch(lines: Sequence[LogLine]) -> int | None:
    """Return the number of iterations per epoch, computed from two log lines; None if it cannot be computed.

    LoggerHook logs the same iterations in every epoch. Therefore the first log lines of two epochs are a whole number
    of epochs apart.
    """
    firsts: dict[int, int] = {}
    for line in lines:
        if line.epoch is not None:
            firsts.setdefault(line.epoch, line.iteration)
    epochs = sorted(firsts)
    if len(epochs) < 2:
        return None
    first, last = epochs[0], epochs[-1]
    length, rest = divmod(firsts[last] - firsts[first], last - first)
    return length if not rest and length > 0 else None


def _stamp(root: Path, folder: Path) -> Stamp | None:
    data = folder / "vis_data"
    logs = [data / "scalars.json", data / f"{folder.name}.json"]
    for log in logs:
        lines = tuple(_lines(log))
        if lines:
            break
    else:
        return None
    own, beside = data / "config.py", _configs_in(root)
    config = str(own) if own.is_file() else beside[0] if len(beside) == 1 else None
    head = _head(folder / f"{folder.name}.log")
    gpus, length = re.search(_GPUS, head), re.search(_EPOCH_LENGTH, head)
    return Stamp(
        name=folder.name,
        config=config,
        log=log.relative_to(root),
        lines=lines,
        gpus=int(gpus[1]) if gpus else None,
        iterations_per_epoch=int(length[1]) if length else iterations_of_epoch(lines),
    )


def _configs_in(root: Path) -> list[str]:
    return sorted(str(path) for path in root.glob("*.py") if path.is_file())


def _head(file: Path) -> str:
    try:
        # Opening a pipe would wait for its other end.
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(_HEAD).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _lines(log: Path) -> Iterator[LogLine]:
    """Yield the logged lrs of each iteration. Skips lines without an lr and an incomplete last line."""
    if not log.is_file():
        return
    # The standard library's json accepts NaN; no other command needs it to start.
    import json

    merged: dict[int, LogLine] = {}
    with log.open("rb") as opened:
        for raw in opened:
            try:
                read = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if isinstance(read, dict) and (line := _line(read)):
                before = merged.get(line.iteration)
                if before:
                    line = LogLine(line.iteration, line.epoch or before.epoch, {**before.lrs, **line.lrs})
                merged[line.iteration] = line
    yield from (merged[iteration] for iteration in sorted(merged))


def _line(read: Mapping[str, Any]) -> LogLine | None:
    step, epoch = read.get("step"), read.get("epoch")
    lrs = {
        key.removeprefix(_PREFIX): float(value) if abs(value) < _LARGEST else None
        for key, value in read.items()
        if _is_lr(key.removeprefix(_PREFIX)) and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    if not lrs or not isinstance(step, int) or isinstance(step, bool) or not 0 < step < 2**53:
        return None
    return LogLine(step - 1, epoch if isinstance(epoch, int) and epoch > 0 else None, lrs)


def _is_lr(key: str) -> bool:
    """True if mmengine's RuntimeInfoHook or lrdecay's hook logs an lr under this key."""
    return key.rpartition(".")[2] in ("lr", "base_lr") or key.startswith("lr/")
