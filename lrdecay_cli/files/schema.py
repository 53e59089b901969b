"""The JSON Schema of the files that lrdecay writes, derived from the dataclasses that are written."""

from __future__ import annotations

from typing import Any

import msgspec

from lrdecay_cli.domain.group_map import SCHEMA_VERSION, GroupMap

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def map_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a group map. Strict like the reader: every key is required, no other is allowed."""
    schema = msgspec.json.schema(GroupMap)
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    schema["$defs"]["GroupMap"]["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {"$schema": DIALECT, "title": f"lrdecay group map, version {SCHEMA_VERSION}", **schema}
