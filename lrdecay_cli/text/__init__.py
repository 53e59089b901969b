"""Text functions: similar names, patterns of names, counts with nouns, safe output."""
