"""Code that all commands share: options, settings, output, shell completion and exit codes.

All commands and formats use the exit codes in this module.
"""

CLEAN = 0
"""Exit code: no findings and no differences."""
DIFFERENT = 1
"""Exit code: findings or differences."""
CANNOT_JUDGE = 2
"""Exit code: usage error, bad input, missing package or internal error."""
INTERRUPTED = 130
TERMINATED = 143
"""Exit code after SIGTERM: 128 + 15, as in shells."""
