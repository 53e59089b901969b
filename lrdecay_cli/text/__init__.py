"""Words: names that were meant, patterns of names, numbers of things, text that is fit to be shown."""
