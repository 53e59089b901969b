"""Draws the pictures of the README from what the real commands print: ``python docs/make_pictures.py``."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
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


def draw(name: str, arguments: list[str]) -> None:
    """Run one command and save what it prints as ``docs/<name>.svg``."""
    shown = _on_a_terminal([sys.executable, "-m", "lrdecay_cli", *arguments])
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text.from_ansi(shown))
        # A fixed id: otherwise a picture that shows the same would differ in every line.
        svg = console.export_svg(title=f"lrdecay {' '.join(arguments)}", unique_id=f"lrdecay-{name}")
    (ROOT / "docs" / f"{name}.svg").write_text(svg, encoding="utf-8")


def draw_page() -> None:
    """Save what a browser shows of the page of ``inspect`` as ``docs/page.png``, where there is Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("docs/page.png is left as it is: no chromium")
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        inspect = [sys.executable, "-m", "lrdecay_cli", *PICTURES["inspect"], "-o", f"html={page}"]
        subprocess.run(inspect, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        window = ("--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1180,1120")
        picture = f"--screenshot={ROOT / 'docs/page.png'}"
        subprocess.run([chromium, *window, picture, page.as_uri()], stderr=subprocess.DEVNULL, check=True)


def _on_a_terminal(command: list[str]) -> str:
    """What a command prints on a terminal of ``WIDTH`` columns."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": str(WIDTH), "COLORTERM": "truecolor", "TERM": "xterm-256color"},
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
    )
    os.close(follower)
    shown = bytearray()
    with suppress(OSError):
        # At its end a terminal gives an error.
        while chunk := os.read(leader, 65536):
            shown += chunk
    os.close(leader)
    _, said = process.communicate()
    if process.returncode > 1:
        sys.exit(said.decode())
    return shown.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    for each, its_arguments in PICTURES.items():
        draw(each, its_arguments)
    draw_page()
