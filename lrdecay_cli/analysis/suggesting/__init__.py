"""The report of ``suggest``: decay settings that fit a model."""
