"""Every change of an input of a cached result must be a miss: an outdated result is the worst failure of a cache."""

from __future__ import annotations

import os
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cache.project import CONFIG, Project, make, rewrite

SITE = "../site-packages/private"


def write(name: str, text: str) -> Callable[[Project], None]:
    def attack(project: Project) -> None:
        project.file(name).parent.mkdir(parents=True, exist_ok=True)
        project.file(name).write_text(text)

    return attack


def same_size(name: str, text: str) -> Callable[[Project], None]:
    return lambda project: rewrite(project.file(name), text)


def environment(**variables: str) -> Callable[[Project], None]:
    return lambda project: project.environment.update(variables)


def flags(*given: str) -> Callable[[Project], None]:
    return lambda project: project.flags.extend(given)


def replace_base(project: Project) -> None:
    write("new.py", "BASE = 2\n")(project)
    times = project.file("base.py").stat()
    project.file("new.py").replace(project.file("base.py"))
    os.utime(project.file("base.py"), ns=(times.st_atime_ns, times.st_mtime_ns))


def retarget(project: Project) -> None:
    project.file("link.txt").unlink()
    project.file("link.txt").symlink_to("two.txt")


def same_text_elsewhere(project: Project) -> None:
    """The link points to another file with the same text; files next to that file may differ."""
    project.file("one.txt").rename(project.file("fragments/../three.txt"))
    project.file("link.txt").unlink()
    project.file("link.txt").symlink_to("three.txt")


def other_folder(project: Project) -> None:
    """A folder with the same content but another name."""
    (project.root / "elsewhere").mkdir()
    for entry in project.file(".").iterdir():
        (project.root / "elsewhere" / entry.name).symlink_to(entry)
    project.cwd = "elsewhere"


def other_interpreter(project: Project) -> None:
    venv.create(project.root / "venv", symlinks=True, with_pip=False)
    project.python = str(project.root / "venv/bin/python")


def touch_metadata(project: Project) -> None:
    os.utime(project.root / "site-packages/private-1.0.dist-info/METADATA")


def new_distribution(project: Project) -> None:
    write("../site-packages/other-1.0.dist-info/METADATA", "Name: other\n")(project)


