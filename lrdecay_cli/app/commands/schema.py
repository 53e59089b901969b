"""The command ``lrdecay schema``."""

from __future__ import annotations

from typing import Annotated

from lrdecay_cli.app.shell import completion
from lrdecay_cli.app.shell.options import argument

# Commands whose document has another name.
_BY_COMMAND = {"inspect": "map", "rule": "rules", "merge": "scan"}


def schema(
    document: Annotated[
        str,
        argument(
            "[DOCUMENT]",
            "Name of the output: map (of inspect), explain, diff, diff-stacks, check, schedule, dry-run, run, baseline,"
            " rules, scan, suggest or doctor.",
            completion.documents,
        ),
    ] = "map",
) -> None:
    """Print the JSON Schema (2020-12) of a command's JSON output.

    \b
    lrdecay schema > map.schema.json
    lrdecay schema check
    """
    import json

    from lrdecay_cli.app.shell.console import write_stdout
    from lrdecay_cli.domain.errors import not_one_of
    from lrdecay_cli.files.schema import DOCUMENTS, document_schema

    document = _BY_COMMAND.get(document, document)
    if document not in DOCUMENTS:
        raise not_one_of(f"no schema for {document!r}", document, DOCUMENTS, where="schema")
    write_stdout(json.dumps(document_schema(document), indent=2) + "\n")
