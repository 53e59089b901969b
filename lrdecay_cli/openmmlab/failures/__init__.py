"""Translate errors of the stack into one line: problem, place and fix."""
