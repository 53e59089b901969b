"""Compare two group maps, for the report of ``diff``."""
