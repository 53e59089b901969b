"""Environments with incompatible packages, and the report about each."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lrdecay_cli.doctor.diagnosing import diagnose
from lrdecay_cli.doctor.known import OPTIONALS, PROVIDERS
from lrdecay_cli.doctor.report import report
from lrdecay_cli.doctor.survey import survey
from lrdecay_cli.doctor.versions import asserted_ranges
from tests.doctor.environments import GOOD, LIMITS, Installed, environment, record

OLD_LIMITS = "mmcv_minimum_version = '2.0.0'\nassert mmcv_version <= digit_version(mmcv_maximum_version)\n"
PINS = '"torch==2.1.2" "numpy==1.26.4"'

# name: (packages in addition to or instead of the good ones; None removes one), (severity, package, problem, command)
CASES: dict[str, tuple[dict[str, Installed | str | None], tuple[str, str, str, str | None]]] = {
    "mmcv too new": (
        {"mmcv": Installed("2.2.0", files=("_ext.so",))},
        (
            "error",
            "mmcv",
            "mmcv 2.2.0 is incompatible with mmdet 3.3.0 (needs >=2.0.0rc4,<2.2.0): mmdet cannot be imported",
            "pip install --no-deps -f https://download.openmmlab.com/mmcv/dist/cu121/torch2.1/index.html "
            '"mmcv>=2.0.0rc4,<2.2.0"',
        ),
    ),
    "mmcv-lite too old": (
        {"mmcv": Installed("2.0.0rc1", "mmcv-lite")},
        (
            "error",
            "mmcv",
            "mmcv 2.0.0rc1 is incompatible with mmdet",
            'pip install --no-deps "mmcv-lite>=2.0.0rc4,<2.2.0"',
        ),
    ),
    "mmengine too old for mmpretrain": (
        {"mmengine": "0.8.0"},
        (
            "error",
            "mmengine",
            "is incompatible with mmpretrain 1.2.0",
            'pip install --no-deps "mmengine>=0.8.3,<1.0.0"',
        ),
    ),
    "mmdet 2": (
        {"mmdet": "2.28.2"},
        (
            "error",
            "mmdet",
            "mmdet 2.28.2 (needs >=3): MMDetection 2 is not built on mmengine",
            'in a new virtual environment: pip install "lrdecay-cli[stack]"',
        ),
    ),
    "transformers 5": (
        {"transformers": "5.0.0"},
        (
            "error",
            "transformers",
            "transformers 5.0.0 is incompatible with mmpretrain 1.2.0 (needs <4.52)",
            'pip install "transformers<4.46" "torch==2.1.2" "numpy==1.26.4"',
        ),
    ),
    "transformers 5 without mmpretrain": (
        {"transformers": "5.0.0", "mmpretrain": None},
        (
            "warning",
            "transformers",
            "GLIP configs do not build",
            'pip install "transformers<4.46" "torch==2.1.2" "numpy==1.26.4"',
        ),
    ),
    "mmcls 0": (
        {"mmcls": "0.25.0", "mmdet": Installed("3.0.0", code=LIMITS)},
        (
            "warning",
            "mmcls",
            "mmcls 0.25.0 is incompatible with mmdet 3.0.0",
            'pip install --no-deps "mmcls==1.0.0rc6"',
        ),
    ),
    "two Adafactors": (
        {"torch": "2.5.1", "torchvision": "0.20.1", "transformers": "4.45.2", "mmengine": "0.10.5"},
        ("error", "mmengine", "under one name", 'pip install --no-deps "mmengine>=0.10.6,<1.0.0"'),
    ),
    "two Adafactors, one with mmengine-lite": (
        {
            "torch": "2.5.1",
            "torchvision": "0.20.1",
            "transformers": "4.45.2",
            "mmengine": Installed("0.10.5", "mmengine-lite"),
        },
        ("error", "mmengine", "under one name", 'pip install --no-deps "mmengine-lite>=0.10.6,<1.0.0"'),
    ),
    "a fork of mmcv": (
        {"mmcv": Installed("2.3.6", "onedl-mmcv")},
        (
            "error",
            "mmcv",
            "mmcv 2.3.6 is incompatible with mmdet 3.3.0",
            'pip uninstall -y onedl-mmcv && pip install --no-deps "mmcv-lite>=2.0.0rc4,<2.2.0"',
        ),
    ),
    "a fork of mmengine": (
        {"mmengine": Installed("0.8.0", "acme-mmengine")},
        (
            "error",
            "mmengine",
            "mmengine 0.8.0 is incompatible with mmpretrain 1.2.0",
            'pip uninstall -y acme-mmengine && pip install --no-deps "mmengine>=0.8.3,<1.0.0"',
        ),
    ),
    "an mmcv compiled without operators": (
        {"mmcv": "2.2.0"},
        (
            "error",
            "mmcv",
            "mmcv 2.2.0 is",
            'pip uninstall -y mmcv && pip install --no-deps "mmcv-lite>=2.0.0rc4,<2.2.0"',
        ),
    ),
    "numpy 2 and old pycocotools": (
        {"torch": "2.4.0", "torchvision": "0.19.0", "numpy": "2.0.1", "pycocotools": "2.0.7"},
        ("error", "pycocotools", "compiled for numpy 1", 'pip install --no-deps "pycocotools>=2.0.8"'),
    ),
    "numpy 2 and old opencv": (
        {
            "torch": "2.4.0",
            "torchvision": "0.19.0",
            "numpy": "2.0.1",
            "cv2": Installed("4.9.0.80", "opencv-python-headless"),
        },
        ("error", "cv2", "compiled for numpy 1", 'pip install --no-deps "opencv-python-headless>=4.10"'),
    ),
    "numpy 2 and old torch": (
        {"numpy": "2.0.1"},
        ("warning", "numpy", "models that convert numpy arrays to tensors", 'pip install --no-deps "numpy<2"'),
    ),
    "no pkg_resources": (
        {"pkg_resources": None},
        ("warning", "pkg_resources", "setuptools is not installed: configs with a _base_", "setuptools<81"),
    ),
    "torchvision of another torch": (
        {"torchvision": Installed("0.15.2+cu121", requires=("torch==2.0.1 ; python_version > '3'",))},
        (
            "warning",
            "torchvision",
            "torchvision 0.15.2+cu121 is made for torch 2.0, not for 2.1.2+cu121",
            f'pip install --index-url https://download.pytorch.org/whl/cu121 "torchvision==0.16.*" {PINS}',
        ),
    ),
    "torchvision of another torch, unsaid": (
        {"torch": "1.13.1", "torchvision": "0.15.2"},
        (
            "warning",
            "torchvision",
            "torchvision 0.15.2 is made for another torch, not for 1.13.1",
            'pip install "torchvision==0.14.*" "torch==1.13.1" "numpy==1.26.4"',
        ),
    ),
    "torchvision of another build": (
        {"torchvision": Installed("0.16.2+cpu", requires=("torch (==2.1.2)",))},
        (
            "info",
            "torchvision",
            "are built for different devices",
            "pip install --no-deps --force-reinstall --index-url https://download.pytorch.org/whl/cu121 "
            '"torchvision==0.16.2"',
        ),
    ),
    "no torchvision": (
        {"torchvision": None},
        ("error", "torchvision", "torchvision is not installed: mmpretrain cannot be imported", "torchvision==0.16.*"),
    ),
    "mmcv without operators": (
        {"mmcv": Installed("2.1.0", "mmcv-lite")},
        ("info", "mmcv", "mmcv-lite 2.1.0 has no compiled operators", None),
    ),
    "no mmcv": (
        {"mmcv": None},
        (
            "error",
            "mmcv",
            "mmcv is not installed: no config can be inspected",
            f'pip install "mmcv-lite>=2.0.0rc4,<2.2.0" {PINS}',
        ),
    ),
    "a torch of which no torchvision is known": (
        {"torch": "3.0.0"},
        (
            "warning",
            "torchvision",
            "torchvision 0.16.2+cu121 is made for torch 2.1, not for 3.0.0",
            'pip install torchvision "torch==3.0.0" "numpy==1.26.4"',
        ),
    ),
    "no mmdet": (
        {"mmdet": None, "mmpretrain": None},
        ("error", "mmdet", "mmdet is not installed", f'pip install "mmdet>=3.3.0" {PINS}'),
    ),
    "torch alone": (
        dict.fromkeys(("mmengine", "mmcv", "mmdet", "mmpretrain")),
        (
            "error",
            "mmengine",
            "mmengine, mmcv and mmdet are not installed",
            f'pip install mmengine "mmcv-lite>=2.0.0rc4,<2.2.0" "mmdet>=3.3.0" {PINS}',
        ),
    ),
    "all but torch": (
        {"torch": None},
        ("error", "torch", "torch is not installed", 'in a new virtual environment: pip install "lrdecay-cli[stack]"'),
    ),
    "nothing": (
        dict.fromkeys(GOOD),
        ("error", "torch", "torch, mmengine, mmcv and mmdet are not installed", 'pip install "lrdecay-cli[stack]"'),
    ),
}


def make(folder: Path, changes: dict[str, Installed | str | None]) -> list[str]:
    packages = {name: package for name, package in {**GOOD, **changes}.items() if package is not None}
    folder.mkdir(exist_ok=True)
    return environment(folder, packages)


@pytest.mark.parametrize("name", CASES)
def test_the_reported_issue(name: str, tmp_path: Path) -> None:
    changes, (severity, package, problem, command) = CASES[name]
    diagnosis = diagnose(make(tmp_path, changes))
    found = [issue for issue in diagnosis.issues if issue.package == package and problem in issue.line()]
    assert [issue.severity for issue in found] == [severity], diagnosis.issues
    assert command == found[0].command or (command or "no command") in (found[0].command or ""), found[0].command
    assert diagnosis.usable == all(issue.severity != "error" for issue in diagnosis.issues)
    assert diagnosis.usable == (severity != "error")
    # Each problem is one line, and the report contains all of them.
    notes = [note.text for note in report(diagnosis).report.notes]
    assert notes[: len(diagnosis.issues)] == [issue.line() for issue in diagnosis.issues]
    assert len(notes) == len(diagnosis.issues) + bool(diagnosis.needs)
    assert all("\n" not in text for text in notes)


def test_fitting_packages_are_not_reported(tmp_path: Path) -> None:
    diagnosis = diagnose(make(tmp_path, {}))
    assert (diagnosis.issues, diagnosis.stubs, diagnosis.usable) == ((), (), True)


@pytest.mark.parametrize("name", CASES)
def test_no_command_replaces_torch(name: str, tmp_path: Path) -> None:
    diagnosis = diagnose(make(tmp_path, CASES[name][0]))
    versions = {package.name: package.version for package in diagnosis.packages}
    commands = [issue.command for issue in diagnosis.issues if issue.command] + [
        need.command for need in diagnosis.needs
    ]
    pinned = {name: f"{name}=={versions[name].partition('+')[0]}" for name in ("torch", "numpy") if name in versions}
    for command in commands:
        if command.startswith("in a new virtual environment"):
            continue
        for part in command.split(" && "):
            named = {word: re.split(r"[<>=]", word)[0] for word in shlex.split(part)}
            if "--no-deps" in named or "uninstall" in named:
                assert "torch" not in named.values(), part
            else:
                assert {*pinned.values()} <= {*named}, part
                assert [*named.values()].count("torch") == ("torch" in pinned), part


def test_pip_agrees_that_the_pins_keep_installed_packages() -> None:
    """The real pip gets the pins of a command: it would install nothing, local labels included."""
    pins = [f"{name}=={metadata.version(name).partition('+')[0]}" for name in ("torch", "numpy")]
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", *pins],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Would install" not in shown.stdout
    assert shown.stdout.count("Requirement already satisfied") >= 2


def test_one_cause_is_reported_once(tmp_path: Path) -> None:
    """transformers 5 breaks mmpretrain, and mmdet's GLIP too: the command for one also fixes the other."""
    issues = diagnose(make(tmp_path, {"transformers": "5.0.0"})).issues
    assert [(issue.severity, issue.package) for issue in issues] == [("error", "transformers")]


