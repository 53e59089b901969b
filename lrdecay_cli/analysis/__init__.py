"""Pure functions over group maps: what is in one, what is wrong with it, what differs between two."""
