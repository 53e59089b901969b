"""Draw the documentation's pictures from the output of the real commands: ``python docs/make_pictures.py``."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 120
PICTURES = {
    "inspect": ["inspect", "sample_configs/convnext-s_wrong-num-layers.py"],
    "check": ["check", "sample_configs/convnext-s_wrong-num-layers.py"],
    "explain": ["explain", "sample_configs/convnext-t_layer-wise.py", "backbone.norm3"],
    "dry-run": ["dry-run", "sample_configs/convnext-t_layer-wise.py", "--iters-per-epoch", "7330", "--gpus", "8"],
    "diff": ["diff", "sample_configs/convnext-t_layer-wise.py", "sample_configs/convnext-t_stage-wise.py"],
}

TEST = """\
import lrdecay_cli


def test_layer_decay():
    group_map = lrdecay_cli.audit("convnext-s_wrong-num-layers.py")
    lrdecay_cli.check(group_map).raise_on_failure()
"""


def draw_test() -> None:
    """Save pytest's output for a failing test as ``docs/pytest.svg``."""
    with tempfile.TemporaryDirectory() as folder:
        # A separate project, so that lrdecay does not read this repository's settings.
        for config in (ROOT / "sample_configs").glob("*.py"):
            shutil.copy(config, folder)
        Path(folder, "test_groups.py").write_text(TEST, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-header", "-q", "test_groups.py"]
        shown = _on_a_terminal(command, Path(folder))
    # Replace the run time, which differs in each run.
    _save("pytest", "pytest test_groups.py", re.sub(r"( in )[0-9.]+s", r"\g<1>3.10s", shown))


def draw(name: str, arguments: list[str]) -> None:
    """Run one command and save its output as ``docs/<name>.svg``."""
    shown = _on_a_terminal([sys.executable, "-m", "lrdecay_cli", *arguments], ROOT)
    _save(name, f"lrdecay {' '.join(arguments)}", shown)


def _save(name: str, title: str, shown: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text.from_ansi(shown))
        # A fixed id, so that an unchanged picture gives the same file.
        svg = console.export_svg(title=title, unique_id=f"lrdecay-{name}")
    (ROOT / "docs" / f"{name}.svg").write_text(svg, encoding="utf-8")


def draw_page() -> None:
    """Save a screenshot of the HTML page of ``inspect`` as ``docs/page.png``; skip this without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("docs/page.png is unchanged: chromium is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        inspect = [sys.executable, "-m", "lrdecay_cli", *PICTURES["inspect"], "-o", f"html={page}"]
        subprocess.run(inspect, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        window = ("--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1180,1120")
        picture = f"--screenshot={ROOT / 'docs/page.png'}"
        subprocess.run([chromium, *window, picture, page.as_uri()], stderr=subprocess.DEVNULL, check=True)


def draw_notebook() -> None:
    """Save a screenshot of the notebook's first cell as ``docs/notebook.png``."""
    chromium = shutil.which("chromium")
    if chromium is None or find_spec("nbconvert") is None:
        print("docs/notebook.png is unchanged: chromium or nbconvert is not installed")
        return
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = notebook["cells"][1:2]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cell.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level", "ERROR", "cell.ipynb"]
        subprocess.run(convert, cwd=folder, check=True)
        window = ("--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=960,860")
        picture = f"--screenshot={ROOT / 'docs/notebook.png'}"
        page = Path(folder, "cell.html").as_uri()
        subprocess.run([chromium, *window, picture, page], stderr=subprocess.DEVNULL, check=True)


def _on_a_terminal(command: list[str], folder: Path) -> str:
    """Return the output of a command on a terminal of ``WIDTH`` columns."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "COLUMNS": str(WIDTH), "COLORTERM": "truecolor", "TERM": "xterm-256color"},
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
    )
    os.close(follower)
    shown = bytearray()
    with suppress(OSError):
        # Reading from a closed terminal raises OSError.
        while chunk := os.read(leader, 65536):
            shown += chunk
    os.close(leader)
    _, errors = process.communicate()
    if process.returncode > 1:
        sys.exit(errors.decode())
    return shown.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    for each, its_arguments in PICTURES.items():
        draw(each, its_arguments)
    draw_page()
    draw_test()
    draw_notebook()
