"""Diagnose an environment by the metadata of its packages, or by importing the packages.

Imports run in a child process, because they may crash or hang. This module also decides whether an exception comes from
a package that cannot be imported or from lrdecay.
"""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

import msgspec

from lrdecay_cli import __version__
from lrdecay_cli.doctor.checks import issues, needs
from lrdecay_cli.doctor.known import LIBRARIES, PROVIDERS
from lrdecay_cli.doctor.survey import survey
from lrdecay_cli.domain.diagnosis import DIAGNOSIS_SCHEMA_VERSION, Device, Diagnosis, Issue, Trial
from lrdecay_cli.domain.group_map import Stub, Tool
from lrdecay_cli.openmmlab.stubs.missing_modules import MMCV_OPS, TORCHVISION_OPS

TIME_LIMIT = 300.0
"""Time limit in seconds for importing and trying all packages. Usually, this takes six seconds in total."""
_ORDER = ("torch", "torchvision", "numpy", "mmengine", "mmcv", *LIBRARIES)
# The child uses the same search path, independent of how this interpreter was started.
_CHILD = "import sys; sys.path[:] = {path!r}; from lrdecay_cli.openmmlab.full_check import main; main({modules!r})"


def diagnose(path: Sequence[str] | None = None) -> Diagnosis:
    """Return a diagnosis of an environment from the metadata of its packages, without importing a package.

    Args:
        path: folders with the packages, as in ``sys.path``; None for the path of this process.
    """
    found = survey(PROVIDERS, path)
    problems = issues(found)
    mmcv = found.packages.get("mmcv")
    stubs = [MMCV_OPS] if mmcv is not None and mmcv.operators is False else []
    if any(issue.package == "torchvision" and issue.severity != "error" for issue in problems):
        stubs.append(TORCHVISION_OPS)
    return Diagnosis(
        schema_version=DIAGNOSIS_SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        usable=all(issue.severity != "error" for issue in problems),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=tuple(found.packages.values()),
        stubs=tuple(stubs),
        issues=problems,
        needs=needs(found),
        devices=None,
        trials=None,
    )


def tried(diagnosis: Diagnosis, *, time_limit: float = TIME_LIMIT) -> Diagnosis:
    """Test the packages, and return the diagnosis with the results. If the test fails, the diagnosis has an error.

    The test imports torch and every OpenMMLab package, lists the devices, and builds one model of each zoo.

    Args:
        diagnosis: the diagnosis of this process's environment.
        time_limit: seconds until the child process is killed and its current trial counts as failed.
    """
    present = {package.name for package in diagnosis.packages}
    records, ending = _run([name for name in _ORDER if name in present], time_limit)
    trials = [Trial(**record) for record in records if "subject" in record]
    if ending is not None:
        begun = [record["trying"] for record in records if "trying" in record]
        trials.append(Trial(begun[-1] if begun else "python", ok=False, outcome=ending))
    devices = [each for record in records for each in record.get("devices", [])]
    stubs = [each for record in records for each in record.get("stubs", [])]
    issues = _with_trials(diagnosis.issues, trials)
    return msgspec.structs.replace(
        diagnosis,
        usable=all(issue.severity != "error" for issue in issues),
        stubs=tuple(Stub(*each) for each in stubs),
        issues=issues,
        devices=tuple(Device(*each) for each in devices),
        trials=tuple(trials),
    )


def _with_trials(issues: tuple[Issue, ...], trials: Sequence[Trial]) -> tuple[Issue, ...]:
    """Return the issues, corrected by the results of trials. A trial is an attempt, such as an import.

    The issues were found from version numbers.

    If no trial failed and a library such as mmdet was tried, errors become warnings. If a trial failed but no issue is
    an error, an error for the first failed trial is added. The first failure causes the later failures, so these are
    ignored.
    """
    failed = next((trial for trial in trials if not trial.ok), None)
    if failed is None:
        needed = any(trial.subject in LIBRARIES for trial in trials)
        return tuple(
            msgspec.structs.replace(issue, severity="warning") if needed and issue.severity == "error" else issue
            for issue in issues
        )
    if any(issue.severity == "error" for issue in issues):
        return issues
    package = failed.subject.partition("::")[0].partition(".")[0]
    why = "no config of this package can be inspected" if package in LIBRARIES else "no config can be inspected"
    return (Issue("error", package, f"{failed.subject} fails: {failed.outcome}", why, None), *issues)


def _run(modules: list[str], time_limit: float) -> tuple[list[dict[str, Any]], str | None]:
    """Return the records that the child process printed, and why this process failed (None if it succeeded)."""
    script = _CHILD.format(path=sys.path, modules=modules)
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=stderr)
        late = False
        try:
            output, _ = child.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            late = True
            child.kill()
            output, _ = child.communicate()
        finally:
            # Ctrl-C ends the trial too.
            child.kill()
        stderr.seek(0)
        last_line = stderr.read().decode(errors="replace").rstrip().rpartition("\n")[2]
    # Ignore a line that the end of the child cut off.
    records = [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
    if late:
        return records, f"the test did not finish within {time_limit:g} s"
    if child.returncode < 0:
        return records, f"the interpreter was killed by {signal.Signals(-child.returncode).name}"
    ending = f"the interpreter exited with code {child.returncode}" + (f": {last_line}" if last_line else "")
    return records, ending if child.returncode else None


def stack_fault(error: BaseException) -> str | None:
    """Return the problem and its fix if the import of a package such as torch, mmcv or mmdet raised ``error``.

    Return None for any other error.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        # The outermost package of the stack whose module was being imported.
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and package in PROVIDERS:
            break
    else:
        return None
    for issue in diagnose().issues:
        if issue.severity == "error":
            return f"{issue.line()}; {issue.command or 'see lrdecay doctor'}"
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{package} cannot be imported: {message}; run lrdecay doctor --full to test all packages"
