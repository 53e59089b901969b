"""Compare the logged lrs of a training with the planned lrs, for the command ``lrdecay run``."""
