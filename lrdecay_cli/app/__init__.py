"""The command line: one file for each command, and the options, output and exit codes that they share."""
