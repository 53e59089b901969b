"""Pure functions over group maps: describe one, find problems in one, compare two."""
