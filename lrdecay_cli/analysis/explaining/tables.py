"""What a parameter goes through, as tables and in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lrdecay_cli.analysis.inspecting.views import groups_label
from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.domain.explanation import Explanation, Part, RuleTrace, WhyNot
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.provenance import NUMBERS, Formula
from lrdecay_cli.domain.report import Column, Table

PART_NAMES: dict[Part, str] = {
    "layer_id": "layer id",
    "lr_scale": "lr scale",
    "lr": "lr",
    "weight_decay": "weight decay",
    "state": "state",
    "options": "options",
}


def step_text(step: Formula) -> str:
    """The formula with its result: ``3 + 7 // 3 = 5``; a formula that is its own result stands alone."""
    result = repr(step.result)
    return result if step.formula == result else f"{step.formula} = {result}"


def outcome_text(considered: RuleTrace, number: str = "") -> str:
    """What became of a rule and why, with the number that it gives: ``applies: it has one dimension → 0.0``."""
    reason = considered.reason
    if considered.about == ("state",):
        return reason
    # "overridden by the longer 'backbone'"
    mark = " " if considered.outcome == "overridden" and considered.basis == "custom_key" else ": "
    said = mark.join(filter(None, (considered.outcome, reason)))
    if not number:
        return said
    return f"{said} → {number}" if reason else f"{said}: {number}"


_COLUMNS = (
    Column("about", "of"),
    Column("rule", "rule", "name", vital=True),
    Column("outcome", "outcome", vital=True),
)
_WHY_NOT_COLUMNS = (Column("about", "of"), Column("side", ""), Column("what", "what decides", vital=True))
_ROW_COLUMNS = (
    Column("name", "parameter", "name"),
    Column("state", "state"),
    Column("group", "group", "name"),
    Column("layer_id", "layer", "integer"),
    Column("lr_scale", "lr scale", "scale"),
    Column("lr", "lr", "rate"),
    Column("weight_decay", "weight decay", "rate"),
    Column("layer_id_formula", "layer id formula"),
    Column("lr_scale_formula", "lr scale formula"),
    Column("lr_formula", "lr formula"),
    Column("weight_decay_formula", "weight decay formula"),
    Column("certainty", "certainty"),
)


def explanation_table(explanation: Explanation, *, verbose: bool = False) -> Table:
    """Every rule with what became of it, the numbers, remarks and how certain they are.

    Args:
        explanation: what to tell.
        verbose: name every key, those that are not in the name too.
    """
    rows = _without_repeats(_lines(explanation, verbose))
    return Table(_title(explanation.patterns, explanation.parameters, explanation.groups), _COLUMNS, tuple(rows))


def why_not_table(one: WhyNot) -> Table:
    """What decides there, what here, and what would have to differ, number by number."""
    title = f"{_title(one.patterns, one.parameters, one.groups)}, not in {one.not_in}"
    more = f" and {len(one.nearest) - 2} more" if len(one.nearest) > 2 else ""
    rows = [("", "compared with", f"{', '.join(one.nearest[:2])}{more}")]
    for parting in one.partings:
        about = PART_NAMES[parting.about]
        rows += [(about, "there", parting.there), (about, "here", parting.here), (about, "so", parting.needed)]
    return Table(title, _WHY_NOT_COLUMNS, tuple(_without_repeats(rows)))


