"""Fixes applied to the text of configs: edits found a place, verified on the merged config, and written whole."""
