"""Show explanations as tables and texts."""

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
    """Return the formula with its result: ``3 + 7 // 3 = 5``; only the result if the formula is a plain number."""
    result = repr(step.result)
    return result if step.formula == result else f"{step.formula} = {result}"


def outcome_text(considered: RuleTrace, number: str = "") -> str:
    """Return the outcome of a rule with its reason and number: ``applies: the tensor has one dimension → 0.0``."""
    reason = considered.reason
    if considered.about == ("state",):
        return reason
    # "overridden by the longer 'backbone'"
    mark = " " if considered.outcome == "overridden" and considered.basis == "custom_key" else ": "
    text = mark.join(filter(None, (considered.outcome, reason)))
    if not number:
        return text
    return f"{text} → {number}" if reason else f"{text}: {number}"


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
    """Return a table with every rule and its outcome, the resulting numbers, and whether lrdecay could recompute them.

    Args:
        explanation: the explanation to show.
        verbose: list every custom key, even if the parameter's name does not contain the key.
    """
    rows = _without_repeats(_lines(explanation, verbose))
    return Table(_title(explanation.patterns, explanation.parameters, explanation.groups), _COLUMNS, tuple(rows))


def why_not_table(item: WhyNot) -> Table:
    """Return a table that shows why a parameter is not in a group.

    For each number that differs (such as the lr scale), the table shows the rule that applies to the members of the
    group, and the rule that applies to the parameter.
    """
    title = f"{_title(item.patterns, item.parameters, item.groups)}, not in {item.not_in}"
    more = f" and {len(item.nearest) - 2} more" if len(item.nearest) > 2 else ""
    rows = [("", "compared with", f"{', '.join(item.nearest[:2])}{more}")]
    for parting in item.partings:
        about = PART_NAMES[parting.about]
        rows += [(about, "there", parting.there), (about, "here", parting.here), (about, "so", parting.needed)]
    return Table(title, _WHY_NOT_COLUMNS, tuple(_without_repeats(rows)))


def _without_repeats(lines: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield the lines. If the first cell of a line equals the first cell above it, the cell becomes empty."""
    text = ""
    for first, second, third in lines:
        yield "" if first == text else first, second, third
        text = first


def _title(patterns: Sequence[str], parameters: Sequence[str], groups: Sequence[str]) -> str:
    count = f" ({len(parameters)} tensors)" if len(parameters) > 1 else ""
    held = f"in {groups_label(groups)}" if groups else "in no group"
    return f"{', '.join(patterns)}{count}: {held}"


def _lines(explanation: Explanation, verbose: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the cells of each line: number, rule and outcome.

    The lines are grouped by what they explain (layer id, lr scale, …). Lines about the same number are in the
    order in which the constructor applies its rules.
    """
    sections: dict[tuple[Part, ...], list[RuleTrace]] = {}
    for considered in explanation.considered:
        sections.setdefault(considered.about, []).append(considered)
    several = [about for about in sections if len(about) > 1]
    order: list[tuple[Part, ...]] = [("state",), *several, *((part,) for part in NUMBERS), ("options",)]
    for about in order:
        label = ", ".join(PART_NAMES[part] for part in about)
        number = _number(explanation, about[0]) if len(about) == 1 else None
        for item in _visible_rules(sections.get(about, []), verbose):
            # A rule that is the number itself is shown once, with it.
            joined = number is not None and item.outcome == "applies" and item.rule == number[0]
            # The result of a rule that does not match is irrelevant.
            by_kind = item.basis in ("name", "fallback", "exemption")
            rule = item.cause if by_kind and item.outcome == "no match" else item.rule
            yield label, rule, outcome_text(item, number[1] if joined and number else "")
            number = None if joined else number
        if number is not None:
            yield label, *number
    for remark in explanation.remarks:
        yield "remark", "", remark
    yield "certainty", explanation.certainty, explanation.certainty_reason


def _visible_rules(section: Sequence[RuleTrace], verbose: bool) -> Iterator[RuleTrace]:
    """Yield the rules to show.

    Without ``verbose``, the custom keys that do not occur in the parameter's name are merged into one entry.
    """
    keys = [item for item in section if item.basis == "custom_key"]
    absent = [item for item in keys if item.outcome == "no match"]
    hidden = absent if len(absent) > 1 and not verbose else []
    yield from (item for item in section if item not in hidden)
    if hidden:
        which = "keys" if len(hidden) == len(keys) else "other keys"
        reason = "the parameter's name contains none of these keys"
        yield RuleTrace(hidden[0].about, f"{len(hidden)} {which}", "no match", reason)


def _number(explanation: Explanation, part: str) -> tuple[str, str] | None:
    step = getattr(explanation.provenance, part, None)
    if step is not None:
        return step.rule, step_text(step)
    observed = getattr(explanation.numbers, part, None)
    if observed is None or explanation.provenance is not None:
        return None
    return "observed", repr(observed)


def observed_options(group_map: GroupMap) -> Iterator[Table]:
    """Yield a table of the options that a constructor read, if lrdecay does not know the constructor."""
    if constructor_of(group_map).known or group_map.training.reads is None:
        return
    rows = [
        (index, path, _value(group_map.constructor.options, path))
        for index, path in enumerate(group_map.training.reads, 1)
    ]
    columns = (Column("order", "order", "integer"), Column("option", "option", "name"), Column("value", "value"))
    title = f"Options of paramwise_cfg that {group_map.constructor.type} read, in the order of reading"
    yield Table(title, columns, tuple(rows))


def _value(options: Mapping[str, Any], path: str) -> str:
    """Return the text of the option at a dotted path. Keys in the path may contain dots."""
    for key, value in options.items():
        if key == path:
            return "…" if isinstance(value, Mapping) else repr(value)
        if isinstance(value, Mapping) and path.startswith(f"{key}."):
            return _value(value, path.removeprefix(f"{key}."))
    return ""


def parameter_rows(group_map: GroupMap, explanations: Sequence[Explanation]) -> Table:
    """Return a table with one row for each parameter and group. It contains formulas, and numbers with all digits."""
    held: dict[str, list[str | None]] = {}
    for group, parameter in group_map.grouped():
        held.setdefault(parameter.name, []).append(group.name)
    rows: list[tuple[Any, ...]] = []
    for item in explanations:
        numbers = [getattr(item.numbers, part, None) for part in NUMBERS]
        steps = [getattr(item.provenance, part, None) for part in NUMBERS]
        formulas = [step.formula if step else None for step in steps]
        shown_groups = {*(item.groups or [None])}
        rows += [
            (name, item.state, group, *numbers, *formulas, item.certainty)
            for name in item.parameters
            # With optimizers that take turns, its other groups may have other numbers.
            for group in filter(shown_groups.__contains__, held.get(name, [None]))
        ]
    return Table("", _ROW_COLUMNS, tuple(rows))