def test_a_python_that_is_too_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, {})
    for version, usable in (("3.13.5", True), ("3.14.0", False)):
        monkeypatch.setattr("platform.python_version", lambda version=version: version)
        assert diagnose(path).usable is usable
    (issue,) = diagnose(path).issues
    assert issue.line().startswith(
        "mmengine 0.10.7 is incompatible with python 3.14.0 (needs >0.10.7): mmengine calls pkgutil"
    )
    assert issue.command is None


def test_two_mmcv_in_one_folder(tmp_path: Path) -> None:
    path = make(tmp_path, {})
    record(tmp_path, "mmcv-lite", "2.0.1")
    (issue,) = diagnose(path).issues
    assert issue.line().startswith("mmcv 2.1.0 and mmcv-lite 2.0.1 are both installed and share the folder mmcv")
    assert issue.command == (
        "pip uninstall -y mmcv mmcv-lite && pip install --no-deps "
        '-f https://download.openmmlab.com/mmcv/dist/cu121/torch2.1/index.html "mmcv==2.1.0"'
    )
    (tmp_path / "mmcv" / "_ext.so").unlink()
    assert 'pip install --no-deps "mmcv-lite==2.1.0"' in [str(each.command)[-40:] for each in diagnose(path).issues]


def test_a_fork_next_to_its_original(tmp_path: Path) -> None:
    path = make(tmp_path, {})
    record(tmp_path, "onedl-mmdetection", "3.5.1", top_level="mmdet")
    (issue,) = diagnose(path).issues
    assert issue.line() == (
        "mmdet 3.3.0 and onedl-mmdetection 3.5.1 are both installed and share the folder mmdet: "
        "Python imports version 3.3.0; removing or updating either of them breaks the package"
    )
    assert issue.command == ('pip uninstall -y mmdet onedl-mmdetection && pip install --no-deps "mmdet==3.3.0"')
    # The fork was installed last: its files are there, and read their version like this.
    (tmp_path / "mmdet" / "version.py").write_text("__version__ = version('onedl_mmdetection')\n")
    (issue,) = diagnose(path).issues
    assert issue.why.startswith("Python imports version 3.5.1;")
    assert str(issue.command).endswith('&& pip install --no-deps "onedl-mmdetection==3.5.1"')


