"""``--isolate``: the same maps, and configs that try to access forbidden resources."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lrdecay_cli.app.requests import sources
from lrdecay_cli.app.shell.main import run
from tests.commands.running import SAMPLES

PLAIN = (SAMPLES / "resnet-50_default.py").read_text(encoding="utf-8")
# Each case tries something and hides its failure: the map is complete, and the attempt has no effect.
ATTEMPTS = {
    "overwrites itself": "open('{config}', 'w').write('gone')",
    "writes beside itself": "open('{folder}/made', 'w')",
    "writes to the home": "open('{home}/made', 'w')",
    "removes a file": "__import__('os').remove('{home}/secret')",
    "runs a program": "__import__('subprocess').run(['touch', '{home}/made'], check=True)",
    "connects": "__import__('_socket').socket().connect(('127.0.0.1', {port}))",
    "prints": "print('\\x1b]0;title\\x07noise')",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (home / "secret").write_text("secret")
    monkeypatch.setenv("HOME", str(home))
    # matplotlib, yapf and the Hugging Face hub create folders in the home directory at their first import.
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(project)
    return project


def test_the_map_is_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    maps = []
    for options in ([], ["--isolate"]):
        assert run(["inspect", str(SAMPLES / "convnext-t_layer-wise.py"), "--format", "json", *options]) == 0
        captured = capfd.readouterr()
        maps.append(captured.out)
    assert maps[0] == maps[1]
    assert captured.err.startswith("lrdecay: isolated from: network (")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_attempts(attempt: str, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    home, config = project.parent / "home", project / "config.py"
    tried = ATTEMPTS[attempt].format(config=config, folder=project, home=home, port=server.getsockname()[1])
    # The attempt is in a module, because a config cannot contain functions and error handling.
    (project / "tried.py").write_text(f"try:\n    {tried}\nexcept Exception:\n    pass\n")
    config.write_text(f"custom_imports = dict(imports=['tried'])\n{PLAIN}")
    before = config.read_text()
    code = run(["inspect", "config.py", "--isolate", "--format", "csv"])
    captured = capfd.readouterr()
    assert code == 0, captured.err
    assert captured.out.startswith("group,")
    assert "noise" not in captured.out + captured.err
    assert captured.err.count("\n") == 1
    assert config.read_text() == before
    assert sorted(path.name for path in home.iterdir()) == ["secret"]
    assert not (project / "made").exists()
    server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.accept()
    server.close()


def test_unreadable_values_are_not_in_the_map(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = str(project.parent / "home" / "secret")
    (project / "secret_reader.py").write_text(
        f"try:\n    content = open({secret!r}).read()\nexcept OSError:\n    content = 'refused'\n"
    )
    (project / "config.py").write_text(
        f"custom_imports = dict(imports=['secret_reader'])\n{PLAIN}\n"
        "train_cfg = dict(max_epochs=1, content=__import__('secret_reader').content)\n"
    )
    assert run(["inspect", "config.py", "--isolate", "--format", "json"]) == 0
    out = capfd.readouterr().out
    assert "refused" in out
    assert '"secret"' not in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("while True: pass", "config.py: the build was stopped: not done after 1 s"),
        ("__import__('os')._exit(0)", "config.py: the build was stopped: exit code 0"),
        ("raise SystemExit(0)", "config.py:1: config does not load: its code calls sys.exit(0)"),
        ("__import__('os').kill(__import__('os').getppid(), 15)", "config.py:1: config does not load: PermissionError"),
        ("model = dict(type='Nothing')", "config.py: config has no 'optim_wrapper'"),
    ],
)
def test_errors(
    text: str, message: str, project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "not done after" in message:
        monkeypatch.setattr(sources, "TIMEOUT", 1.0)
    (project / "config.py").write_text(text)
    assert run(["inspect", "config.py", "--isolate"]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert message in captured.err.splitlines()[1]
    assert captured.err.count("\n") == 2


def test_scan_and_check_of_several(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "good.py").write_text(PLAIN)
    (project / "bad.py").write_text("optim_wrapper = dict()\nmodel = open('../home/secret')")
    assert run(["scan", ".", "--isolate", "--format", "csv"]) == 1
    captured = capfd.readouterr()
    statuses = {line.split(",")[0]: line.split(",")[1] for line in captured.out.splitlines()[1:]}
    assert statuses == {"bad.py": "error", "good.py": "ok"}
    assert captured.err.startswith("lrdecay: isolated from: network (")
    assert run(["check", ".", "--isolate", "--format", "json"]) == 2
    assert "Permission denied" in capfd.readouterr().out
