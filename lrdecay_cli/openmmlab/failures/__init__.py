"""From what the stack raises to one line: what is wrong, where, and what to do."""
