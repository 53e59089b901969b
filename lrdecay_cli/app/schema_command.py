"""``lrdecay schema``."""

from __future__ import annotations

from lrdecay_cli.app.console import write_stdout


def schema() -> None:
    """Print the JSON Schema (2020-12) of the group maps that --format json writes."""
    import json

    from lrdecay_cli.files.schema import map_schema

    write_stdout(json.dumps(map_schema(), indent=2) + "\n")
