"""What makes commands start fast: imports that wait, and answers that are kept."""
