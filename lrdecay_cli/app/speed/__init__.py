"""Make commands start fast, by lazy imports and cached results."""
