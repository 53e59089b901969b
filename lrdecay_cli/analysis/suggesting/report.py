"""Build the report of ``suggest``: settings to paste, their reasons, and the layers before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.analysis.comparing.report import extent_of
from lrdecay_cli.analysis.findings import finding_notes, headline
from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.analysis.suggesting.effects import effect_lead, effect_table, effects, faster_note, variant_note
from lrdecay_cli.analysis.suggesting.options import backbone_prefix, option_lines
from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.decay.batch_scaling import batch_facts
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Note, Report, Result, Table
from lrdecay_cli.domain.suggestion import SUGGESTION_SCHEMA_VERSION, Layer, Proposal, Suggestion, Variant
from lrdecay_cli.text.name_patterns import fold_names


def suggestion_report(
    before: GroupMap,
    after: GroupMap,
    proposal: Proposal,
    snippet: str,
    *,
    lazy: bool,
    findings: Sequence[Finding] = (),
    left: Sequence[Finding] = (),
    variant: Variant | None = None,
) -> Result[Suggestion]:
    """Return the report of ``suggest``.

    Args:
        before: the map of the present config.
        after: the map of the config with the snippet; ``before`` if there is nothing to change.
        proposal: the suggested constructor and options.
        snippet: the Python to paste; empty if there is nothing to change.
        lazy: True if the snippet is for the end of a lazy config.
        findings: findings in the present config, without the findings that are the reason for the proposal.
        left: findings in the config with the snippet.
        variant: the suggestion without custom keys for the whole backbone; None if there are no such keys.
    """
    known = bool(snippet) and not proposal.refused
    by_module, backbone = effects(before, after) if known else ((), None)
    tables = [effect_table(by_module)] if known else []
    tables += [] if proposal.refused else [_layers("before" if snippet else "", before)]
    if snippet:
        tables.append(_layers("after", after))
    document = Suggestion(
        SUGGESTION_SCHEMA_VERSION,
        before.tool,
        before.config,
        not snippet,
        before.model.backbone or after.model.backbone or "",
        before.constructor,
        after.constructor,
        proposal.reasons,
        tuple(map(headline, proposal.faults)),
        proposal.refused,
        proposal.kept,
        proposal.left_out,
        snippet,
        () if proposal.refused else tuple(_document_layers(before)),
        tuple(_document_layers(after)),
        by_module,
        backbone,
        variant,
    )
    report = Report(
        facts=tuple(_facts(before, after, snippet)),
        tables=tuple(tables),
        notes=(
            *faster_note(backbone),
            *variant_note(variant),
            *_notes(before, after, proposal, snippet, lazy, findings, left),
        ),
        summary=_summary(before, after, proposal, snippet),
        code=snippet,
        based_on="" if lazy else before.config.path,
        lead=tuple(effect_lead(by_module, backbone)),
    )
    return Result(document, report)


def _facts(before: GroupMap, after: GroupMap, snippet: str) -> Iterator[tuple[str, str]]:
    yield "config", before.config.path
    yield "backbone", before.model.backbone or after.model.backbone or "none"
    yield "constructor", before.constructor.type
    yield from batch_facts(before.batch)
    if snippet:
        yield "suggested", after.constructor.type


def _layers(title: str, group_map: GroupMap) -> Table:
    table = inspection(group_map, by="layer").report.tables[0]
    return Table(title, table.columns, table.rows)


def _document_layers(group_map: GroupMap) -> Iterator[Layer]:
    found: dict[tuple[int | None, float | None, float | None], list[int]] = {}
    for group, parameter in group_map.grouped():
        found.setdefault((group.layer_id, group.lr_scale, group.lr), []).append(parameter.numel)
    for (layer_id, scale, lr), sizes in found.items():
        yield Layer(layer_id, scale, lr, len(sizes), sum(sizes))


def _notes(
    before: GroupMap,
    after: GroupMap,
    proposal: Proposal,
    snippet: str,
    lazy: bool,
    findings: Sequence[Finding],
    left: Sequence[Finding],
) -> Iterator[Note]:
    if proposal.refused:
        yield Note(refusal_of(proposal), "warning")
    yield from finding_notes(findings)
    yield from finding_notes(proposal.faults)
    for reason in proposal.reasons:
        yield Note(reason)
    if proposal.kept:
        yield Note("options kept from the current paramwise_cfg", "info", tuple(option_lines(proposal.kept)))
    if proposal.left_out:
        spec = constructor_of(before)
        unread = (
            f"; {spec.project}'s constructor ignored them"
            if spec.never_reads("custom_keys") and not proposal.refused
            else ""
        )
        yield Note(
            f"options removed from the current paramwise_cfg, because the layer decay replaces them{unread}",
            "info",
            tuple(option_lines(proposal.left_out)),
        )
    prefix = backbone_prefix(after)
    for note in finding_notes(left):
        yield Note(f"with the suggestion: {note.text}", note.level, note.details)
    at_top = [
        parameter.name
        for group, parameter in after.grouped()
        if group.lr_scale == 1 and parameter.name.startswith(prefix) and parameter.requires_grad
    ]
    if at_top:
        spec = constructor_of(after)
        why = (
            f"{spec.project}'s constructor gives these tensors the head's layer id, and no num_layers changes this"
            if spec.rest_is_head
            else "the last layers of the backbone"
        )
        yield Note(f"backbone tensors at the full base lr: {why}", "info", tuple(_folded(at_top, after)))
    if snippet:
        how = (
            "append this code to the config"
            if lazy
            else "save this code as a new config beside the present config, and train with the new config"
        )
        yield Note(how)


def _folded(names: Sequence[str], group_map: GroupMap) -> list[str]:
    return [f"{pattern}  ({len(members)})" for pattern, members in fold_names(names, group_map.names(duplicates=True))]


def refusal_of(proposal: Proposal) -> str:
    """Return the message for a config that does not build because its own constructor raises."""
    return f"the config does not build: {proposal.refused}"


def _summary(before: GroupMap, after: GroupMap, proposal: Proposal, snippet: str) -> str:
    if not snippet:
        return "fits: the config's own layer decay fits this model"
    if proposal.refused:
        layers = len({group.layer_id for group in after.groups})
        return f"built with the suggestion: {sum(1 for _ in after.grouped())} tensors in {layers} layers"
    changes = tuple(diff(before, after))
    return f"{'changed' if changes else 'unchanged'} by the suggestion: {extent_of(changes, before, after)}"
