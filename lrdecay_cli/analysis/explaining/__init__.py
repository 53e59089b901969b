"""Explain why parameters are in their groups and not in other groups, for the report of ``explain``."""
