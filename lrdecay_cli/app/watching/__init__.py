"""``--watch``: a process that keeps torch and OpenMMLab loaded, and makes a new report when a file changes."""
