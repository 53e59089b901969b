"""Build the report of the command ``explain``, which explains the lr of parameters of a group map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.explaining.tables import explanation_table, observed_options, parameter_rows, why_not_table
from lrdecay_cli.analysis.explaining.why_not import why_not
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.analysis.where import options_table
from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.constructors.recomputation import custom_key_matches
from lrdecay_cli.decay.batch_scaling import batch_facts
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.explanation import EXPLANATION_SCHEMA_VERSION, Explanation, Explanations, WhyNot
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.domain.report import Note, Report, Result
from lrdecay_cli.origins import ConfigOrigins
from lrdecay_cli.origins.of_maps import OPTIMIZER, PARAMWISE, WRAPPER
from lrdecay_cli.text.counting import count, listed


def check_question(patterns: Sequence[str], unlike: str | None, group: str | None) -> None:
    """Raise LrdecayError if ``explain`` has no parameter to explain. Called before the model is built."""
    if (unlike is None) != (group is None):
        missing = "--group" if group is None else "--why-not"
        raise LrdecayError("--why-not and --group must be given together", where=missing, fix=f"give {missing} too")
    if not patterns and unlike is None:
        raise LrdecayError(
            "nothing to explain", where="PATTERN", fix="name a parameter, or give '*' for all parameters"
        )


def explanation(
    group_map: GroupMap,
    patterns: Sequence[str],
    *,
    unlike: str | None = None,
    group: str | None = None,
    verbose: bool = False,
    origins: ConfigOrigins | None = None,
) -> Result[Explanations]:
    """Return the report that explains the parameters that match ``patterns``.

    Args:
        group_map: the map with the parameters.
        patterns: names or patterns of parameters, as for :func:`selection.select`.
        unlike: value of ``--why-not``: a pattern of parameters; None without this option.
        group: value of ``--group``: the group in which the user expects the parameters of ``--why-not``, or a parameter
            or module in this group.
        verbose: explain each parameter separately, and list every custom key.
        origins: the files and lines that set the options of the config; None for a map.

    Raises:
        LrdecayError: a pattern matches nothing, or the group does not exist.
    """
    check_question(patterns, unlike, group)
    explainer = Explainer(group_map)
    chosen = _chosen(group_map, patterns)
    explanations = tuple(explainer.explain(chosen, folded=not verbose))
    partings: tuple[WhyNot, ...] = ()
    if unlike is not None and group is not None:
        others = select(group_map, unlike, where="--why-not", duplicates=True)
        partings = tuple(why_not(group_map, explainer, others, group))
    reads = group_map.training.reads
    never_read = () if reads is None else tuple(_unread(group_map.constructor.options, frozenset(reads), ""))
    options = tuple(_options(origins, explanations, everything=verbose or unlike is not None)) if origins else UNSET
    report = Report(
        facts=tuple(_facts(group_map)),
        tables=(
            *(explanation_table(item, verbose=verbose) for item in explanations),
            *(why_not_table(item) for item in partings if item.partings),
            *observed_options(group_map),
            *([options_table(options, "Where the options are set")] if options else []),
        ),
        notes=tuple(_notes(group_map, never_read, partings)),
        summary=_summary(explanations, partings),
        rows=parameter_rows(group_map, explanations) if explanations else None,
    )
    document = Explanations(
        schema_version=EXPLANATION_SCHEMA_VERSION,
        tool=group_map.tool,
        config=group_map.config,
        constructor=group_map.constructor,
        base_lr=group_map.base_lr,
        base_weight_decay=group_map.base_weight_decay,
        known=constructor_of(group_map).known,
        asked=tuple(patterns),
        reads=reads,
        never_read=never_read,
        explanations=explanations,
        why_not=partings,
        options=options,
    )
    return Result(document, report)


def _chosen(group_map: GroupMap, patterns: Sequence[str]) -> list[Tensor]:
    """Return the tensors that match any of the patterns, in the map's order and without repeats.

    Raises LrdecayError if a pattern matches no tensor.
    """
    if not patterns:
        return []

    def key(tensor: Tensor) -> tuple[str, str]:
        return tensor.name, tensor.group.name if tensor.group else ""

    found = {key(each) for pattern in patterns for each in select(group_map, pattern, where="PATTERN", duplicates=True)}
    return [tensor for tensor in select(group_map, "*", duplicates=True) if key(tensor) in found]


def _options(origins: ConfigOrigins, explanations: Sequence[Explanation], *, everything: bool) -> Iterator[Option]:
    """Yield the options that affect the explained parameters: lr, weight decay, constructor and its options.

    Without ``everything``, custom keys that match none of these parameters are omitted.
    """
    for keys in ((*OPTIMIZER, "lr"), (*OPTIMIZER, "weight_decay"), (*WRAPPER, "constructor")):
        yield from origins.options(keys)
    matching = {rule.rule for each in explanations for rule in each.considered if rule.outcome != "no match"}
    for option in origins.options(PARAMWISE):
        key = option.keys[3:4] if option.keys[2:3] == ("custom_keys",) else ()
        if everything or not key or f"custom_keys[{key[0]!r}]" in matching:
            yield option


def _facts(group_map: GroupMap) -> Iterator[tuple[str, str]]:
    constructor = group_map.constructor
    copied = f" (follows the rules of {constructor.copy_of})" if constructor.copy_of else ""
    if group_map.live:
        yield "program", group_map.config.path
    else:
        yield "config", group_map.config.path
        yield "constructor", f"{constructor.type}{copied}"
    yield "base lr", "none" if group_map.base_lr is None else repr(group_map.base_lr)
    yield "base weight decay", "none" if group_map.base_weight_decay is None else repr(group_map.base_weight_decay)
    yield from batch_facts(group_map.batch)


def _unread(options: Mapping[str, Any], reads: frozenset[str], prefix: str) -> Iterator[str]:
    """Yield the paths of options that the constructor did not read. For an unread dict, yield only the dict's path."""
    for key, value in options.items():
        path = f"{prefix}{key}"
        if path not in reads:
            yield path
        elif isinstance(value, Mapping):
            yield from _unread(value, reads, f"{path}.")