def test_the_fix_of_an_error_removes_both(tmp_path: Path) -> None:
    path = make(tmp_path, {"mmcv": Installed("2.3.6", "onedl-mmcv")})
    record(tmp_path, "mmcv-lite", "2.1.0", top_level="mmcv")
    (issue,) = (each for each in diagnose(path).issues if each.severity != "info")
    assert issue.severity == "error"
    assert issue.command == (
        'pip uninstall -y mmcv-lite onedl-mmcv && pip install --no-deps "mmcv-lite>=2.0.0rc4,<2.2.0"'
    )


def test_a_record_without_files(tmp_path: Path) -> None:
    path = make(tmp_path, {"mmcv": None})
    record(tmp_path, "mmcv", "2.1.0")
    (issue,) = diagnose(path).issues
    assert issue.line().startswith("mmcv 2.1.0 is recorded as installed, but the package mmcv is missing")
    assert issue.command == 'pip install --no-deps --force-reinstall "mmcv==2.1.0"'


def test_a_setuptools_that_dropped_pkg_resources_is_whole(tmp_path: Path) -> None:
    """Its record names no package any more, and nothing has to be installed again."""
    path = make(tmp_path, {"pkg_resources": None})
    record(tmp_path, "setuptools", "82.0.0")
    (issue,) = diagnose(path).issues
    assert (issue.severity, issue.command) == ("warning", 'pip install --no-deps "setuptools<81"')
    assert issue.line().startswith("setuptools 82.0.0 has no pkg_resources: configs with a _base_")


