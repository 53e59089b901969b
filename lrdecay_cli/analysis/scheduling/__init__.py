"""Summarize the schedule of a training, for the report of ``schedule``."""
