"""Rules 8xx: effects of the training loop and of the optimizer on groups, mostly measured in a dry run."""