@pytest.mark.parametrize("library", ["mmdet", "mmpretrain"])
def test_limits_of_the_installed_packages_are_read_right(library: str) -> None:
    """Values read from the source must equal those that its metadata gives the installer ``mim``."""
    asserted = asserted_ranges(survey(PROVIDERS), library)
    for package, within in asserted.items():
        (line,) = (
            each for each in metadata.requires(library) or () if each.startswith(f"{package} ") and "'mim'" in each
        )
        recorded = line.partition(";")[0].removeprefix(package)
        assert sorted(within.split(",")) == sorted(recorded.strip(" ()").split(","))
    assert {*asserted} == {"mmcv", "mmengine"}


def test_an_inclusive_limit(tmp_path: Path) -> None:
    path = make(tmp_path, {"mmdet": Installed("3.3.0", code=OLD_LIMITS + "mmcv_maximum_version = '2.1.0'\n")})
    assert asserted_ranges(survey(PROVIDERS, path), "mmdet") == {"mmcv": ">=2.0.0,<=2.1.0"}


def test_needs_end_when_they_are_met(tmp_path: Path) -> None:
    everything = dict.fromkeys({optional.package for optional in OPTIONALS} - {*GOOD}, "1.0")
    bare = diagnose(make(tmp_path / "bare", {}))
    assert [(need.package, need.zoo) for need in bare.needs] == [
        (optional.package, optional.zoo) for optional in OPTIONALS if optional.package not in ("mmpretrain", "mmcls")
    ]
    assert {need.package: need.command for need in bare.needs}["timm"] == f"pip install timm {PINS}"
    assert diagnose(make(tmp_path / "full", {**everything, "transformers": "4.45.2"})).needs == ()
    assert not [need for need in diagnose(make(tmp_path / "none", {"mmdet": None})).needs if need.zoo == "mmdet"]
