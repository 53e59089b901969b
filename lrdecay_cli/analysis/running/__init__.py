"""What ``run`` says: the lrs in the log of a training against its plan."""
