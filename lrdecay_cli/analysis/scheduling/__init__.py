"""The report of ``schedule``."""
