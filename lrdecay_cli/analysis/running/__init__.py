"""Compare the logged lrs of a training with its plan, for ``run``."""
