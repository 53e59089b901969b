"""Read configs in JSON and YAML, and record the line and column of each value."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.origins.nodes import Node, Slot, unknown
from lrdecay_cli.origins.sources import Source, Span

_DEEPEST = 100
_BLANK = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"[-+.\w]+")


def read_data(source: Source) -> Node:
    """Return the dict in a JSON or YAML file.

    Raises:
        LrdecayError: the top level of the file is not a dict.
    """
    node = _Json(source).read() if source.path.suffix == ".json" else _read_yaml(source)
    if node.kind != "dict":
        raise LrdecayError("the top level of the file is not a dict", where=source.shown, final=True)
    return node


class _Json:
    def __init__(self, source: Source) -> None:
        self.source, self.text, self.at = source, source.text, 0

    def read(self) -> Node:
        """Check the text with Python's json module. Then parse the text, and return its value with line and column."""
        try:
            json.loads(self.text)
        except (ValueError, RecursionError) as error:
            line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise LrdecayError(
                f"the file is not valid JSON: {error}", where=f"{self.source.shown}{line}", final=True
            ) from error
        return self._value(0)

    def _value(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise LrdecayError(
                "the file cannot be parsed: its dicts and lists are nested too deeply",
                where=self.source.shown,
                final=True,
            )
        self._skip()
        start = self.at
        sign = self.text[start]
        if sign in "{[":
            self.at += 1
            data: Any = self._entries(depth) if sign == "{" else self._items(depth)
            return Node("dict" if sign == "{" else "list", data, Span(self.source, start, self.at))
        if sign == '"':
            value, self.at = scanstring(self.text, start + 1, True)
        else:
            match = _SCALAR.match(self.text, start)
            assert match is not None
            self.at = match.end()
            value = json.loads(match[0])
        return scalar(self.source, value, Span(self.source, start, self.at))

    def _skip(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _ended(self) -> bool:
        self._skip()
        self.at += self.text[self.at] in "}],"
        return self.text[self.at - 1] in "}]"

    def _entries(self, depth: int) -> dict[str, Slot]:
        data: dict[str, Slot] = {}
        self._skip()
        if self.text[self.at] == "}":
            self.at += 1
            return data
        while True:
            self._skip()
            start = self.at
            key, self.at = scanstring(self.text, start + 1, True)
            span = Span(self.source, start, self.at)
            self._skip()
            self.at += 1
            slot = Slot(self._value(depth + 1), "data", span)
            data[key] = slot.over(data.get(key))
            if self._ended():
                return data

    def _items(self, depth: int) -> list[Slot]:
        data: list[Slot] = []
        self._skip()
        if self.text[self.at] == "]":
            self.at += 1
            return data
        while True:
            data.append(Slot(self._value(depth + 1), "data"))
            if self._ended():
                return data


def scalar(source: Source, value: Any, span: Span) -> Node:
    """Return a node for a number, string or other single value at the range ``span`` of the file.

    Before a file is parsed, a string replaces each ``{{_base_.x}}``. For such a string, return a placeholder node.
    """
    if isinstance(value, str) and value in source.placeholders:
        return Node("placeholder", source.placeholders[value], span)
    begin, end = source.in_file(span.start, span.end)
    return Node(
        "scalar", value, span, constant=not any(begin <= each[0] and each[1] <= end for each in source.templates)
    )


def _read_yaml(source: Source) -> Node:
    try:
        import yaml
    except ImportError as error:
        raise LrdecayError("needs PyYAML", where=source.shown, fix="pip install pyyaml") from error
    try:
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
        loader = yaml.SafeLoader("")
        return _from_yaml(source, root, loader, 0, set())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source.shown}:{mark.line + 1}" if mark else source.shown
        problem = f"the file is not valid YAML: {getattr(error, 'problem', None) or error}"
        raise LrdecayError(problem, where=where, final=True) from error
    except RecursionError as error:
        raise LrdecayError(
            "the file cannot be parsed: its dicts and lists are nested too deeply", where=source.shown, final=True
        ) from error


def _from_yaml(source: Source, node: Any, loader: Any, depth: int, opened: set[int]) -> Node:
    import yaml

    if node is None:
        return Node("scalar", None)
    span = Span(source, node.start_mark.index, node.end_mark.index)
    if depth > _DEEPEST or id(node) in opened:
        raise LrdecayError(
            "the file cannot be parsed: its dicts and lists are nested too deeply", where=source.shown, final=True
        )
    if isinstance(node, yaml.ScalarNode):
        try:
            return scalar(source, loader.construct_object(node, deep=True), span)
        except (yaml.YAMLError, ValueError):
            return unknown(f"lrdecay cannot evaluate {node.tag}", span)
    opened = {*opened, id(node)}
    if isinstance(node, yaml.SequenceNode):
        slots = [Slot(_from_yaml(source, item, loader, depth + 1, opened), "data") for item in node.value]
        return Node("list", slots, span)
    if node.tag != "tag:yaml.org,2002:map":
        return unknown(f"lrdecay cannot evaluate {node.tag}", span)
    loader.flatten_mapping(node)
    data: dict[Any, Slot] = {}
    for name, item in node.value:
        key = loader.construct_object(name, deep=True)
        key_span = Span(source, name.start_mark.index, name.end_mark.index)
        slot = Slot(_from_yaml(source, item, loader, depth + 1, opened), "data", key_span)
        data[key] = slot.over(data.get(key))
    return Node("dict", data, span)
