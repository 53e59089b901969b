"""Rules 7xx: differences from the project's baselines, and failed assertions."""