def _notes(group_map: GroupMap, never_read: Sequence[str], partings: Sequence[WhyNot]) -> Iterator[Note]:
    for item in partings:
        group = group_map.group(item.not_in)
        if not item.partings:
            yield Note(f"not in {item.not_in}: {item.verdict}", "info", item.patterns)
        elif not group.named and len(group.parameters) == 1:
            # mmengine's default constructor.
            rest = f"no option moves other tensors into {item.not_in}, but lr and weight decay can become equal"
            yield Note(f"the constructor creates one group for each tensor: {rest}", "info", item.patterns)
    if never_read:
        lines = (f"{path}{_why_unread(group_map, path)}" for path in never_read)
        yield Note(f"options never read by {group_map.constructor.type}", "warning", tuple(lines))


def _why_unread(group_map: GroupMap, path: str) -> str:
    inherited = " (inherited from a base config)" if path in group_map.training.inherited else ""
    for key, matches in custom_key_matches(group_map).items():
        if path == f"custom_keys.{key}":
            idle = "no parameter name contains this key"
            if matches.overridden:
                winners = ", ".join(map(repr, dict.fromkeys(matches.overridden.values())))
                idle = f"in every matching name, this key is overridden by {winners}"
            elif matches.frozen or matches.duplicates:
                idle = "only names of frozen or shared parameters contain this key"
            return f": {idle}{inherited}"
    return inherited


def _tensors(explained: Iterable[Explanation | WhyNot]) -> int:
    return len({name for item in explained for name in item.parameters})


def _summary(explanations: Sequence[Explanation], partings: Sequence[WhyNot]) -> str:
    parts = []
    for certainty in ("recomputed", "observed", "disagrees"):
        tensors = _tensors(item for item in explanations if item.certainty == certainty)
        if tensors:
            parts.append(f"{tensors:,} {certainty}")
    total = _tensors(explanations)
    lines = [f"{count(total, 'tensor')} explained: {', '.join(parts)}"] if explanations else []
    if partings:
        tensors = _tensors(partings)
        lines.append(f"{count(tensors, 'tensor')} not in {listed(dict.fromkeys(item.not_in for item in partings))}")
    return "; ".join(lines)
