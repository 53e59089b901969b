"""NDJSON: a line of JSON for each record, for tools that read as they go."""

from __future__ import annotations

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import CheckResult
from lrdecay_cli.domain.scan import Scan


def render(document: msgspec.Struct) -> str:
    """The records of the document. Raises LrdecayError if it is not made of records."""
    if not isinstance(document, (CheckResult, Scan)):
        raise LrdecayError("ndjson is for scan and check: this report is one document", remedy="use json")
    return "".join(msgspec.json.encode(record).decode() + "\n" for record in document.records)
