"""The command line around the commands: options, settings, console, completion; and the exit codes.

The codes are the same for every command and every format.
"""

CLEAN = 0
"""Clean, or identical."""
DIFFERENT = 1
"""Findings, or two sides that differ."""
CANNOT_JUDGE = 2
"""Usage, bad input, missing packages, an internal error."""
INTERRUPTED = 130
TERMINATED = 143
"""By SIGTERM, as a shell has it."""
