"""The pictures of the documentation show the current output of the commands: ``python docs/make_pictures.py``."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.make_pictures import PICTURES, WIDTH
from tests.commands.running import ROOT, lrdecay_in_terminal

STYLES = re.compile(r"\x1b\[[0-9;]*m")
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_up_to_date(name: str) -> None:
    printed = lrdecay_in_terminal(*PICTURES[name], columns=WIDTH, TERM="xterm-256color").out
    lines = ("".join(STYLES.sub("", line).split()) for line in printed.splitlines())
    assert drawn(ROOT / f"docs/{name}.svg") == [line for line in lines if line]


def drawn(picture: Path) -> list[str]:
    """Return the text lines of a picture that rich drew, without window title, empty lines and spaces."""
    places: dict[float, list[tuple[float, str]]] = defaultdict(list)
    for text in ElementTree.parse(picture).iter(TEXT):
        if "clip-path" in text.attrib:
            places[float(text.attrib["y"])].append((float(text.attrib["x"]), text.text or ""))
    lines = ("".join(part for _, part in sorted(parts)) for _, parts in sorted(places.items()))
    return [line for line in ("".join(line.split()) for line in lines) if line]
