"""Build the report of ``diff --stacks``, which groups configs by the causes of their differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrdecay_cli.analysis.comparing.tables import shown, shown_change
from lrdecay_cli.domain.report import Column, Item, Note, Report, Result, Section, Table
from lrdecay_cli.domain.scan import NOT_FOR_TRAINING
from lrdecay_cli.domain.stack_difference import Cause, CauseGroup, ChangedConfig, StackDifference
from lrdecay_cli.text.counting import count, listed, verb

_SHOWN = 8
_COLUMNS = (
    Column("config", "config", "name", vital=True),
    Column("cause", "cause"),
    Column("name", "name"),
    Column("aspect", "aspect"),
    Column("before", "before"),
    Column("after", "after"),
    Column("proven", "proven"),
    Column("tensors", "tensors", "integer"),
)
_TITLES = {
    "config": "options of the config",
    "model": "the model",
    "constructor": "the constructor",
    "optimizer": "the optimizer",
    "unknown": "the scan's record",
}


def stack_report(document: StackDifference, *, verbose: bool = False) -> Result[StackDifference]:
    """Return the report of ``diff --stacks``. With ``verbose``, it lists every config."""
    report = Report(
        facts=(
            ("before", document.before),
            ("after", document.after),
            *((each.package, f"{each.before} → {each.after}") for each in document.packages),
        ),
        tables=(),
        notes=tuple(_notes(document, verbose)),
        summary=_summary(document),
        rows=Table("", _COLUMNS, tuple(_rows(document))),
        sections=tuple(_sections(document, verbose)),
    )
    return Result(document, report)


def _sections(document: StackDifference, verbose: bool) -> Iterator[Section]:
    by_title: dict[str, list[CauseGroup]] = {}
    for group in document.groups:
        by_title.setdefault(_title(group.causes), []).append(group)
    for title, groups in by_title.items():
        yield Section(title, tuple(_item(group, verbose) for group in groups))


def _title(causes: Iterable[Cause]) -> str:
    kinds = list(dict.fromkeys(cause.kind for cause in causes))
    if kinds == ["build"]:
        return "A map in only one environment"
    return f"Groups differ by {listed(_TITLES[kind] for kind in kinds)}"


def _item(group: CauseGroup, verbose: bool) -> Item:
    causes = tuple(map(_cause_text, group.causes))
    few = causes[:_SHOWN] if not verbose and len(causes) > _SHOWN + 1 else causes
    more = len(causes) - len(few)
    text = "; ".join([*few, *([f"{count(more, 'more cause')} with -v"] if more else [])])
    facts = [("changes", _extent(group.configs))] if group.configs[0].tensors is not None else []
    if any(cause.kind != "build" and not cause.proven for cause in group.causes):
        facts.append(("certainty", "lrdecay did not confirm every cause by building the config again"))
    names = [each.config for each in group.configs]
    return Item("warning", count(len(names), "config"), text, _some(names, verbose), tuple(facts))


def _cause_text(cause: Cause) -> str:
    if cause.kind == "build":
        return f"{cause.before} → {cause.after}"
    change = shown_change(_short(cause.before), _short(cause.after))
    if cause.kind == "model":
        details = {"added": f"added, {cause.after}", "removed": f"removed, was {cause.before}"}
        return f"{cause.name} {details.get(cause.aspect, f'{cause.aspect} {change}')}"
    if cause.kind == "config" and not cause.name:
        return "the config's text"
    return f"{cause.name.replace('_', ' ') if cause.kind == 'unknown' else cause.name} {change}"


def _short(value: Any) -> Any:
    """Return ``dict(type='SGD', 3 keys)`` for a dict, the same for each dict in a list, and other values unchanged.

    The JSON report contains the full value.
    """
    if isinstance(value, Mapping):
        kind = [f"type={value['type']!r}"] if "type" in value else []
        rest = len(value) - len(kind)
        return f"dict({', '.join([*kind, *([count(rest, 'key')] if rest else [])])})"
    if isinstance(value, list) and any(isinstance(each, (Mapping, list)) for each in value):
        return f"[{', '.join(str(_short(each)) for each in value)}]"
    return tuple(value) if isinstance(value, tuple) else value


def _extent(configs: Iterable[ChangedConfig]) -> str:
    """Return how many tensors differ, and in which aspects: ``3 of 180 tensors (lr 3)``.

    If this is not the same for all configs, the text is about the first config, and names it.
    """
    several = list(configs)
    texts = list(dict.fromkeys(map(_extent_of, several)))
    return texts[0] if len(texts) == 1 else f"{texts[0]} in {several[0].config}"


def _extent_of(config: ChangedConfig) -> str:
    aspects = ", ".join(f"{aspect.replace('_', ' ')} {number}" for aspect, number in config.aspects.items())
    return f"{config.tensors} of {count(config.of or 0, 'tensor')} ({aspects})"


def _some(names: list[str], verbose: bool) -> tuple[str, ...]:
    if verbose or len(names) <= _SHOWN:
        return tuple(names)
    return (*names[:_SHOWN], f"… {len(names) - _SHOWN} more with -v")


def _notes(document: StackDifference, verbose: bool) -> Iterator[Note]:
    for side, names in (("before", document.only_before), ("after", document.only_after)):
        if names:
            yield Note(f"{count(len(names), 'config')} only {side}", "info", _some([*names], verbose))
    for group in document.other_options:
        details = "; ".join(map(_cause_text, group.options))
        yield Note(
            f"{count(len(group.configs), 'config')} with the same groups but different training options: {details}",
            "info",
            _some([*group.configs], verbose),
        )
    by_status: dict[str, list[str]] = {}
    for each in document.unbuilt:
        status = each.before if each.before == each.after else f"{each.before} → {each.after}"
        by_status.setdefault(status, []).append(f"{each.config}: {each.problem}" if each.problem else each.config)
    for status, lines in sorted(by_status.items()):
        configs, shown = count(len(lines), "config"), _some(lines, verbose)
        if status in NOT_FOR_TRAINING:
            yield Note(f"{configs} not for training: {status}", "info", shown)
        else:
            yield Note(f"{configs} without a map in either environment: {status}", "info", shown)


def _summary(document: StackDifference) -> str:
    build = [group for group in document.groups if group.causes[0].kind == "build"]
    one_sided = sum(len(group.configs) for group in build)
    changed = sum(len(group.configs) for group in document.groups) - one_sided
    parts = [f"{changed} of {count(document.compared, 'config')} {verb(changed, 'has', 'have')} different groups"]
    parts += [f"{one_sided} {verb(one_sided, 'has', 'have')} a map in only one environment"] if one_sided else []
    for where, names in (("before", document.only_before), ("after", document.only_after)):
        parts += [f"{len(names)} only {where}"] if names else []
    parts += [f"{len(document.unbuilt)} without a map in either environment"] if document.unbuilt else []
    return f"{'same' if document.identical else 'different'}: {', '.join(parts)}"


def _rows(document: StackDifference) -> Iterator[tuple[Any, ...]]:
    for group in document.groups:
        for config in group.configs:
            for cause in group.causes:
                yield (
                    config.config,
                    cause.kind,
                    cause.name,
                    cause.aspect,
                    shown(cause.before),
                    shown(cause.after),
                    cause.proven,
                    config.tensors,
                )
    for where, names in (("before", document.only_before), ("after", document.only_after)):
        for name in names:
            yield name, "only", where, "", shown(where == "before"), shown(where == "after"), True, None
