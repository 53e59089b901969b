"""The report of ``diff`` on two group maps."""
