"""A config built with what is suggested for it."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.app.speed import fast_start
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.suggestion import Proposal


def ungrouped_map(config: str, request: Request) -> GroupMap:
    """The map of a config whose own constructor refuses: its model, without that constructor and its options."""
    with fast_start.shortcuts(verbose=request.verbose):
        from lrdecay_cli.openmmlab.suggested import without_constructor

        return without_constructor(config, request.audited)


def suggested_map(config: str, proposal: Proposal, now: GroupMap, request: Request) -> tuple[GroupMap, str, bool]:
    """The map of ``config`` with what is proposed, the snippet for that, and whether it is in the lazy style."""
    with fast_start.shortcuts(verbose=request.verbose):
        from lrdecay_cli.analysis.suggesting.registered_layers import inner_backbone, layers_to_list
        from lrdecay_cli.openmmlab.suggested import built_with, is_lazy, snippet_for

        def tried(one: Proposal) -> tuple[GroupMap, str, bool]:
            after = built_with(config, one, now, request.audited)
            return after, snippet_for(config, one, now), is_lazy(config)

        try:
            return tried(proposal)
        except LrdecayError as error:
            # The trial's own path means nothing to the user.
            _, is_own, key = error.where.partition("paramwise_cfg.custom_keys")
            if is_own:
                # Kept as the config has it: another decay would not take it either.
                raise error.at(f"{config}: optim_wrapper.{is_own}{key}") from error
            unknown = error.where.endswith("paramwise_cfg.layers")
            if unknown and (inner := inner_backbone(now)):
                # A class that wraps the model of another library: that one may be known.
                with suppress(LrdecayError):
                    return tried(msgspec.structs.replace(proposal, options={**proposal.options, "backbone": inner}))
            raise error.replaced(
                problem=f"no decay is known to fit: {error.problem}",
                where=config,
                remedy=layers_to_list(now) if unknown else error.remedy,
            ) from error


def in_lazy_style(config: str, request: Request) -> bool:
    """Whether no text config can be based on the config."""
    with fast_start.shortcuts(verbose=request.verbose):
        from lrdecay_cli.openmmlab.suggested import is_lazy

        return is_lazy(config)
