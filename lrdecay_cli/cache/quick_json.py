"""Reading JSON without the regular expressions that ``import json`` brings: 6 of the 50 ms of an answer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Settings:
    """What the standard library's own scanner, written in C, asks of the decoder that it belongs to."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}


def loads(text: str) -> Any:
    """The value of a JSON text without space around it. Raises ValueError for what is none."""
    try:
        from _json import make_scanner

        scan = make_scanner(_Settings())  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):
        # Another Python than CPython, or one to come.
        import json

        return json.loads(text)
    try:
        value, end = scan(text, 0)
    except StopIteration as error:
        raise ValueError("not JSON") from error
    if end != len(text):
        raise ValueError("something behind the JSON")
    return value
