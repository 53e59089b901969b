"""The entry point: help, version, start-up, signals, pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from lrdecay_cli import __version__
from lrdecay_cli.app.shell.arguments import SUFFIXES, spread_cfg_options, with_command
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files import config_path
from tests.commands.running import COMMAND, SAMPLES, light_site, lrdecay, lrdecay_cold
from tests.group_maps import group_map

HEAVY = ("torch", "mmengine", "mmcv", "mmdet", "numpy")


def test_version_and_help() -> None:
    assert lrdecay_cold("--version").out == f"lrdecay {__version__}\n"
    shown = lrdecay_cold("--help")
    assert shown.code == 0
    for command in ("inspect", "diff", "schema"):
        assert command in shown.out
        assert lrdecay(command, "--help").code == 0


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    from lrdecay_cli.files import to_json
    from tests.group_maps import group_map

    folder = tmp_path_factory.mktemp("maps")
    for name, lr in (("a", 0.1), ("b", 0.2)):
        group = {"g": {"lr": lr, "weight_decay": 0.0, "parameters": {"head.weight": (2, 2)}}}
        (folder / f"{name}.json").write_text(to_json(group_map(group)))
    return [str(folder / "a.json"), str(folder / "b.json")]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["schema"], ["diff", "A", "B"], ["inspect", "A"], ["explain", "A", "head"], ["inspect", "--help"]],
)
def test_torch_stays_out(arguments: list[str], maps: list[str]) -> None:
    arguments = [dict(zip("AB", maps, strict=True)).get(argument, argument) for argument in arguments]
    script = (
        "import sys\nfrom lrdecay_cli.app.shell.main import run\n"
        f"code = run({arguments!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(code, loaded, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=SAMPLES.parent
    )
    assert done.stderr.splitlines()[-1] in ("0 []", "1 []")


def test_without_torch_the_error_names_the_packages_to_install(tmp_path: Path) -> None:
    """An interpreter whose search path has all of lrdecay's own dependencies, and no torch."""
    (tmp_path / "site").mkdir()
    site = light_site(tmp_path / "site")
    (tmp_path / "config.py").touch()
    script = (
        f"import sys\nsys.path[:0] = [{str(SAMPLES.parent)!r}, {str(site)!r}]\n"
        "from lrdecay_cli.app.shell.main import run\nsys.exit(run(['inspect', 'config.py']))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr == (
        "lrdecay: config.py: a config needs torch and mmengine, which are not installed; "
        'pip install "lrdecay-cli[stack]"; to keep installed packages: pip install "lrdecay-cli[mmdet]"\n'
    )


def test_a_closed_pipe_is_not_an_error(maps: list[str]) -> None:
    shell = f"{' '.join(COMMAND)} inspect {maps[0]} --format json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True, cwd=SAMPLES.parent)
    assert done.stdout == "{\n0\n"
    assert done.stderr == ""


def test_an_ascii_terminal_gets_escapes_instead_of_an_error(maps: list[str]) -> None:
    result = lrdecay("diff", *maps, PYTHONIOENCODING="ascii")
    assert result.code == 1
    assert result.err == ""


def test_interrupt(tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    (tmp_path / "slow.py").write_text(f"import time\nprint('waiting')\nopen({str(waiting)!r}, 'w')\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [*COMMAND, "inspect", str(tmp_path / "slow.py")], stderr=subprocess.PIPE, text=True, cwd=SAMPLES.parent
    )
    while not waiting.exists():
        time.sleep(0.1)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "waiting\nlrdecay: interrupted\n")


CALLBACK = """
import os, signal, time, weakref
from lrdecay_cli.app.speed import fast_start

def cb(_):
    os.kill(os.getpid(), signal.{})
    time.sleep(0)

fast_start.begin()
whatever = set()
reference = weakref.ref(whatever, cb)
try:
    del whatever
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", fast_start.was_terminated())
"""


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_an_interrupt_is_not_lost_in_a_callback(how: str) -> None:
    """Python prints an exception from a callback and continues; importlib ends an import with a callback."""
    done = subprocess.run(
        [sys.executable, "-c", CALLBACK.format(how)], capture_output=True, text=True, check=False, cwd=SAMPLES.parent
    )
    assert (done.stdout, done.stderr) == (f"interrupted {how == 'SIGTERM'}\n", "")


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (
            ["inspect", "c.py", "--cfg-options", "a=1", "b=2"],
            ["inspect", "c.py", "--cfg-options", "a=1", "--cfg-options", "b=2"],
        ),
        (["--cfg-options", "a=1", "c.py"], ["--cfg-options", "a=1", "c.py"]),
        (["--cfg-options", "a=1", "b=2", "-v", "c.py"], ["--cfg-options", "a=1", "--cfg-options", "b=2", "-v", "c.py"]),
        (["--cfg-options=a=1", "c.py"], ["--cfg-options=a=1", "c.py"]),
        (["--cfg-options", "c.py"], ["--cfg-options", "c.py"]),
        (["c.py", "--cfg-options"], ["c.py", "--cfg-options"]),
        (["--cfg-options", "a=1", "--cfg-options", "b=2"], ["--cfg-options", "a=1", "--cfg-options", "b=2"]),
    ],
)
def test_cfg_options_take_several_values(typed: list[str], understood: list[str]) -> None:
    assert spread_cfg_options(typed) == understood


@pytest.mark.parametrize(
    ("first", "command"),
    [
        ("c.py", "inspect"),
        ("./c", "inspect"),
        ("map.json", "inspect"),
        ("epoch_3.pth", "inspect"),
        ("mmdet::yolox/yolox_s_8xb8-300e_coco.py", "inspect"),
        ("mmdet::yolox", "check"),
        ("configs", "check"),
        ("work_dirs/mine", "run"),
        ("check", None),
        ("--version", None),
        ("inspekt", None),
    ],
)
def test_a_path_without_a_command_is_opened(
    first: str, command: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder named like a command is not used: the command has priority."""
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("check").mkdir()
    Path("work_dirs/mine/20260101_120000/vis_data").mkdir(parents=True)
    expected = [first, "-v"] if command is None else [command, first, "-v"]
    assert with_command([first, "-v"]) == expected
    assert with_command([]) == []


def test_a_map_is_shown_without_a_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map.json"
    path.write_bytes(msgspec.json.encode(group_map()))
    shown = []
    for arguments in (["inspect", str(path)], [str(path)]):
        assert run(arguments) == 0
        shown.append(capfd.readouterr().out)
    assert shown[0] == shown[1] != ""


def test_paths_are_recognised_by_the_suffixes_of_configs_and_checkpoints() -> None:
    """The command line repeats them, because the modules that define them are slow to import."""
    assert {*SUFFIXES} == {*config_path.SUFFIXES, *config_path.CHECKPOINT_SUFFIXES}
