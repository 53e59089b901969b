"""Rules 7xx: baselines and assertions of the project."""
