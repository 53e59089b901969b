"""Run work in child processes: start them, handle their output, return their results."""
