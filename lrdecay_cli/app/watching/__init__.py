"""``--watch``: a process that keeps torch and mm* loaded, and makes the report again when a file changes."""
