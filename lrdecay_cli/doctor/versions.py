"""Compare version numbers and ranges, and read the version ranges that an OpenMMLab package asserts."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from packaging.specifiers import InvalidSpecifier, Specifier
from packaging.version import InvalidVersion, Version

from lrdecay_cli.doctor.survey import Survey, public

_ORDER: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def satisfies(version: str | None, specifier: str) -> bool:
    """Return True if ``version`` is in a range such as ``>=2.0.0rc4,<2.2.0``; an empty range contains every version.

    As in OpenMMLab's own checks, local labels (``+cu121``) are ignored, and pre-releases are ordered like other
    versions. If the version or a part of the range cannot be parsed, the result is True, so that no error is based on a
    guess.
    """
    parsed = _version(version)
    if parsed is None:
        return True
    for clause in _clauses(specifier):
        # PEP 440 excludes the pre-releases of a bound from "<" and its post-releases from ">".
        if clause.operator in _ORDER:
            holds = _ORDER[clause.operator](parsed, Version(clause.version))
        else:
            holds = clause.contains(parsed, prereleases=True)
        if not holds:
            return False
    return True


def common_range(*specifiers: str) -> str:
    """Return the intersection of version ranges as one range; empty without ranges.

    The ranges may use ``>=``, ``<`` and ``<=``.
    """
    clauses = [clause for specifier in specifiers for clause in _clauses(specifier)]
    strictest = []
    for sign, pick in ((">=", max), ("<", min), ("<=", min)):
        if bounds := [clause.version for clause in clauses if clause.operator == sign]:
            strictest.append(f"{sign}{pick(bounds, key=Version)}")
    return ",".join(strictest)


def release(version: str | None) -> tuple[int, ...]:
    """Return the release numbers of a version: ``(2, 1, 0)`` of ``2.1.0rc1+cu121``; empty if it cannot be parsed."""
    parsed = _version(version)
    return parsed.release if parsed else ()


def asserted_ranges(found: Survey, library: str) -> dict[str, str]:
    """Return the version ranges that ``library`` asserts when it is imported: ``{"mmcv": ">=2.0.0rc4,<2.2.0"}``.

    The bounds are literals in the library's ``__init__.py``. The library's metadata contains the ranges only for the
    installer ``mim``.
    """
    text = found.text(library, "__init__.py")
    limits = dict(re.findall(r"^(\w+_m(?:in|ax)imum_version)\s*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)[::-1])
    ranges = {}
    for package in ("mmcv", "mmengine"):
        least, most = (limits.get(f"{package}_{end}imum_version") for end in ("min", "max"))
        inclusive = re.search(rf"<=\s*digit_version\({package}_maximum_version\)", text)
        clauses = [f">={least}" if least else "", f"<{'=' if inclusive else ''}{most}" if most else ""]
        if clause := ",".join(filter(None, clauses)):
            ranges[package] = clause
    return ranges


def _version(text: str | None) -> Version | None:
    try:
        return Version(public(text or ""))
    except InvalidVersion:
        return None


def _clauses(specifier: str) -> Iterator[Specifier]:
    for clause in specifier.split(","):
        with suppress(InvalidSpecifier):
            yield Specifier(clause)