ATTACKS: dict[str, Callable[[Project], None]] = {
    "config": write("config.py", f"{CONFIG}answer += [2]\n"),
    "base": write("base.py", "BASE = 22\n"),
    "base, same size and time": same_size("base.py", "BASE = 2\n"),
    "base replaced": replace_base,
    "plugin": write("plugin.py", "VALUE = 22\n"),
    "plugin, same size and time": same_size("plugin.py", "VALUE = 2\n"),
    "submodule of a plugin": same_size("package/part.py", "VALUE = 2\n"),
    "package takes the place of a submodule": write("package/part/__init__.py", "VALUE = 2\n"),
    "package takes the place of a plugin": write("plugin/__init__.py", "VALUE = 2\n"),
    "installed package": write(f"{SITE}/deep.py", "VALUE = 22\n"),
    "installed package, same size and time": same_size(f"{SITE}/deep.py", "VALUE = 2\n"),
    "package within an installed one": write(f"{SITE}/deep/__init__.py", "VALUE = 2\n"),
    "module that hides an installed one": write("../first/private.py", "VALUE = 2\n"),
    "module that hides a plugin": write("../first/plugin.py", "VALUE = 2\n"),
    "module that hides one of Python's": write("../first/colorsys.py", "VALUE = 2\n"),
    "module that was missing": write("optional.py", "VALUE = 2\n"),
    "installed module that was missing": write("../site-packages/optional.py", "VALUE = 2\n"),
    "metadata touched": touch_metadata,
    "distribution installed": new_distribution,
    "data": write("data.json", "22"),
    "data, same size and time": same_size("data.json", "2"),
    "data that was missing": write("local.json", "2"),
    "listed folder": write("fragments/b.py", ""),
    "link retargeted": retarget,
    "link to the same text elsewhere": same_text_elsewhere,
    "variable set": environment(LR_SCALE="2"),
    "variable empty": environment(LR_SCALE=""),
    "search path": lambda project: project.environment.update(PYTHONPATH=f"{project.env()['PYTHONPATH']}:/nowhere"),
    "locale": environment(LC_ALL="C.UTF-8"),
    "GPUs": environment(CUDA_VISIBLE_DEVICES="0"),
    "setting of lrdecay": environment(LRDECAY_SOMETHING="1"),
    "working directory": other_folder,
    "interpreter": other_interpreter,
    "optimisation": flags("-O"),
    "warnings": flags("-W", "error::UserWarning"),
    "development mode": flags("-X", "dev"),
    "options": lambda project: project.arguments.append("--cfg-options=a=1"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_change_is_a_miss(name: str, tmp_path: Path) -> None:
    project = make(tmp_path)
    first = project.ask()
    second = project.ask()
    assert (first["hit"], second["hit"]) == (False, True), (first, second)
    assert second["answer"] == first["answer"]
    ATTACKS[name](project)
    third = project.ask()
    assert not third["hit"]
    # The reported result equals the result without any cache.
    assert third["answer"] == project.ask(cache="empty")["answer"]
    assert project.ask()["hit"]


HARMLESS: dict[str, Callable[[Project], None]] = {
    "nothing": lambda project: None,
    "base touched": lambda project: project.file("base.py").touch(),
    "base written again": write("base.py", "BASE = 1\n"),
    "a file beside the config": write("report.json", "{}"),
    "a variable that nobody reads": environment(SHLVL="7", COLUMNS="77"),
    "another module that nobody looks for": write("../first/another.py", ""),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_irrelevant_changes_are_hits(name: str, tmp_path: Path) -> None:
    project = make(tmp_path)
    assert not project.ask()["hit"]
    HARMLESS[name](project)
    assert project.ask()["hit"]


@pytest.mark.parametrize("prefix", ["", "compiled"])
def test_a_stale_compiled_plugin_is_not_trusted_for_longer_than_python_does(prefix: str, tmp_path: Path) -> None:
    """Python itself does not notice a restored time stamp if a compiled file exists, in any folder."""
    project = make(tmp_path)
    if prefix:
        project.flags = ["-X", f"pycache_prefix={tmp_path / prefix}"]
    project.environment["PYTHONDONTWRITEBYTECODE"] = ""
    project.ask()
    project.ask()
    assert project.ask()["hit"]
    rewrite(project.file("plugin.py"), "VALUE = 2\n")
    fooled = project.ask()
    assert (fooled["hit"], fooled["answer"][1]) == (False, 1)
    assert project.ask()["hit"]
    (compiled,) = (tmp_path / prefix).rglob("plugin.*.pyc")
    compiled.unlink()
    seeing = project.ask()
    assert (seeing["hit"], seeing["answer"][1]) == (False, 2)


NOT_CACHED = {
    "process": ("import subprocess\nanswer = subprocess.run(['date'], capture_output=True, text=True).stdout", "date"),
    "shell": ("import os\nanswer = os.system('true')", "true"),
    "connection": (
        "import socket\nanswer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))",
        "connection",
    ),
    "file that changes meanwhile": (
        "answer = open('data.json').read()\nopen('data.json', 'w').write('3')",
        "data.json changed",
    ),
    "module that changes meanwhile": (
        "import plugin\nopen('plugin.py', 'w').write('VALUE = 3')\nanswer = plugin.VALUE",
        "plugin.py changed",
    ),
    "module that goes meanwhile": ("import plugin, os\nos.unlink('plugin.py')\nanswer = 1", "plugin.py changed"),
    "module that comes to hide another": (
        "import plugin\nopen('../first/plugin.py', 'w').write('VALUE = 3')\nanswer = plugin.VALUE",
        "first/plugin.py changed",
    ),
    "module that comes into an installed package": (
        "from contextlib import suppress\nwith suppress(ImportError):\n    import private.extra\n"
        "open('../site-packages/private/extra.py', 'w').close()\nanswer = 1",
        "private/extra.py changed",
    ),
    "file that comes into a listed folder": (
        "import os\nanswer = os.listdir('fragments')\nopen('fragments/b', 'w').close()",
        "fragments/b changed",
    ),
    "own output that is read": (
        "open('made.txt', 'w').write('1')\nanswer = open('made.txt').read()",
        "made.txt changed",
    ),
    "clock": (
        "import time\nnow = time.time_ns()\ntime.time_ns = lambda: now - 10**10\nanswer = now",
        "the system clock changed during the build",
    ),
    # Such an entry stops no import, and its target is unknown.
    "search path": ("import sys\nsys.path.append(None)\nanswer = 1", "collecting evidence failed: TypeError"),
    "the system": ("answer = open('/proc/self/stat').read()[:0]", "/proc/self/stat"),
}


@pytest.mark.parametrize("name", NOT_CACHED)
def test_results_that_cannot_be_validated_are_not_cached(name: str, tmp_path: Path) -> None:
    project = make(tmp_path)
    text, why = NOT_CACHED[name]
    project.file("config.py").write_text(text)
    answered = project.ask()
    assert not answered["hit"]
    assert why in answered["why"]
    assert not (tmp_path / "cache").exists()


def test_to_compile_an_installed_package_for_the_first_time_is_no_change(tmp_path: Path) -> None:
    """Python writes ``__pycache__`` into its folder, in this process or in another process at the same time."""
    project = make(tmp_path)
    project.environment["PYTHONDONTWRITEBYTECODE"] = ""
    assert "not kept" not in project.ask()["why"]
    assert (tmp_path / "site-packages/private/__pycache__").is_dir()
    assert project.ask()["hit"]


def test_nothing_is_cached_without_an_audit_hook(tmp_path: Path) -> None:
    """An audit hook may refuse further hooks: ``sys.addaudithook`` then raises no error."""
    project = make(tmp_path)
    project.prelude = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event == 'sys.addaudithook':\n"
        "        raise RuntimeError\n"
        "sys.addaudithook(refuse)\n"
    )
    assert "another audit hook refuses new audit hooks" in project.ask()["why"]
    assert not (tmp_path / "cache").exists()


def test_whole_environment(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.file("config.py").write_text("import os\nanswer = len(dict(os.environ))")
    project.ask()
    assert project.ask()["hit"]
    project.environment["ANYTHING"] = "1"
    assert not project.ask()["hit"]


def test_inputs_of_the_first_report_count_for_the_next(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.file("config.py").write_text(
        "from lrdecay_cli.cache.recording import record\n"
        "first = record()\nopen('data.json').close()\nanswer = record() is first\n"
    )
    assert project.ask()["answer"] is True
    assert project.ask()["hit"]


def test_our_own_questions_for_a_file_are_evidence(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.file("config.py").write_text(
        "import os\nfrom lrdecay_cli.cache import probed\n"
        "probed('perhaps.txt')\nanswer = os.path.exists('perhaps.txt')\n"
    )
    project.ask()
    assert project.ask()["hit"]
    write("perhaps.txt", "")(project)
    seen = project.ask()
    assert (seen["hit"], seen["answer"]) == (False, True)


def test_temporary_files_are_no_evidence(tmp_path: Path) -> None:
    """mmengine loads a config as a copy in a temporary folder."""
    project = make(tmp_path)
    project.file("config.py").write_text(
        "import tempfile, shutil, os\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    copy = shutil.copyfile('base.py', os.path.join(folder, 'copy.py'))\n"
        "    answer = open(copy).read()\n"
        "with tempfile.NamedTemporaryFile('w+') as file:\n"
        "    print(answer, file=file, flush=True)\n"
        "    answer += open(file.name).read()\n"
    )
    project.ask()
    assert project.ask()["hit"]


@pytest.mark.parametrize("use", ["answer = os.listdir(folder)", "import made_by_it.inner; answer = 1"])
def test_a_temporary_folder_that_is_left_behind_is_no_evidence(use: str, tmp_path: Path) -> None:
    """The content of a temporary file is new for each result, and no process reads the file again."""
    project = make(tmp_path)
    project.file("config.py").write_text(
        "import tempfile, os, sys\n"
        "folder = tempfile.mkdtemp(dir=os.getcwd())\n"
        "os.makedirs(os.path.join(folder, 'made_by_it', 'inner'))\n"
        "for place in ('new', 'made_by_it/inner.new'):\n"
        "    os.mkfifo(os.path.join(folder, place))\n"
        "sys.path.insert(0, folder)\n"
        f"{use}\n"
        "sys.path.remove(folder)\n"
    )
    assert project.ask()["why"] == "not in the cache"
    assert project.ask()["hit"]


def test_an_archive_on_the_search_path_is_evidence(tmp_path: Path) -> None:
    """Python lists the folder once, before recording starts, and remembers which files it lacks."""
    project = make(tmp_path)
    project.file("config.py").write_text(
        "try:\n    from archived import VALUE as answer\nexcept ImportError:\n    answer = None\n"
    )
    project.environment["PYTHONPATH"] = f"{tmp_path / 'modules.zip'}{os.pathsep}{project.env()['PYTHONPATH']}"
    for name, value in (("other", None), ("archived", 1), ("archived", 2)):
        with zipfile.ZipFile(tmp_path / "modules.zip", "w") as archive:
            archive.writestr(f"{name}.py", f"VALUE = {value}\n")
        made = project.ask()
        assert (made["hit"], made["answer"]) == (False, value)
        assert project.ask()["hit"]
