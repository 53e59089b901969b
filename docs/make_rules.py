"""Writes docs/rules.md from the rules themselves: ``python docs/make_rules.py``."""

from __future__ import annotations

from pathlib import Path

from lrdecay_cli.formats import Canvas, renderer
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.pages import report_on

FILE = Path(__file__).resolve().parent / "rules.md"
HEAD = """\
# The rules of `lrdecay check`

Written by `docs/make_rules.py` from the rules; `lrdecay rule CODE` prints one of them.

"""


def text() -> str:
    """What the file is to say."""
    return HEAD + renderer("markdown")(report_on(RULES, whole=True), Canvas())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