def _without_repeats(lines: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """The first cell is told once for all lines in a row that share it."""
    said = ""
    for first, second, third in lines:
        yield "" if first == said else first, second, third
        said = first


def _title(patterns: Sequence[str], parameters: Sequence[str], groups: Sequence[str]) -> str:
    count = f" ({len(parameters)} tensors)" if len(parameters) > 1 else ""
    held = f"in {groups_label(groups)}" if groups else "in no group"
    return f"{', '.join(patterns)}{count}: {held}"


def _lines(explanation: Explanation, verbose: bool) -> Iterator[tuple[str, str, str]]:
    """What is told about: the number, the rule, what became of it; number by number in the order of the constructor."""
    sections: dict[tuple[Part, ...], list[RuleTrace]] = {}
    for considered in explanation.considered:
        sections.setdefault(considered.about, []).append(considered)
    several = [about for about in sections if len(about) > 1]
    order: list[tuple[Part, ...]] = [("state",), *several, *((part,) for part in NUMBERS), ("options",)]
    for about in order:
        label = ", ".join(PART_NAMES[part] for part in about)
        number = _number(explanation, about[0]) if len(about) == 1 else None
        for one in _worth_telling(sections.get(about, []), verbose):
            # A rule that says the number itself is told once, with it.
            joined = number is not None and one.outcome == "applies" and one.rule == number[0]
            # What a rule that does not match would give is of no interest.
            by_kind = one.basis in ("name", "fallback", "exemption")
            rule = one.cause if by_kind and one.outcome == "no match" else one.rule
            yield label, rule, outcome_text(one, number[1] if joined and number else "")
            number = None if joined else number
        if number is not None:
            yield label, *number
    for remark in explanation.remarks:
        yield "remark", "", remark
    yield "certainty", explanation.certainty, explanation.certainty_reason


def _worth_telling(section: Sequence[RuleTrace], verbose: bool) -> Iterator[RuleTrace]:
    """All of them, but several keys that are not in the name as one, unless they are asked for."""
    keys = [one for one in section if one.basis == "custom_key"]
    absent = [one for one in keys if one.outcome == "no match"]
    hidden = absent if len(absent) > 1 and not verbose else []
    yield from (one for one in section if one not in hidden)
    if hidden:
        which = "keys" if len(hidden) == len(keys) else "other keys"
        yield RuleTrace(hidden[0].about, f"{len(hidden)} {which}", "no match", "none of them is in the name")


def _number(explanation: Explanation, part: str) -> tuple[str, str] | None:
    step = getattr(explanation.provenance, part, None)
    if step is not None:
        return step.rule, step_text(step)
    observed = getattr(explanation.numbers, part, None)
    if observed is None or explanation.provenance is not None:
        return None
    return "observed", repr(observed)


def observed_options(group_map: GroupMap) -> Iterator[Table]:
    """What an unknown constructor was seen to read, in its order."""
    if constructor_of(group_map).known or group_map.training.reads is None:
        return
    rows = [
        (index, path, _value(group_map.constructor.options, path))
        for index, path in enumerate(group_map.training.reads, 1)
    ]
    columns = (Column("order", "order", "integer"), Column("option", "option", "name"), Column("value", "value"))
    title = f"What {group_map.constructor.type} read of paramwise_cfg, in its order"
    yield Table(title, columns, tuple(rows))


def _value(options: Mapping[str, Any], path: str) -> str:
    """The value at a path of dotted keys, some of which have dots themselves."""
    for key, value in options.items():
        if key == path:
            return "…" if isinstance(value, Mapping) else repr(value)
        if isinstance(value, Mapping) and path.startswith(f"{key}."):
            return _value(value, path.removeprefix(f"{key}."))
    return ""


def parameter_rows(group_map: GroupMap, explanations: Sequence[Explanation]) -> Table:
    """A row per parameter, with all numbers and formulas in full."""
    held: dict[str, list[str | None]] = {}
    for group, parameter in group_map.grouped():
        held.setdefault(parameter.name, []).append(group.name)
    rows: list[tuple[Any, ...]] = []
    for one in explanations:
        numbers = [getattr(one.numbers, part, None) for part in NUMBERS]
        steps = [getattr(one.provenance, part, None) for part in NUMBERS]
        formulas = [step.formula if step else None for step in steps]
        told = {*(one.groups or [None])}
        rows += [
            (name, one.state, group, *numbers, *formulas, one.certainty)
            for name in one.parameters
            # Where optimizers take turns, others of its groups may have other numbers.
            for group in filter(told.__contains__, held.get(name, [None]))
        ]
    return Table("", _ROW_COLUMNS, tuple(rows))
