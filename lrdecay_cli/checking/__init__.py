"""Turn group maps into a check result: run rules, apply baselines, assertions and suppressions, and report."""
