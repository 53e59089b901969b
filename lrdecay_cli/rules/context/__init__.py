"""The data that rules check: a group map with shared views of it, and the project's policy."""
