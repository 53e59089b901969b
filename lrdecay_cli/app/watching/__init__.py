"""``--watch``: one process that stays, keeps the stack loaded, and answers again when a file changes."""
