"""Scan many configs: find them, build each in its own child process, and summarize the results."""
