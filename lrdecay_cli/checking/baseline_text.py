"""The text form of a baseline: what a reviewer reads of a group map, a line for each pattern of tensors.

A line changes only where its meaning does: lrs are lr scales of the base lr, which has a line of its own; columns are
not aligned; what most groups have in common is written once. The digest of a line tells its tensors, by name and
shape, from any others, so that a map differs from the text wherever it differs from the whole map. Numbers have 12
digits; rates that differ by less than a billionth are the same in both forms. docs/commands.md describes the form.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lrdecay_cli.analysis.comparing.changes import group_label, group_options, run_settings
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.text.name_patterns import Universe

VERSION = 1
HEAD = "# lrdecay baseline, version "
_ADVICE = "# Renewed by: lrdecay baseline --update. An lr of = is base_lr x lr_scale."
_COLUMNS = ("layer", "lr_scale", "lr", "decay", "group", "tensors", "digest", "parameters")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_PLAIN = re.compile(r"[!$%&(-~][!#-~]*")
_SETTING = re.compile(r'("(?:[^"\\]|\\.)*"|\S+) = (.*)')
_DIGEST = re.compile("[0-9a-f]{8}")
_TIMES = re.compile(r"x([1-9]\d{0,8})")
# Ranges and stars of a pattern that nobody folded may take for ever to match.
_RANGE = re.compile(r"(\d+)-(\d+)")
_LONGEST_RANGE = 100_000
_MOST_STARS = 2
_STATES = ("frozen", "missing", "duplicate")


class Row(NamedTuple):
    """A line: tensors that a pattern stands for, and what they have in common."""

    layer_id: int | None
    lr_scale: float | None
    lr: float | str | None
    """``=`` where it follows from the lr scale."""
    weight_decay: float | None
    group: str | None
    """None for tensors in no group."""
    tensors: int
    digest: str
    pattern: str
    state: str
    """``frozen`` (in a group or in none), ``missing``, ``duplicate``; empty for what trains."""
    times: int
    options: str
    """Name of the group's further options; empty for those that most groups have."""
    line: int


class TextBaseline(NamedTuple):
    """A baseline as its file has it."""

    path: str
    config: str
    settings: Mapping[str, Any]
    """Settings of the whole run by their path in the map."""
    options: Mapping[str, Mapping[str, Any]]
    """Further options of groups by name; under the empty name those that most groups have."""
    rows: tuple[Row, ...]


def digest_of(tensors: Sequence[Tensor]) -> str:
    """8 hex digits that tell these tensors by name and shape, and duplicates by their first name, from any others."""
    told = sorted(json.dumps([tensor.name, tensor.shape, tensor.of]) for tensor in tensors)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


def to_text(group_map: GroupMap) -> str:
    """The text form of a map: equal for two maps if and only if all that a baseline holds of them is equal."""
    lines = [f"{HEAD}{VERSION}", _ADVICE, f"config = {_json(group_map.config.path)}"]
    lines += [f"{_word(name)} = {_json(value)}" for name, value in run_settings(group_map) if value is not None]
    alike: dict[tuple[str, ...], list[Tensor]] = {}
    for tensor in group_map.memberships():
        alike.setdefault(_profile(tensor, group_map), []).append(tensor)
    groups = Counter(profile[-1] for profile in alike if profile[-1])
    usual = min(groups, key=lambda options: (-groups[options], options), default="")
    lines += [f"options = {usual}"] if usual else []
    lines += [f"{_name(options)} = {options}" for options in sorted(groups) if options != usual]
    lines += ["", f"# {' '.join(_COLUMNS)}"]
    universe = Universe(group_map.names(duplicates=True))
    for (*numbers, group, state, times, options), tensors in sorted(alike.items(), key=_layer):
        by_name = {tensor.name: tensor for tensor in tensors}
        marks = (state, times, "" if options in ("", usual) else _name(options))
        for pattern, names in universe.fold(by_name):
            members = [by_name[name] for name in names]
            what = " ".join(filter(None, (_word(pattern), *marks)))
            lines.append(" ".join((*numbers, group, str(len(names)), digest_of(members), what)))
    return "\n".join(lines) + "\n"


def _profile(tensor: Tensor, group_map: GroupMap) -> tuple[str, ...]:
    """All that a line tells of a tensor but its name and shape; its options last, as JSON."""
    state = "" if tensor.state == "grouped" else tensor.label
    times = f"x{tensor.times}" if tensor.times > 1 else ""
    group = tensor.group
    if group is None:
        return ("-", "-", "-", "-", "-", state, times, "")
    scale = None if group.lr_scale is None else float(_number(group.lr_scale))
    computed = computed_lr(group_map, scale)
    follows = computed is not None and group.lr is not None and math.isclose(computed, group.lr, rel_tol=1e-11)
    lr = "=" if follows else _number(group.lr)
    numbers = (_number(group.layer_id), _number(group.lr_scale), lr, _number(group.weight_decay))
    return (*numbers, _word(group_label(group)), state, times, _json(group_options(group)))


def computed_lr(group_map: GroupMap, scale: float | None) -> float | None:
    """The lr that follows from an lr scale; None where there is no base lr."""
    if group_map.base_lr is None or scale is None:
        return None
    return group_map.base_lr * scale * group_map.lr_factor


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.12g}"


def _json(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), sort_keys=True)


