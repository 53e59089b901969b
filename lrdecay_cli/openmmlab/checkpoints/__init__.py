"""Read the group map of a checkpoint's optimizer without running anything in the file."""
