"""Rules 7xx: what the project itself says, by baselines and assertions."""
