"""What ``diff`` says about two group maps."""
