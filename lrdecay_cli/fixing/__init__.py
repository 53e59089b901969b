"""Apply fixes to the text of configs: find a place for each edit, verify the merged config, and write files
atomically."""
