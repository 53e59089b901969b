"""Fast start of commands: lazy imports and cached results."""
