"""Add files outside docs/ to the documentation site: the README as its first page, and files that pages link to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"index.md": "README.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, and the sample configs without changes."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_linked(text)))
    for path in sorted((ROOT / "sample_configs").glob("*.py")):
        files.append(File.generated(config, f"sample_configs/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Change links from docs/ to the folder above: on the site, all pages are in one folder."""
    return re.sub(r"\]\(\.\./", "](", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Remove Sphinx roles such as :func: before code."""
    return re.sub(r":(?:py:)?(?:func|class|meth|attr|data|mod|exc):(?=<code>)", "", html)


def _linked(text: str) -> str:
    """Return the text of a page from the root of the repository, with links relative to docs/."""
    return re.sub(r"\]\(docs/", "](", text).replace("](README.md", "](index.md")
