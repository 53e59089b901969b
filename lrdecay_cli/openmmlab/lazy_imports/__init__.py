"""Import the stack lazily: only the used parts, fast and without output."""
