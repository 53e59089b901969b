"""The command line: one file per command; options, console and exit codes are shared."""
