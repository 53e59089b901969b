"""Speed, as ratios between commands that are timed in turn in one run. Figures and no verdicts: no pytest in here."""
