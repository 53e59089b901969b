"""Summarize the lr schedule of a training, for the command ``lrdecay schedule``."""
