"""Code that all commands share: options, settings, output, shell completion and exit codes.

All commands and formats use the exit codes in this module.
"""

CLEAN = 0
"""No findings, or two sides that are identical."""
DIFFERENT = 1
"""Findings, or two sides that differ."""
CANNOT_JUDGE = 2
"""Usage error, bad input, missing package or internal error."""
INTERRUPTED = 130
TERMINATED = 143
"""The process received SIGTERM; the code is 128 + 15, as in shells."""
