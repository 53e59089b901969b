"""``doctor`` end to end: in this environment, in broken ones, and in one without torch."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.doctor.diagnosing import diagnose, tried
from lrdecay_cli.domain.diagnosis import Diagnosis
from tests.commands.running import SAMPLES, light_site, lrdecay, lrdecay_cold, lrdecay_in_terminal
from tests.doctor.environments import environment, record


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command line with an interpreter that has only lrdecay's own dependencies."""
    site = light_site(tmp_path_factory.mktemp("site"))
    script = (
        f"import sys\nsys.path[:0] = [*sys.argv[1].split(':'), {str(SAMPLES.parent)!r}, {str(site)!r}]\n"
        "from lrdecay_cli.app.shell.main import run\ncode = run(sys.argv[2:])\n"
        "assert 'torch' not in sys.modules and 'mmengine' not in sys.modules\nsys.exit(code)"
    )
    return [sys.executable, "-S", "-I", "-c", script]


def run_bare(bare: list[str], path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*bare, path, *arguments], capture_output=True, text=True, check=False)


def test_this_environment_is_usable() -> None:
    result = lrdecay_cold("doctor", "--format", "json")
    assert (result.code, result.err) == (0, "")
    schema = json.loads(lrdecay("schema", "doctor").out)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(result.out))
    diagnosis = msgspec.json.decode(result.out, type=Diagnosis)
    assert diagnosis.usable
    assert {"torch", "mmengine", "mmcv", "mmdet", "mmpretrain"} <= {package.name for package in diagnosis.packages}
    assert result.out == lrdecay("doctor", "--format", "json").out


def test_versions_predict_the_installed_stubs() -> None:
    from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs

    assert diagnose().stubs == install_stubs()


def test_nothing_is_loaded() -> None:
    script = (
        "import sys\nfrom lrdecay_cli.app.shell.main import run\ncode = run(['doctor'])\n"
        "loaded = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'numpy', 'transformers'} & {*sys.modules}\n"
        "print(code, loaded, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=SAMPLES.parent, check=True
    )
    assert done.stderr == "0 set()\n"


def test_a_bare_interpreter_gets_an_install_command(bare: list[str]) -> None:
    done = run_bare(bare, "", "doctor")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines()[-1] == 'not usable: 1 error; start with: pip install "lrdecay-cli[stack]"'
    assert "error: torch, mmengine, mmcv and mmdet are not installed: no config can be inspected\n" in done.stdout


def test_formats(bare: list[str], tmp_path: Path) -> None:
    (path,) = environment(tmp_path, {"torch": "2.1.2", "mmengine": "0.10.7", "mmcv": "2.1.0", "mmdet": "2.28.2"})
    rows = list(csv.DictReader(StringIO(run_bare(bare, path, "doctor", "-f", "csv").stdout)))
    assert [row["package"] for row in rows if row["severity"] == "error"] == ["mmdet"]
    assert rows[0]["command"] == 'in a new virtual environment: pip install "lrdecay-cli[stack]"'
    markdown = run_bare(bare, path, "doctor", "-f", "markdown").stdout
    assert "| `mmdet` | 2.28.2 | mmdet 2.28.2 | error |" in markdown
    assert '- `pip install --no-deps "setuptools<81"`' in markdown


def test_on_a_terminal_nothing_is_cut() -> None:
    shown = lrdecay_in_terminal("doctor", "--color", "never", columns=80)
    assert shown.code == 0
    assert "…" not in shown.out
    long = [line for line in shown.out.splitlines() if len(line) > 80]
    # A command to copy is one line, however long it is.
    assert long
    assert all(line.startswith("  pip install ") for line in long)


@pytest.mark.slow
def test_trials_overrule_versions(tmp_path: Path) -> None:
    """An outdated record claims that scipy is too old for numpy 2; it loads and works, and models build."""
    record(tmp_path, "scipy", "1.12.0")
    quick = lrdecay("doctor", PYTHONPATH=str(tmp_path) + ":" + str(SAMPLES.parent))
    assert quick.code == 2
    assert "error: scipy 1.12.0 is incompatible with numpy" in quick.out
    full = lrdecay("doctor", "--full", "--format=json", PYTHONPATH=str(tmp_path) + ":" + str(SAMPLES.parent))
    diagnosis = msgspec.json.decode(full.out, type=Diagnosis)
    assert (full.code, full.err) == (0, "")
    assert [issue.severity for issue in diagnosis.issues if issue.package == "scipy"] == ["warning"]
    assert diagnosis.trials is not None
    assert all(trial.ok for trial in diagnosis.trials), diagnosis.trials
    outcomes = {trial.subject.partition("::")[0]: trial.outcome for trial in diagnosis.trials if "::" in trial.subject}
    assert outcomes == {
        "mmdet": "builds: 240 groups with 240 of 240 tensors",
        "mmpretrain": "builds: 1 group with 62 of 62 tensors",
    }
    assert diagnosis.devices is not None
    assert [device.name for device in diagnosis.devices][:2] == ["cpu", "meta"]
    assert diagnosis.stubs == diagnose().stubs


# name: (text of a torch that comes before the real one, time limit, the reported problem)
BROKEN = {
    "raises": (
        "raise OSError('libcudart.so.12: no such file\\nand more')",
        60,
        "OSError: libcudart.so.12: no such file",
    ),
    "exits": ("import sys; sys.exit(3)", 60, "SystemExit: 3"),
    "ends the interpreter": ("import os; os._exit(7)", 60, "the interpreter exited with code 7"),
    "crashes": ("import os; os.abort()", 60, "the interpreter was killed by SIGABRT"),
    "hangs": ("import time; time.sleep(600)", 1.5, "the test did not finish within 1.5 s"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_torch_that_does_not_load(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, time_limit, message = BROKEN[name]
    path = environment(tmp_path, {"torch": "2.13.0"})
    note = f"import os, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
    (tmp_path / "torch" / "__init__.py").write_text(note + code)
    monkeypatch.syspath_prepend(str(tmp_path))
    full = tried(msgspec.structs.replace(diagnose(path), issues=()), time_limit=time_limit)
    # The process has ended, whatever it was doing.
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not full.usable
    assert full.issues[0].severity == "error"
    assert full.issues[0].line().startswith(f"torch fails: {message}")
    assert "\n" not in full.issues[0].line()
    assert full.trials is not None
    assert [trial.subject for trial in full.trials] == ["torch"]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        # mmengine 0.10.5 fails like this with torch 2.5 and transformers.
        ("0.10.5", 'mmengine 0.10.5 is incompatible with torch .*; pip install --no-deps "mmengine>=0.10.6,<1.0.0"'),
        (
            "0.10.7",
            "mmengine cannot be imported: KeyError: 'registered'; run lrdecay doctor --full to test all packages",
        ),
    ],
)
def test_a_package_that_cannot_be_imported_is_not_an_internal_error(version: str, message: str, tmp_path: Path) -> None:
    environment(tmp_path, {"mmengine": version})
    (tmp_path / "mmengine" / "__init__.py").write_text("raise KeyError('registered')")
    result = lrdecay("inspect", SAMPLES / "resnet-50_default.py", PYTHONPATH=f"{tmp_path}:{SAMPLES.parent}")
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(f"lrdecay: {message}\n", result.err), result.err
