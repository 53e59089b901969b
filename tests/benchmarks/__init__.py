"""Speed, as ratios between commands that are timed in turn in one run. Not collected by pytest: figures, no verdicts."""
