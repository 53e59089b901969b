"""The data that rules check: a group map, values computed from it, and the project's settings for its config."""
