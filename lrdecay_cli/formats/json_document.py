"""JSON: the whole document, byte for byte the same on every run."""

from __future__ import annotations

import msgspec

from lrdecay_cli.files.json_text import to_json


def render(document: msgspec.Struct) -> str:
    """The document. Raises LrdecayError if a number in it is not finite."""
    return to_json(document)
