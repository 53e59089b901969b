"""Many configs in one go: found, each built in a child process of its own, and summed up."""
