"""A config's text as values, without running it: what a checkpoint says of the run that wrote it."""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
from contextlib import suppress
from typing import Any

_LONGEST = 2**20
_DEEPEST = 60
# All that mmengine's Config.pretty_text writes: calls of dict, lists, tuples and literals.
_OPERATORS = frozenset("()[]{},=:-")
_KEYWORDS = frozenset(keyword.kwlist) - {"None", "True", "False"}
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def settings_of(text: object) -> dict[str, Any]:
    """The settings that the text assigns at its top level: ``{"optim_wrapper": {...}}``; empty for any other text.

    Source of the form: mmengine 0.10.7, ``Config.pretty_text``, which the Runner saves as ``meta['cfg']``. Nothing is
    executed: a value that is more than a literal or ``dict(...)`` makes the whole text unread.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return {}
    with suppress(SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        if _is_shallow(text):
            return dict(_assigned(statement) for statement in ast.parse(text).body)
    return {}


def _is_shallow(text: str) -> bool:
    """Whether the text nests no deeper than Python's own parser, which a stranger's text can crash, is safe with."""
    depth, last = 0, ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP:
            # Calls of calls and signs of signs nest without brackets.
            chained = (token.string in _OPENING and last in _CLOSING) or token.string == last == "-"
            depth += (token.string in _OPENING) - (token.string in _CLOSING)
            if token.string not in _OPERATORS or chained or depth > _DEEPEST:
                return False
        elif token.string in _KEYWORDS:
            return False
        last = token.string if token.type == tokenize.OP else ""
    return True


def _assigned(statement: ast.stmt) -> tuple[str, Any]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, _value(statement.value)
    raise ValueError("not a plain assignment")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        return {str(_value(key)): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    return ast.literal_eval(node)
