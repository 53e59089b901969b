"""Compute the suggestion for a config: collect findings, propose a layer decay, and build the config with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import NamedTuple

import msgspec

from lrdecay_cli.analysis.suggesting.effects import variant_of
from lrdecay_cli.analysis.suggesting.proposing import propose, without_covering
from lrdecay_cli.analysis.suggesting.report import suggestion_report
from lrdecay_cli.app.requests.sources import Request, group_maps_of
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.checking.embedded_findings import findings_among
from lrdecay_cli.constructors import OURS
from lrdecay_cli.domain.errors import ConstructorRefused, LrdecayError
from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Result
from lrdecay_cli.domain.suggestion import Proposal, Suggestion, Variant

JUDGED = ("LRD1", "LRD2", "LRD3", "LRD4")
"""Code prefixes of the rules about groups. Findings of these rules decide whether a new layer decay is needed."""
UNREAD = "LRD510"
"""The rule about settings that mmengine ignores; a suggestion leaves these settings unchanged."""


def ungrouped_map(config: str, request: Request) -> GroupMap:
    """Return the group map of a config if its constructor raises: the model is built without the constructor."""
    with fast_start.shortcuts(verbose=request.verbose):
        from lrdecay_cli.openmmlab.snippets import without_constructor

        return without_constructor(config, request.audited)


def suggestion_for(config: str, request: Request, *, ask_style: bool = False) -> tuple[Result[Suggestion], Proposal]:
    """Return the tested suggestion for a config with its report, and the proposal on which it is based.

    Args:
        config: a config.
        request: options for building the config.
        ask_style: find out whether the config is a lazy config, even if there is no suggestion. Only
            ``--format python`` needs this.

    Raises:
        LrdecayError: the config does not build, or lrdecay knows no layer decay for the config.
    """
    refused = ""
    try:
        (before,) = group_maps_of((config,), request)
    except ConstructorRefused as refusal:
        # A suggestion replaces the constructor, so its refusal is no obstacle.
        refused = refusal.problem
        try:
            before = ungrouped_map(config, request)
        except LrdecayError:
            raise refusal from None
    proposal, findings = proposal_for(before, refused)
    unread = [finding for finding in findings if finding.code == UNREAD]
    if proposal.fits:
        lazy = ask_style and in_lazy_style(config, request)
        return suggestion_report(before, before, proposal, "", lazy=lazy, findings=unread), proposal
    proposal, after, snippet, lazy, left, variant = build_suggestion(config, before, proposal, findings, request)
    serious = [finding for finding in left if finding.severity != "info"]
    result = suggestion_report(
        before, after, proposal, snippet, lazy=lazy, findings=unread, left=serious, variant=variant
    )
    return result, proposal


class Suggested(NamedTuple):
    """A proposal with the results of its test build."""

    proposal: Proposal
    after: GroupMap
    snippet: str
    lazy: bool
    """True if the snippet is for the end of a lazy config."""
    left: tuple[Finding, ...]
    """Findings about groups that remain when the config is built with the proposal."""
    variant: Variant | None
    """The proposal without custom keys that multiply the lr of the whole backbone; None if it has no such keys."""


def proposal_for(before: GroupMap, refused: str) -> tuple[Proposal, tuple[Finding, ...]]:
    """Return the proposal for a config and the findings in the config. Raises LrdecayError as :func:`propose` does.

    Args:
        before: the group map of the config. If the config's own constructor raises, the map without this constructor.
        refused: the error of the config's own constructor; empty if the constructor succeeds.
    """
    findings = findings_among(before, (UNREAD,) if refused else (*JUDGED, UNREAD))
    return propose(before, findings, mmdet=find_spec("mmdet") is not None, refused=refused), findings


def build_suggestion(
    config: str, before: GroupMap, proposal: Proposal, findings: Sequence[Finding], request: Request
) -> Suggested:
    """Build the config with the proposal. If the proposed constructor causes new findings, try lrdecay's constructor.

    Raises:
        LrdecayError: lrdecay knows no layer decay for the config.
    """
    found = _built(config, before, proposal, request)
    if _new(found.left, findings) and not proposal.constructor.endswith(OURS.name):
        with suppress(LrdecayError):
            ours = propose(before, findings, mmdet=False, refused=proposal.refused)
            other = _built(config, before, ours, request)
            if len(_new(other.left, findings)) < len(_new(found.left, findings)):
                return other
    return found


def _built(config: str, before: GroupMap, proposal: Proposal, request: Request) -> Suggested:
    with fast_start.shortcuts(verbose=request.verbose):
        from lrdecay_cli.analysis.suggesting.options import inner_backbone, layers_to_list
        from lrdecay_cli.openmmlab.snippets import built_with, is_lazy, snippet_for

        def tried(chosen: Proposal) -> Suggested:
            after = built_with(config, chosen, before, request.audited)
            snippet = snippet_for(config, chosen, before)
            other = without_covering(chosen)
            variant = variant_of(before, after, chosen, snippet_for(config, other, before)) if other else None
            return Suggested(proposal, after, snippet, is_lazy(config), findings_among(after, JUDGED), variant)

        try:
            return tried(proposal)
        except LrdecayError as error:
            # The path of the trial's temporary file means nothing to the user.
            if error.key.startswith("paramwise_cfg.custom_keys"):
                # A key from the config itself: any other decay would fail on it too.
                raise error.at(f"{config}: optim_wrapper.{error.key}") from error
            unknown = error.key == "paramwise_cfg.layers"
            if unknown and (inner := inner_backbone(before)):
                # The class may wrap a model of another library whose layers are known.
                with suppress(LrdecayError):
                    return tried(msgspec.structs.replace(proposal, options={**proposal.options, "backbone": inner}))
            raise error.replaced(
                problem=f"lrdecay knows no layer decay for this config: {error.problem}",
                where=config,
                fix=layers_to_list(before) if unknown else error.fix,
            ) from error


def _new(left: Sequence[Finding], findings: Sequence[Finding]) -> set[str]:
    return {finding.code for finding in left} - {finding.code for finding in findings}


def in_lazy_style(config: str, request: Request) -> bool:
    """True if the config is a lazy config (``read_base``).

    A config with ``_base_`` cannot inherit from a lazy config.
    """
    with fast_start.shortcuts(verbose=request.verbose):
        from lrdecay_cli.openmmlab.snippets import is_lazy

        return is_lazy(config)
