"""Read the text of configs. Does not execute configs and does not need torch.

A checkpoint contains its config as text: :func:`settings_of` returns the settings in this text. A comment in a config
or one of its bases can suppress findings (``# lrdecay: ignore[LRD201] reason``): :func:`comment_suppressions` returns
these suppressions.
"""

from __future__ import annotations

import ast
import io
import keyword
import posixpath
import re
import tokenize
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.settings import StatedSuppression
from lrdecay_cli.files.config_path import SEPARATOR, config_path
from lrdecay_cli.text.python_source import finite_or_name

_LONGEST = 2**20
_DEEPEST = 60
# Syntax that mmengine's Config.pretty_text writes: dict calls, lists, tuples, literals, and names as torch.float16.
_OPERATORS = frozenset("()[]{},=:-.")
_KEYWORDS = frozenset(keyword.kwlist) - {"None", "True", "False"}
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


OPTIONS = ("model", "optim_wrapper", "_base_")
"""Top-level options. A training config sets at least one of these options."""
_OPTION_LINE = re.compile(rf"^(?:{'|'.join(OPTIONS)})\b|^with +read_base\b".encode(), re.MULTILINE)
# Most configs have none of these, and their lines are enough. The others are parsed.
_DOUBTFUL = re.compile(rb"\"\"\"|'''|^(?:def|class|async|for|while|if|@)\b|^model *=(?! *(?:dict\b|\{))", re.MULTILINE)


def may_be_config(path: str) -> bool:
    """Return True if the top-level statements of a Python file may be those of a training config. The file is not run.

    A training config sets ``model`` or ``optim_wrapper``, or inherits from other configs by ``_base_`` or
    ``read_base()``. Scripts, tests and plain PyTorch code with ``model = build(...)`` are not configs.

    If the file cannot be read or parsed, the result is True, and a later step reports the reason.
    """
    try:
        text = Path(path).read_bytes()
    except OSError:
        return True
    if not _OPTION_LINE.search(text):
        return False
    if not _DOUBTFUL.search(text):
        return True
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return any(map(_sets_option, statements)) and not any(map(_is_of_program, statements))


def _sets_option(statement: ast.stmt) -> bool:
    """True if a statement of a config sets an option of :data:`OPTIONS` or imports bases.

    The value of ``model`` is a dict in a config. In other code, it is an instance of a class or made by a function.
    """
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return isinstance(statement, ast.With) and _reads_base(statement)
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = {target.id for target in targets if isinstance(target, ast.Name)} & {*OPTIONS}
    if names != {"model"} or not isinstance(statement.value, ast.Call):
        return bool(names)
    return ast.unparse(statement.value.func).rpartition(".")[2] in ("dict", "copy", "deepcopy", "Config")


def _reads_base(block: ast.With) -> bool:
    """True for ``with read_base():``."""
    return "read_base" in ast.dump(block.items[0].context_expr)


def _is_of_program(statement: ast.stmt) -> bool:
    """True if a statement is not part of a config: ``if __name__ == "__main__":`` or a test function of pytest."""
    if isinstance(statement, ast.If):
        return "'__name__'" in ast.dump(statement.test)
    return isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_")


def settings_of(text: object) -> dict[str, Any]:
    """Return the top-level settings in the text of a config, such as ``{"optim_wrapper": {...}}``. Empty for other
    text.

    Nothing is executed. Only literals and calls of ``dict`` are read. All other values are omitted. A list is omitted
    completely if it contains such a value.

    Source of the format: mmengine 0.10.7, ``Config.pretty_text``, which the Runner saves as ``meta['cfg']``.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return {}
    settings = {}
    with suppress(SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        for statement in ast.parse("".join(_statements(text))).body:
            if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
                return {}
            target = statement.targets[0]
            if not isinstance(target, ast.Name):
                return {}
            with suppress(ValueError):
                settings[target.id] = _value(statement.value)
        return settings
    return {}


def _statements(text: str) -> Iterator[str]:
    """Yield the statements in a config's text that may assign plain values, such as ``lr = 1e-4``. Skips other
    statements.

    Raises:
        ValueError: the text is nested too deeply. Such a text could crash Python's own parser.
    """
    lines = text.splitlines(keepends=True)
    begun, depth, dots, last, shallow = 0, 0, 0, "", True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            if shallow:
                yield "".join(lines[begun : token.start[0]])
            begun, depth, dots, shallow = token.start[0], 0, 0, True
        elif token.type == tokenize.OP:
            # Calls of calls, repeated signs and attributes of attributes nest without brackets.
            chained = (token.string in _OPENING and last in _CLOSING) or token.string == last == "-"
            depth += (token.string in _OPENING) - (token.string in _CLOSING)
            dots = dots + 1 if token.string == "." else 0
            if chained or max(depth, dots) > _DEEPEST:
                # Real configs have no such text: skip the rest.
                raise ValueError("the config is nested too deeply")
            shallow &= token.string in _OPERATORS
        elif token.string in _KEYWORDS:
            shallow = False
        last = token.string if token.type == tokenize.OP else ""


def _value(node: ast.expr) -> Any:
    """Return the value of a literal. Dict entries that are not literals are omitted.

    Raises:
        ValueError: the expression is not a literal.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return _entries([(keyword.arg, keyword.value) for keyword in node.keywords])
    if isinstance(node, ast.Dict):
        return _entries(
            [(_value(key) if key else None, value) for key, value in zip(node.keys, node.values, strict=True)]
        )
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    if isinstance(node, (ast.Name, ast.UnaryOp)) and (name := ast.unparse(node)) in ("inf", "-inf", "nan"):
        return finite_or_name(float(name))
    value = ast.literal_eval(node)
    return finite_or_name(value) if isinstance(value, float) else value


