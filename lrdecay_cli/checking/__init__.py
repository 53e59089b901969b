"""From group maps to the result of ``check``: rules run, baselines, assertions and suppressions applied, reported."""
