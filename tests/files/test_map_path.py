"""Paths of maps: always below the output folder, for any config name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.writing import map_path


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ("a.py", "maps/a.json"),
        ("configs/nets/a.py", "maps/configs/nets/a.json"),
        ("mmdet::convnext/a.py", "maps/mmdet/convnext/a.json"),
        ("../b/./c.py", "maps/b/c.json"),
        ("/b/c.py", "maps/b/c.json"),
        ("mmdet::../../../etc/c.py", "maps/mmdet/etc/c.json"),
        (r"C:\configs\..\c.py", "maps/C_/configs/c.json"),
        ("a.json", "maps/a.json.json"),
    ],
)
def test_path(config: str, path: str) -> None:
    assert map_path(Path("maps"), config) == Path(path)


@pytest.mark.parametrize("config", ["", "/", "..", "mmdet\n::a.py", "a\x1b[2J.py", "../.."])
def test_no_name_is_left(config: str) -> None:
    with pytest.raises(LrdecayError) as refused:
        map_path(Path("maps"), config)
    assert refused.value.line() == f"the path {config!r} gives no valid file name for a group map; rename the config"
