"""The command line around the commands: options, settings, console, completion, exit codes."""
