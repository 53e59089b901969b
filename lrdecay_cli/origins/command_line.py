"""Read ``--cfg-options`` as mmengine does, and record the position of each option in the command line.

Source: mmengine 0.10.7, ``DictAction`` and ``Config.merge_from_dict``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.origins import COMMAND_LINE
from lrdecay_cli.domain.overrides import TypedOverride
from lrdecay_cli.origins.merging import Unmergeable, merge
from lrdecay_cli.origins.nodes import Node, Slot
from lrdecay_cli.origins.sources import Source, Span

_DEEPEST = 50


def parsed_option(text: str) -> Any:
    """Return the Python value of ``text`` in an option ``key=text``.

    Raises:
        ValueError: brackets are not balanced.
    """
    return _parsed(text, 0)


def _parsed(text: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("brackets are nested too deeply")
    text = text.strip("'\"").replace(" ", "")
    is_tuple = text.startswith("(") and text.endswith(")")
    if is_tuple or (text.startswith("[") and text.endswith("]")):
        text = text[1:-1]
    elif "," not in text:
        return _scalar(text)
    values = []
    while text:
        end = _next_comma(text)
        values.append(_parsed(text[:end], depth + 1))
        text = text[end + 1 :]
    return tuple(values) if is_tuple else values


def _next_comma(text: str) -> int:
    if text.count("(") != text.count(")") or text.count("[") != text.count("]"):
        raise ValueError(f"unbalanced brackets in {text[:60]}")
    round_depth = square_depth = 0
    for index, sign in enumerate(text):
        if sign == "," and round_depth == square_depth == 0:
            return index
        round_depth += (sign == "(") - (sign == ")")
        square_depth += (sign == "[") - (sign == "]")
    return len(text)


def _scalar(text: str) -> Any:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False}.get(text.lower(), None if text == "None" else text)


def merged_options(config: Node, options: Sequence[str]) -> Node:
    """Return a config with ``--cfg-options`` applied.

    Raises:
        LrdecayError: mmengine rejects an option.
    """
    source = Source(COMMAND_LINE, Path(COMMAND_LINE), "\n".join(option.replace("\n", " ") for option in options))
    tree = Node("config", {})
    start = 0
    for option in options:
        key, _, text = (option.key, "", "") if isinstance(option, TypedOverride) else option.partition("=")
        span = Span(source, start, start + len(option))
        start += len(option) + 1
        try:
            read = option.value if isinstance(option, TypedOverride) else parsed_option(text)
            value = _placed(read, span._replace(start=span.start + len(key) + 1))
        except ValueError as error:
            raise LrdecayError(f"cannot read {option!r} ({error})", where=COMMAND_LINE) from error
        holder = tree
        *above, last = key.split(".")
        for name in above:
            holder = holder.data.setdefault(name, Slot(Node("config", {}, span), "cfg-options")).node
            if holder.kind != "config":
                raise LrdecayError(f"cannot set {key}: {name} is not a dict", where=COMMAND_LINE)
        slot = Slot(value, "cfg-options", span._replace(end=span.start + len(key)))
        holder.data[last] = slot.over(holder.data.get(last))
    try:
        return merge(tree, config, list_keys=True)
    except Unmergeable as error:
        raise LrdecayError(error.problem, where=COMMAND_LINE) from error


def _placed(value: Any, span: Span) -> Node:
    if isinstance(value, (list, tuple)):
        slots = [Slot(_placed(item, span), "cfg-options") for item in value]
        return Node("list" if isinstance(value, list) else "tuple", slots, span)
    return Node("scalar", value, span, constant=True)
