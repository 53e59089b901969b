"""``lrdecay suggest``."""

from __future__ import annotations

from typing import Annotated

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, argument, expanded


@expanded(without=("jobs", "named_by", "isolate"))
def suggest(
    config: Annotated[
        str, argument("CONFIG", "A config, or mmdet::PATH for one of MMDetection's own.", completion.configs)
    ],
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Suggest the learning-rate decay that fits a config's model.

    As Python to paste. It is tried before it is shown: the layers before and after are those of real optimizers. The
    config is left as it is. Exit code 0, also where the config's own decay fits; 2 if there is nothing to decay or it
    cannot be told. The format python is the snippet alone, or a config with nothing but its base where the decay fits.

    \b
    lrdecay suggest config.py
    lrdecay suggest config.py --output python=config_decayed.py
    """
    import sys

    from lrdecay_cli.analysis.suggesting.effects import faster_note
    from lrdecay_cli.analysis.suggesting.report import refusal_of, suggestion_report
    from lrdecay_cli.app.requests.sources import group_maps_of, is_map
    from lrdecay_cli.app.requests.suggesting import UNREAD, build_suggestion, in_lazy_style, proposal_for, ungrouped_map
    from lrdecay_cli.domain.errors import ConstructorRefused, LrdecayError
    from lrdecay_cli.files.config_path import is_checkpoint
    from lrdecay_cli.text.printing import printable

    destinations = output.destinations()
    if is_map(config) or is_checkpoint(config):
        raise LrdecayError("a suggestion is for a config, which can be built with it", where=config)
    request = build.request()
    if destinations.repeatable and not build.verbose:
        request.caching.begin_answer()
    refused = ""
    try:
        (before,) = group_maps_of((config,), request)
    except ConstructorRefused as refusal:
        # It is the one thing that a suggestion replaces.
        refused = refusal.problem
        try:
            before = ungrouped_map(config, request)
        except LrdecayError:
            raise refusal from None
    proposal, findings = proposal_for(before, refused)
    unread = [finding for finding in findings if finding.code == UNREAD]
    if refused and set(destinations.formats) == {"python"}:
        print(f"lrdecay: {config}: {printable(refusal_of(proposal))}", file=sys.stderr)  # noqa: T201
    if proposal.fits:
        # The stack is asked only where somebody reads the answer: the map may be from the cache.
        lazy = "python" in destinations.formats and in_lazy_style(config, request)
        text = destinations.write(suggestion_report(before, before, proposal, "", lazy=lazy, findings=unread))
        request.caching.keep_answer(text, 0)
        return
    proposal, after, snippet, lazy, left, variant = build_suggestion(config, before, proposal, findings, request)
    serious = [finding for finding in left if finding.severity != "info"]
    result = suggestion_report(
        before, after, proposal, snippet, lazy=lazy, findings=unread, left=serious, variant=variant
    )
    if set(destinations.formats) == {"python"}:
        for note in faster_note(result.document.backbone_effect):
            print(f"lrdecay: {config}: {printable(note.text)}", file=sys.stderr)  # noqa: T201
    text = destinations.write(result)
    request.caching.keep_answer(text, 0)
