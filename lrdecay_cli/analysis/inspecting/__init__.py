"""Show a group map as tables, for the report of ``inspect``."""
