"""Text functions: similar names, patterns of names, counts with nouns, and safe output."""
