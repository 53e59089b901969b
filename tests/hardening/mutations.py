"""Random damage to JSON documents, drawn by hypothesis, as users, merge conflicts, bad disks or attackers cause it."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, -0.0, 2**31, 2**63, 2**64, 10**400, 1e308, 5e-324, "", "x", "1", " ", "\0",
    "\x1b[2J", "\ud800", "\u202egpj", "[bold]", "</script>", "%0A::error::", "\n", "a" * 5000, "a." * 900, [], {},
    [[]], [None], {"a": 1}, [1, "2", 3.0], {"": ""}, float("nan"), float("inf"), "NaN", "1e-4", -1e-9, [0] * 50, "*",
    "{0-99999999}", "\\",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> bytes:
    """Return ``document`` as JSON with one to four changes of its values or its text."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        document = _change_value(draw, document)
    text = json.dumps(document).encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        return text
    return _change_text(draw, text)


@st.composite
def mutated_text(draw: st.DrawFn, text: str) -> bytes:
    """Return ``text`` with one to four changes: swapped or removed lines, and the text changes of :func:`mutated`."""
    lines = text.splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 2))):
        one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        lines[one], lines[other] = (
            lines[other],
            lines[one].replace("=", draw(st.sampled_from(("=", "", "= [", "= 1 #")))),
        )
    changed = "".join(lines).encode()
    for _ in range(draw(st.integers(1, 3))):
        changed = _change_text(draw, changed)
    return changed


def _change_value(draw: st.DrawFn, document: Any) -> Any:
    place = document
    # Walk down to some container, and change one value in it.
    while True:
        below = [key for key in _keys(place) if isinstance(place[key], (dict, list)) and place[key]]
        if not below or draw(st.integers(0, 3)) == 0:
            break
        place = place[draw(st.sampled_from(below))]
    if not isinstance(place, (dict, list)) or not place:
        return draw(st.sampled_from(ODD_VALUES))
    key = draw(st.sampled_from(_keys(place)))
    action = draw(st.sampled_from(("set", "set", "remove", "double", "rename", "swap")))
    if action == "remove":
        del place[key]
    elif action == "double" and isinstance(place, list):
        place.insert(0, copy.deepcopy(place[key]))
    elif action == "rename" and isinstance(place, dict):
        place[draw(st.sampled_from(("nmae", "", "lr", "$", f"{key} ")))] = place.pop(key)
    elif action == "swap":
        other = draw(st.sampled_from(_keys(place)))
        place[key], place[other] = place[other], place[key]
    else:
        place[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
    return document


def _change_text(draw: st.DrawFn, text: bytes) -> bytes:
    position = draw(st.integers(0, max(len(text) - 1, 0)))
    length = draw(st.sampled_from((0, 1, 1, 7, 200)))
    put = draw(
        st.sampled_from((b"", b",", b"}", b"[", b'"', b"\\", b"\xff", b"\0", b"NaN", b"[" * 3000, b"1" * 5000, b"//"))
    )
    return text[:position] + put + text[position + length :]


def _keys(place: Any) -> list[Any]:
    return list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
