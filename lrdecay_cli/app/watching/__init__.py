"""``--watch``: a process that keeps torch and mmdet loaded, and makes a new report when a file changes."""
