"""``--watch``: a process that keeps the stack loaded and repeats the report when a file changes."""