def _word(text: str) -> str:
    """``text`` as one word of a line: as it is, or as JSON has it where it could be taken for something else."""
    return text if _PLAIN.fullmatch(text) and text != "-" and '"' not in text else _json(text)


def _name(options: str) -> str:
    return f"options-{hashlib.sha256(options.encode()).hexdigest()[:6]}"


def _layer(item: tuple[tuple[str, ...], Any]) -> tuple[bool, int]:
    """Layers in their order; what has none comes last, as the optimizer has it."""
    layer = item[0][0]
    return layer == "-", 0 if layer == "-" else int(layer)


def parse_text(raw: bytes, path: str) -> TextBaseline:
    """A baseline from the bytes of its file ``path``.

    Raises:
        LrdecayError: about the line that is wrong, with what is wrong in it and how it is fixed.
    """
    try:
        lines = raw.decode().split("\n")
    except UnicodeDecodeError as error:
        raise LrdecayError("is not UTF-8 text", where=path, remedy=_RENEW) from error
    lines = [line.rstrip("\r") for line in lines]
    version = lines[0].removeprefix(HEAD)
    if version == lines[0]:
        marker = _is_conflict(lines[0])
        problem = "holds a merge conflict" if marker else f"does not begin with {HEAD.strip()!r}"
        raise LrdecayError(problem, where=f"{path}:1", remedy=_RENEW)
    if version != str(VERSION):
        remedy = f"use a newer lrdecay, or renew it: {_COMMAND}"
        raise LrdecayError(f"version {version!r}, and this lrdecay reads {VERSION}", where=f"{path}:1", remedy=remedy)
    settings: dict[str, Any] = {}
    options: dict[str, Mapping[str, Any]] = {}
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if _is_conflict(line):
                raise ValueError("holds a merge conflict")
            setting = _SETTING.fullmatch(line)
            if setting is None:
                rows.append(_row(line, number))
                continue
            name, value = _unquoted(setting[1]), json.loads(setting[2])
            table, key = (options, name[7:].lstrip("-")) if name.startswith("options") else (settings, name)
            if key in table:
                raise ValueError(f"{name!r} is there twice")
            if table is options and not isinstance(value, dict):
                raise ValueError("options are an object")
            table[key] = value
        except (ValueError, RecursionError) as error:
            problem = f"not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise LrdecayError(problem, where=f"{path}:{number}", remedy=_RENEW) from error
    config = settings.pop("config", None)
    if not isinstance(config, str):
        raise LrdecayError("does not name its config", where=path, remedy=_RENEW)
    for row in rows:
        if row.group is not None and row.options not in options:
            missing = f"options-{row.options}" if row.options else "options"
            raise LrdecayError(f"there is no line {missing!r}", where=f"{path}:{row.line}", remedy=_RENEW)
    return TextBaseline(path, config, settings, options, tuple(rows))


_COMMAND = "lrdecay baseline --update"
_RENEW = f"renew it: {_COMMAND}"


def _is_conflict(line: str) -> bool:
    return line.startswith(("<<<<<<<", ">>>>>>>", "|||||||")) or line == "======="


def _unquoted(word: str) -> str:
    if not word.startswith('"'):
        return word
    text = json.loads(word)
    if not isinstance(text, str):
        raise ValueError(f"{word} is not a text")
    return text


def _row(line: str, number: int) -> Row:
    words = _TOKEN.findall(line)
    if len(words) < len(_COLUMNS):
        raise ValueError(f"has {len(words)} of the {len(_COLUMNS)} columns {' '.join(_COLUMNS)}")
    layer, scale, lr, decay, group, tensors, digest, pattern, *marks = words
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a digest of 8 hex digits")
    state, times, options = "", 1, ""
    for mark in marks:
        if mark in _STATES:
            state = mark
        elif found := _TIMES.fullmatch(mark):
            times = int(found[1])
        elif mark.startswith("options-"):
            options = mark.removeprefix("options-")
        else:
            raise ValueError(f"unknown mark {mark!r} behind the parameters")
    in_no_group = group == "-"
    if in_no_group and state not in _STATES:
        raise ValueError("tensors in no group are frozen, missing or duplicate")
    pattern = _unquoted(pattern)
    _check_pattern(pattern)
    return Row(
        _parsed(int, layer, "layer"),
        _parsed(float, scale, "lr_scale"),
        lr if lr == "=" else _parsed(float, lr, "lr"),
        _parsed(float, decay, "decay"),
        None if in_no_group else _unquoted(group),
        _parsed(int, tensors, "tensors") or 0,
        digest,
        pattern,
        state,
        times,
        options,
        number,
    )


def _parsed(kind: Any, word: str, column: str) -> Any:
    try:
        return None if word == "-" else kind(word)
    except ValueError as error:
        raise ValueError(f"{column} is {word!r}, not a number") from error


def _check_pattern(pattern: str) -> None:
    from lrdecay_cli.text.name_patterns import matches

    ranges = [(int(first[:12]), int(last[:12])) for first, last in _RANGE.findall(pattern)]
    wide = any(not first <= last <= first + _LONGEST_RANGE for first, last in ranges)
    if wide or pattern.count("*") - pattern.count("\\*") > _MOST_STARS:
        raise ValueError(f"{pattern!r} is not a pattern that lrdecay writes")
    try:
        matches(pattern, "")
    except (ValueError, re.error, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a pattern of names") from error
