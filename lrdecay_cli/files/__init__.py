"""Find configs, read and write group maps, and write files atomically."""

from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.files.map_file import looks_like_map, read_bytes, read_map, top_level_keys
from lrdecay_cli.files.schema import DOCUMENTS, document_schema
from lrdecay_cli.files.writing import to_json, write_text

__all__ = [
    "DOCUMENTS",
    "document_schema",
    "find_config",
    "looks_like_map",
    "read_bytes",
    "read_map",
    "to_json",
    "top_level_keys",
    "write_text",
]
