"""``lrdecay schema``."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    document: Annotated[
        str,
        typer.Argument(
            metavar="[map|explain|diff|check|baseline|rules|schedule|scan|suggest|doctor]",
            help="Which JSON: that of inspect is map, any other has its command's name.",
        ),
    ] = "map",
) -> None:
    """Print the JSON Schema (2020-12) of what --format json writes."""
    import json

    from lrdecay_cli.app.console import write_stdout
    from lrdecay_cli.files.schema import DOCUMENTS, document_schema
    from lrdecay_cli.formats import check_format

    check_format(document, where="schema", allowed=DOCUMENTS)
    write_stdout(json.dumps(document_schema(document), indent=2) + "\n")
