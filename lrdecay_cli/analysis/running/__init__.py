"""The lrs in the log of a training against those of its plan, for ``run``."""
