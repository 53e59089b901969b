"""``# lrdecay: ignore[LRD201] reason``: the suppressions that a config and its bases state in comments. No torch."""

from __future__ import annotations

import ast
import io
import posixpath
import re
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.settings import StatedSuppression
from lrdecay_cli.files.config_path import SEPARATOR, config_path

_COMMENT = re.compile(r"#\s*lrdecay:\s*ignore\[(?P<rules>[^\]]*)\][\s:,–-]*(?P<reason>.*)")
# What people write from memory of other tools.
_ALMOST = re.compile(r"#\s*lrdecay\b\s*:?\s*(?:ignore|disable|noqa|skip|suppress|allow)\b.*")


def comment_suppressions(config: str) -> tuple[StatedSuppression, ...]:
    """What the comments of a config say, then those of its bases, which hold for all of it.

    A comment that means to suppress something and is not written so has no rule, and stands there as it is.

    A config that is not Python, cannot be read or does not parse has none: whoever builds it tells what is wrong.
    """
    found: list[StatedSuppression] = []
    with suppress(LrdecayError):
        path = config_path(config)
        if path is not None:
            for shown, file in _with_bases(config, path, set()):
                found += _suppressions(shown, _text(file))
    return tuple(found)


def _with_bases(shown: str, file: Path, seen: set[Path]) -> Iterator[tuple[str, Path]]:
    if file.suffix != ".py" or file.resolve() in seen or not file.is_file():
        return
    seen.add(file.resolve())
    yield shown, file
    for base in _bases(_text(file)):
        if SEPARATOR in base:
            found = config_path(base)
            if found is not None:
                yield from _with_bases(base, found, seen)
        else:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(shown), base))
            yield from _with_bases(beside, file.parent / base, seen)


def _bases(text: str) -> Iterator[str]:
    """Paths in ``_base_``, and of the modules that ``with read_base():`` imports, as mmengine finds them."""
    with suppress(SyntaxError, ValueError, RecursionError):
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets):
                given = ast.literal_eval(node.value)
                bases = given if isinstance(given, (list, tuple)) else [given]
                yield from (base for base in bases if isinstance(base, str))
            elif isinstance(node, ast.With) and "read_base" in ast.dump(node.items[0].context_expr):
                for line in node.body:
                    if isinstance(line, ast.ImportFrom) and line.module:
                        yield from _module_file(line)


def _module_file(line: ast.ImportFrom) -> Iterator[str]:
    parts = (line.module or "").split(".")
    if line.level:
        yield "/".join([*[".."] * (line.level - 1), *parts]) + ".py"
    elif len(parts) > 2 and parts[1] == "configs":
        yield f"{parts[0]}{SEPARATOR}{'/'.join(parts[2:])}.py"


def _suppressions(shown: str, text: str) -> Iterator[StatedSuppression]:
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.COMMENT:
                continue
            line = token.start[0]
            if said := _COMMENT.search(token.string):
                yield StatedSuppression(
                    rule=tuple(rule.strip() for rule in said["rules"].split(",") if rule.strip()),
                    reason=said["reason"].strip(),
                    source=f"{shown}:{line}",
                    place=shown,
                    line=line,
                )
            elif almost := _ALMOST.search(token.string):
                comment = almost[0].rstrip()
                yield StatedSuppression(rule=(), source=f"{shown}:{line}", place=shown, line=line, comment=comment)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""
