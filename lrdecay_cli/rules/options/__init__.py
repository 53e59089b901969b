"""Rules 5xx: options that are dead or contradict each other."""
