"""Turn command-line arguments into group maps and reports."""
