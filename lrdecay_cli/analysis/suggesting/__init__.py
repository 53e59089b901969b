"""Find layer decay settings that fit a model, for the report of ``suggest``."""
