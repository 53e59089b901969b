"""Check group maps: run the rules, apply baselines, assertions and suppressions, and make a report."""
