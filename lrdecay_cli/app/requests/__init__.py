"""From what the user names to group maps and reports."""
