"""Rules 5xx: options of the constructor that are unused, or that contradict each other."""
