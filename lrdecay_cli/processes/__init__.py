"""Run work in child processes: start them, handle their output, and return their results."""
