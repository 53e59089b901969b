"""The data that rules check: a group map, values computed from this map, and the project's settings for the config."""
