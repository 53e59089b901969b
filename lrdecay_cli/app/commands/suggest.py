"""The command ``lrdecay suggest``."""

from __future__ import annotations

from typing import Annotated

import typer

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import BuildOptions, OutputOptions, Watch, argument, expanded


@expanded(without=("jobs", "named_by", "isolate"))
def suggest(
    context: typer.Context,
    config: Annotated[
        str, argument("CONFIG", "A config, or mmdet::PATH for a config of MMDetection's zoo.", completion.configs)
    ],
    watch: Watch = False,
    *,
    build: BuildOptions,
    output: OutputOptions,
) -> None:
    """Suggest a layer-wise lr decay that fits the config's model.

    Prints Python to paste into the config; the config is not changed. lrdecay tests the suggestion first: it builds
    the real optimizer without and with the suggestion, and shows the layers of both. The exit code is 0, also if the
    config's own layer decay already fits. The exit code is 2 if lrdecay finds no layer decay for the model.

    --format python prints only the Python code. If the config's own layer decay fits, this code only sets _base_ to the
    config.

    \b
    lrdecay suggest config.py
    lrdecay suggest config.py --output python=config_decayed.py
    """
    import sys

    from lrdecay_cli.analysis.suggesting.effects import faster_note
    from lrdecay_cli.analysis.suggesting.report import refusal_of
    from lrdecay_cli.app.requests.sources import is_map
    from lrdecay_cli.app.requests.suggesting import suggestion_for
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.files.config_path import is_checkpoint
    from lrdecay_cli.text.printing import printable

    destinations = output.destinations()
    if is_map(config) or is_checkpoint(config):
        raise LrdecayError(
            "suggest needs a config, because lrdecay builds the config to test the suggestion", where=config
        )
    request = build.request()
    if watch:
        from lrdecay_cli.app.watching.session import answer_again

        answer_again(context, [config], build)
    if destinations.repeatable and not build.verbose:
        request.caching.begin_result()
    # The map may come from the cache: import the stack only if the python format needs it.
    result, proposal = suggestion_for(config, request, ask_style="python" in destinations.formats)
    if set(destinations.formats) == {"python"}:
        refusals = [refusal_of(proposal)] if proposal.refused else []
        for line in (*refusals, *(note.text for note in faster_note(result.document.backbone_effect))):
            print(f"lrdecay: {config}: {printable(line)}", file=sys.stderr)  # noqa: T201
    text = destinations.write(result)
    request.caching.cache_result(text, 0)
