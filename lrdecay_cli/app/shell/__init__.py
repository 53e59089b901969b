"""The command line around the commands: options, settings, console, completion; and the exit codes.

Every command and every format uses the same codes.
"""

CLEAN = 0
"""No findings, or identical."""
DIFFERENT = 1
"""Findings, or two sides that differ."""
CANNOT_JUDGE = 2
"""Usage error, bad input, missing package or internal error."""
INTERRUPTED = 130
TERMINATED = 143
"""Ended by SIGTERM; the code is the shell's convention."""
