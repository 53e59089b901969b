"""The documentation as a site: every link has a target, and the Python API is on it."""

from __future__ import annotations

from pathlib import Path

from lxml import html
from mkdocs.commands.build import build
from mkdocs.config import load_config

import lrdecay_cli

ROOT = Path(__file__, "../../..").resolve()


def test_it_is_built_without_a_warning(tmp_path: Path) -> None:
    """In strict mode, a link without its page or heading raises, and so does a page that the navigation lacks."""
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    page = html.parse(tmp_path / "api.html")
    documented = {heading.get("id").removeprefix("lrdecay_cli.") for heading in page.iterfind(".//h3[@id]")}
    assert documented >= {name for name in lrdecay_cli.__all__ if not name.startswith("_")}
    assert (tmp_path / "sample_configs/convnext-t_layer-wise.py").is_file()
    start = html.parse(tmp_path / "index.html")
    assert {"inspect.svg", "commands.html"} <= {*start.xpath("//img/@src"), *start.xpath("//a/@href")}
