"""The text form of a baseline, for reviewers: a line for each group, followed by lines for its tensors.

A line for tensors contains a name pattern that matches them.

The form keeps a git diff small: a line changes only if its meaning changes. Therefore the numbers of a group are only
on the group's line, lrs are multiples of the base lr, columns are not aligned, and options that most groups share are
written once.

A digest in each line identifies the line's tensors by name and shape. A comparison with the text form therefore finds a
difference whenever a comparison with the JSON form finds one. Numbers have 12 significant digits. Numbers that differ
by less than a billionth are treated as equal. docs/commands.md describes the form.
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

from lrdecay_cli.analysis.comparing.changes import group_label, group_options
from lrdecay_cli.analysis.comparing.settings import run_settings
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.text.name_patterns import Universe

VERSION = 1
HEAD = "# lrdecay baseline, version "
_ADVICE = "# renew: lrdecay baseline --update"
PROGRAM = "# renew: save the map in your program"
"""Start of a line that only the baselines of training scripts have. lrdecay recognizes these baselines by the line.

The text must stay the same in all versions of lrdecay.
"""
_ADVICE_FOR_PROGRAMS = f"{PROGRAM}, then lrdecay baseline MAP.json -o FILE"
_COLUMNS = ("tensors", "digest", "parameters")
_HEADING = f"# group (lr=x0.5 is half of base_lr), then its patterns: {' '.join(_COLUMNS)}"
_FIELDS = ("layer", "lr_scale", "lr", "decay", "options")
_MULTIPLE = "x"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_PLAIN = re.compile(r"[!$%&(-~][!#-~]*")
_SETTING = re.compile(r'("(?:[^"\\]|\\.)*"|\S+) = (.*)')
_FIELD = re.compile(f"({'|'.join(_FIELDS)})=(.+)")
_DIGEST = re.compile("[0-9a-f]{8}")
_TIMES = re.compile(r"x([1-9]\d{0,3})")
# In a pattern not written by lrdecay, ranges and stars may take for ever to match.
_RANGE = re.compile(r"(\d+)-(\d+)")
_LONGEST_RANGE = 100_000
_MOST_STARS = 2
_STATES = ("frozen", "missing", "duplicate")


class Group(NamedTuple):
    """A group line, which applies to the tensor lines below it."""

    name: str | None
    """Name of the group; None for tensors in no group."""
    layer_id: int | None = None
    lr_scale: float | None = None
    lr: float | None = None
    follows: bool = False
    """True if the line gives the lr as a multiple of the base lr."""
    weight_decay: float | None = None
    options: str = ""
    """Name of the group's options in :attr:`TextBaseline.options`; empty for the options that most groups have."""


class Row(NamedTuple):
    """A line about tensors: a name pattern, how many tensors match the pattern, and a digest of these tensors."""

    group: Group
    tensors: int
    digest: str
    pattern: str
    state: str
    """``frozen`` (in a group or in no group), ``missing`` or ``duplicate``; empty for trainable tensors in a group."""
    times: int
    line: int


class TextBaseline(NamedTuple):
    """The content of a text baseline."""

    path: str
    config: str
    settings: Mapping[str, Any]
    """Settings of the whole run, by their path in the group map."""
    options: Mapping[str, Mapping[str, Any]]
    """The options for each name in the group lines. The empty name stands for the options that most groups have."""
    rows: tuple[Row, ...]


def digest_of(tensors: Sequence[Tensor]) -> str:
    """Return 8 hex digits that identify these tensors by name and shape.

    If two names share one tensor, the hash of the second name also includes the first name.
    """
    keys = sorted(json.dumps([tensor.name, tensor.shape, tensor.of]) for tensor in tensors)
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:8]