def _entries(given: Iterable[tuple[Any, ast.expr]]) -> dict[str, Any]:
    entries = {}
    for key, node in given:
        with suppress(ValueError):
            entries[str(key)] = _value(node)
    return entries


_COMMENT = re.compile(r"#\s*lrdecay:\s*ignore\[(?P<rules>[^\]]*)\][\s:,–-]*(?P<reason>.*)")
_UNTIL = re.compile(r"\buntil(?:\s*=\s*(\S*)|[\s:]+(\d{4}-\d{2}-\d{2})\b)")
# Spellings that users remember from other tools.
_ALMOST = re.compile(r"#\s*lrdecay\b\s*:?\s*(?:ignore|disable|noqa|skip|suppress|allow)\b.*")


def comment_suppressions(config: str) -> tuple[StatedSuppression, ...]:
    """Return the suppressions in comments of a config, followed by those of its bases. They apply to the whole config.

    For a misspelt suppression comment, the result has an entry with the text of the comment and without rules.

    The result is empty if the config is not a Python file, cannot be read or cannot be parsed. lrdecay reports this
    problem later, when it builds the config.
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
        if SEPARATOR not in base:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(shown), base))
            yield from _with_bases(beside, file.parent / base, seen)
        elif found := config_path(base):
            yield from _with_bases(base, found, seen)


def _bases(text: str) -> Iterator[str]:
    """Yield the paths in ``_base_``, and the paths of modules that are imported below ``with read_base():``."""
    # Most bases have no bases: do not parse them.
    if "_base_" not in text and "read_base" not in text:
        return
    with suppress(SyntaxError, ValueError, RecursionError):
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets):
                given = ast.literal_eval(node.value)
                bases = given if isinstance(given, (list, tuple)) else [given]
                yield from (base for base in bases if isinstance(base, str))
            elif isinstance(node, ast.With) and _reads_base(node):
                for line in node.body:
                    if not isinstance(line, ast.ImportFrom) or not line.module:
                        continue
                    parts = line.module.split(".")
                    if line.level:
                        yield "/".join([*[".."] * (line.level - 1), *parts]) + ".py"
                    elif len(parts) > 2 and parts[1] == "configs":
                        yield f"{parts[0]}{SEPARATOR}{'/'.join(parts[2:])}.py"


def _suppressions(shown: str, text: str) -> Iterator[StatedSuppression]:
    # Few texts have such a comment, and finding comments takes a millisecond for each file.
    if "lrdecay" not in text:
        return
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.COMMENT:
                continue
            line = token.start[0]
            at: dict[str, Any] = {
                "source": f"{shown}:{line}",
                "place": shown,
                "line": line,
                "column": token.start[1] + 1,
                "end_column": token.end[1] + 1,
            }
            if match := _COMMENT.search(token.string):
                rules = tuple(rule.strip() for rule in match["rules"].split(",") if rule.strip())
                try:
                    reason, until = _until(match["reason"])
                except ValueError:
                    yield StatedSuppression(rule=(), comment=match[0].rstrip(), **at)
                else:
                    yield StatedSuppression(rule=rules, reason=reason, until=until, **at)
            elif almost := _ALMOST.search(token.string):
                yield StatedSuppression(rule=(), comment=almost[0].rstrip(), **at)


def _until(reason: str) -> tuple[str, date | None]:
    """Return two values: a comment's reason without ``until=2027-01-31``, and this date; None if there is no date.

    Raises:
        ValueError: there is no valid date after ``until=``.
    """
    found = _UNTIL.search(reason)
    if not found:
        return reason.strip(), None
    until = date.fromisoformat((found[1] or found[2] or "").rstrip(",;:.)"))
    before, after = reason[: found.start()].rstrip(" ,;:(–-"), reason[found.end() :].strip(" ,;:.)–-")
    return f"{before} {after}".strip(), until


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""
