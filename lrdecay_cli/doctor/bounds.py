"""The ranges of mmcv and mmengine that an OpenMMLab package asserts when it is imported, read from its text."""

from __future__ import annotations

import re

from lrdecay_cli.doctor.survey import Survey


def asserted_ranges(found: Survey, library: str) -> dict[str, str]:
    """Range by package that ``library`` accepts, ``{"mmcv": ">=2.0.0rc4,<2.2.0"}``; without those it is silent about.

    The limits are two literals in its ``__init__.py``. Its metadata repeats them only for the installer ``mim``.
    """
    text = found.text(library, "__init__.py")
    ranges = {}
    for package in ("mmcv", "mmengine"):
        least = _literal(text, f"{package}_minimum_version")
        most = _literal(text, f"{package}_maximum_version")
        inclusive = re.search(rf"<=\s*digit_version\({package}_maximum_version\)", text)
        clauses = [f">={least}" if least else "", f"<{'=' if inclusive else ''}{most}" if most else ""]
        if clause := ",".join(filter(None, clauses)):
            ranges[package] = clause
    return ranges


def _literal(text: str, name: str) -> str | None:
    found = re.search(rf"^{name}\s*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None
