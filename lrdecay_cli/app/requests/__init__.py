"""Compute the results of commands from their command-line arguments."""
