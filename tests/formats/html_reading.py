"""A page as an HTML parser reads it, and maps with names that try to inject HTML."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap
from lrdecay_cli.domain.report import AnyResult
from lrdecay_cli.domain.training import Constructor, Model, Module, Optimizer
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.html_page.assembling import render
from tests.group_maps import group_map

VOID = {"meta", "input", "br", "wbr", "rect", "link", "img"}
HOSTILE = (
    "</script><img src=x onerror=pwned()>",
    '"><svg onload=pwned()>',
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>",
    "'-pwned()-'",
    "javascript:pwned()",
    "&lt;b&gt;&#0;\u2028\u2029\x00\x1b[31m\u202e",
    "\udc80",
    "__proto__",
    "constructor",
)


class Tree(HTMLParser):
    """Check that tags nest, and collect the parts that tests need."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attributes}) == len(attributes), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]

    def data(self) -> Any:
        """Return the data for the scripts."""
        return json.loads(self.texts["script"][0])

    def names(self) -> list[str]:
        return list(self.data()["parameters"]["names"])


def html(result: AnyResult) -> str:
    return render(result, Canvas())


def page(mapped: GroupMap) -> str:
    return html(inspection(mapped))


def named_map(texts: tuple[str, ...], **fields: Any) -> GroupMap:
    """Return a map with ``texts`` in every free text: names, options, config, types."""
    half = len(texts) // 2
    options = {text: text for text in texts}
    groups = {
        text: {
            "lr_scale": 0.5 + number,
            "layer_id": number,
            "options": {text: text, "eps": number},
            "parameters": {f"{text}.{number}.weight": (2, 3), f"a.{text}": ()},
        }
        for number, text in enumerate(texts)
    }
    usual: dict[str, Any] = {
        "frozen": {f"stem.{text}": (4,) for text in texts[:half]},
        "missing": {f"{text}": (4,) for text in texts[half:]},
        "duplicates": {f"again.{text}": f"a.{text}" for text in texts},
        "config": ConfigSource(texts[0], "0" * 64, options),
        "constructor": Constructor(texts[0], options),
        "optimizer": Optimizer(texts[1], texts[2], options),
    }
    made = group_map(groups, **{**usual, **fields})
    modules = {path: Module(texts[0], (), module.parameters) for path, module in made.modules.items()}
    totals = made.model.totals
    return group_map(groups, **{**usual, **fields, "modules": modules, "model": Model(texts[1], texts[2], totals)})


def hostile_map() -> GroupMap:
    return named_map(HOSTILE)


def plain_map() -> GroupMap:
    """Return the same map with harmless texts."""
    return named_map(tuple(f"name{number}" for number in range(len(HOSTILE))))