def to_text(group_map: GroupMap) -> str:
    """Return the text baseline of a group map.

    Two maps have the same text if, and only if, all values that a baseline stores are equal.
    """
    advice = _ADVICE_FOR_PROGRAMS if group_map.live else _ADVICE
    lines = [f"{HEAD}{VERSION}", advice, f"config = {_json(group_map.config.path)}"]
    lines += [f"{_word(name)} = {_json(value)}" for name, value in run_settings(group_map) if value is not None]
    alike: dict[tuple[str, ...], dict[tuple[str, ...], list[Tensor]]] = {}
    for tensor in group_map.memberships():
        group, marks = _profile(tensor, group_map)
        alike.setdefault(group, {}).setdefault(marks, []).append(tensor)
    groups = Counter(options for *_, options in alike if options)
    usual = min(groups, key=lambda options: (-groups[options], options), default="")
    lines += [f"options = {usual}"] if usual else []
    lines += [f"options-{_name(options)} = {options}" for options in sorted(groups) if options != usual]
    lines += ["", _HEADING]
    universe = Universe(group_map.names(duplicates=True))
    for (_, *words, options), rows in sorted(alike.items(), key=_layer):
        words += [] if options in ("", usual) else [f"options={_name(options)}"]
        lines.append(" ".join(filter(None, words)))
        for marks, tensors in rows.items():
            by_name = {tensor.name: tensor for tensor in tensors}
            for pattern, names in universe.fold(by_name):
                members = [by_name[name] for name in names]
                words = [str(len(names)), digest_of(members), _word(pattern), *filter(None, marks)]
                lines.append(f"  {' '.join(words)}")
    return "\n".join(lines) + "\n"


