"""Whether a config can be inspected in this environment, from what is installed and without loading any of it."""
