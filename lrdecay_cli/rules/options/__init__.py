"""Rules 5xx: options that are unused or contradict each other."""