def _profile(tensor: Tensor, group_map: GroupMap) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a text baseline about a tensor, as two tuples.

    The first tuple is about the tensor's group: the layer id, the words of the group line, and the group's options as
    JSON. The second tuple is about the tensor: its state, for example ``frozen``, and ``x2`` if the tensor occurs twice
    in the groups. The state of a trainable tensor in a group is empty.
    """
    state = "" if tensor.state == "grouped" else tensor.label
    marks = (state, f"x{tensor.times}" if tensor.times > 1 else "")
    group = tensor.group
    if group is None:
        return ("", "-", ""), marks
    layer, scale = _number(group.layer_id), _number(group.lr_scale)
    computed = computed_lr(group_map, float(scale) if scale else None)
    if computed is not None and group.lr is not None and math.isclose(computed, group.lr, rel_tol=1e-11):
        rates = [_field("lr", f"{_MULTIPLE}{scale}")]
    else:
        rates = [_field("lr_scale", scale), _field("lr", _number(group.lr))]
    words = (_word(group_label(group)), _field("layer", layer), *rates, _field("decay", _number(group.weight_decay)))
    return (layer, *words, _json(group_options(group))), marks


def computed_lr(group_map: GroupMap, scale: float | None) -> float | None:
    """Return base lr × lr scale × the factor of ``auto_scale_lr``.

    None if the map has no base lr, or if ``scale`` is None.
    """
    if group_map.base_lr is None or scale is None:
        return None
    return group_map.base_lr * scale * group_map.lr_factor


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"


def _field(name: str, value: str) -> str:
    return value and f"{name}={value}"


def _json(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), sort_keys=True)


def _word(text: str) -> str:
    """Return ``text`` as one word of a line. Text with special characters, such as spaces, becomes a JSON string."""
    return text if _PLAIN.fullmatch(text) and text != "-" and '"' not in text else _json(text)


def _name(options: str) -> str:
    return f"{hashlib.sha256(options.encode()).hexdigest()[:6]}"


def _layer(item: tuple[tuple[str, ...], Any]) -> tuple[bool, int]:
    """Return a sort key that orders groups by layer id. Groups without a layer id come last."""
    layer = item[0][0]
    return not layer, int(layer or 0)


def parse_text(raw: bytes, path: str, *, renew: str = "lrdecay baseline --update") -> TextBaseline:
    """Return the content of a text baseline.

    Args:
        raw: the bytes of the file.
        path: the file, for error messages.
        renew: the command that writes the baseline again.

    Raises:
        LrdecayError: the text is invalid. The error names the line, the problem and the fix.
    """
    fix = f"renew the baseline: {renew}"
    try:
        lines = raw.decode().split("\n")
    except UnicodeDecodeError as error:
        raise LrdecayError("the baseline is not UTF-8 text", where=path, fix=fix) from error
    lines = [line.rstrip("\r") for line in lines]
    version = lines[0].removeprefix(HEAD)
    if version == lines[0]:
        marker = _is_conflict(lines[0])
        problem = (
            "the baseline contains a merge conflict" if marker else f"the file does not begin with {HEAD.strip()!r}"
        )
        raise LrdecayError(problem, where=f"{path}:1", fix=fix)
    if version != str(VERSION):
        fix = f"use a newer lrdecay, or {fix}"
        raise LrdecayError(
            f"the baseline has version {version!r}, but this lrdecay reads version {VERSION}",
            where=f"{path}:1",
            fix=fix,
        )
    settings: dict[str, Any] = {}
    options: dict[str, Mapping[str, Any]] = {}
    rows: list[Row] = []
    group: Group | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if _is_conflict(line):
                raise ValueError("the baseline contains a merge conflict")
            if line[0].isspace():
                rows.append(_row(line, group, number))
                continue
            setting = _SETTING.fullmatch(line)
            if setting is None:
                group = _group(line)
                if group.name is not None and group.options not in options:
                    missing = f"options-{group.options}" if group.options else "options"
                    raise ValueError(f"missing line {missing!r} above")
                continue
            name, value = _unquoted(setting[1]), json.loads(setting[2])
            table, key = (options, name[7:].lstrip("-")) if name.startswith("options") else (settings, name)
            if key in table:
                raise ValueError(f"{name!r} is set twice")
            if table is options and not isinstance(value, dict):
                raise ValueError("the options must be a JSON object")
            table[key] = value
        except (ValueError, RecursionError) as error:
            problem = f"not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise LrdecayError(problem, where=f"{path}:{number}", fix=fix) from error
    config = settings.pop("config", None)
    if not isinstance(config, str):
        raise LrdecayError('has no line config = "PATH"', where=path, fix=fix)
    return TextBaseline(path, config, settings, options, tuple(rows))


def _is_conflict(line: str) -> bool:
    return line.startswith(("<<<<<<<", ">>>>>>>", "|||||||")) or line == "======="


def _unquoted(word: str) -> str:
    if not word.startswith('"'):
        return word
    text = json.loads(word)
    if not isinstance(text, str):
        raise ValueError(f"{word} is not a string")
    return text


def _group(line: str) -> Group:
    name, *fields = _TOKEN.findall(line)
    fields_by_name: dict[str, str] = {}
    for field in fields:
        found = _FIELD.fullmatch(field)
        if not found:
            raise ValueError(f"{field!r} is not one of the fields {', '.join(f'{known}=' for known in _FIELDS)}")
        if found[1] in fields_by_name:
            raise ValueError(f"{found[1]} is set twice")
        fields_by_name[found[1]] = found[2]
    if name == "-":
        return Group(None)
    lr = fields_by_name.get("lr", "")
    follows = lr.startswith(_MULTIPLE)
    if follows:
        fields_by_name["lr_scale"] = lr.removeprefix(_MULTIPLE)
        del fields_by_name["lr"]
    return Group(
        _unquoted(name),
        _parsed(int, fields_by_name, "layer"),
        _parsed(float, fields_by_name, "lr_scale"),
        _parsed(float, fields_by_name, "lr"),
        follows,
        _parsed(float, fields_by_name, "decay"),
        fields_by_name.get("options", ""),
    )


def _row(line: str, group: Group | None, number: int) -> Row:
    words = _TOKEN.findall(line)
    if len(words) < len(_COLUMNS):
        raise ValueError(f"the line has {len(words)} of the {len(_COLUMNS)} columns {' '.join(_COLUMNS)}")
    if group is None:
        raise ValueError("there is no group line above this tensor line")
    tensors, digest, pattern, *marks = words
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a digest of 8 hex digits")
    state, times = "", 1
    for mark in marks:
        if mark in _STATES:
            state = mark
        elif found := _TIMES.fullmatch(mark):
            times = int(found[1])
        else:
            raise ValueError(f"{mark!r} after the name pattern is not {', '.join(_STATES)} or a count such as x2")
    if group.name is None and state not in _STATES:
        raise ValueError("a line that lists tensors without a group must contain 'frozen', 'missing' or 'duplicate'")
    pattern = _unquoted(pattern)
    _check_pattern(pattern)
    return Row(group, _parsed(int, {"tensors": tensors}, "tensors"), digest, pattern, state, times, number)


def _parsed(kind: Any, given: Mapping[str, str], field: str) -> Any:
    if field not in given:
        return None
    try:
        return kind(given[field])
    except ValueError as error:
        raise ValueError(f"{field} is {given[field]!r}, not a number") from error


def _check_pattern(pattern: str) -> None:
    from lrdecay_cli.text.name_patterns import matches

    ranges = [(int(first[:12]), int(last[:12])) for first, last in _RANGE.findall(pattern)]
    wide = any(not first <= last <= first + _LONGEST_RANGE for first, last in ranges)
    if wide or pattern.count("*") - pattern.count("\\*") > _MOST_STARS:
        raise ValueError(f"{pattern!r} is not a name pattern that lrdecay writes")
    try:
        matches(pattern, "")
    except (ValueError, re.error, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a valid name pattern") from error
