"""Comparing version numbers (PEP 440), without importing a package for it."""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<stage>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<stage_number>\d*))?"
    r"(?P<post>[-_.]?(?:post|rev|r)[-_.]?\d*|-\d+)?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|~=|<|>)\s*([^\s,]+)\s*")
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}


def satisfies(version: str | None, specifier: str) -> bool:
    """Whether ``version`` is in the range, for example ``>=2.0.0rc4,<2.2.0``; an empty range takes every version.

    Local labels (``+cu121``) are ignored, and pre-releases ordered like any other: that is how OpenMMLab compares.
    A version or clause that cannot be read is taken to fit: nothing is blamed on a guess.
    """
    key = _key(version or "")
    return key is None or all(_holds(key, clause) for clause in specifier.split(",") if clause.strip())


def common_range(*specifiers: str) -> str:
    """The range that is in all of these, which have only ``>=``, ``<`` and ``<=``; empty if there are none."""
    clauses = [found.groups() for one in ",".join(specifiers).split(",") if (found := _CLAUSE.fullmatch(one))]
    strictest = []
    for operator, is_within in ((">=", ">="), ("<", "<="), ("<=", "<=")):
        bounds = [bound for one, bound in clauses if one == operator]
        strictest += [
            f"{operator}{bound}" for bound in bounds if all(satisfies(bound, f"{is_within}{other}") for other in bounds)
        ][:1]
    return ",".join(strictest)


def public(version: str) -> str:
    """The version without its local label: ``2.1.0`` of ``2.1.0+cu121``."""
    return version.partition("+")[0]


def label(version: str | None) -> str | None:
    """The local label: ``cu121`` of ``2.1.0+cu121``."""
    return (version or "").partition("+")[2] or None


def release(version: str | None) -> tuple[int, ...]:
    """The numbers of the release: ``(2, 1, 0)`` of ``2.1.0rc1+cu121``; empty if it cannot be read."""
    found = _VERSION.fullmatch((version or "").strip())
    return tuple(map(int, found["release"].split("."))) if found else ()


def _holds(key: tuple[Any, ...], clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if not found:
        return True
    operator, bound = found.groups()
    if bound.endswith(".*"):
        prefix = release(bound[:-2])
        return ((*key[1], *[0] * len(prefix))[: len(prefix)] == prefix) == (operator == "==")
    limit = _key(bound)
    if limit is None:
        return True
    if operator == "~=":
        series = release(bound)[:-1]
        return key >= limit and (*key[1], *[0] * len(series))[: len(series)] == series
    return {
        ">=": key >= limit,
        "<=": key <= limit,
        "==": key == limit,
        "!=": key != limit,
        ">": key > limit,
        "<": key < limit,
    }[operator]


def _key(version: str) -> tuple[Any, ...] | None:
    """Something that sorts like the version; None if it cannot be read."""
    found = _VERSION.fullmatch(version.strip())
    if not found:
        return None
    numbers = [int(part) for part in found["release"].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    stage = (_STAGES[found["stage"].lower()], int(found["stage_number"] or 0)) if found["stage"] else (3, 0)
    if found["dev"] and not found["stage"] and not found["post"]:
        stage = (-1, 0)
    post = int(re.sub(r"\D", "", found["post"]) or 0) if found["post"] else -1
    dev = int(found["dev_number"] or 0) if found["dev"] else float("inf")
    return (int(found["epoch"] or 0), tuple(numbers), stage, post, dev)
