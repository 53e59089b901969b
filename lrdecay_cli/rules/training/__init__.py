"""Rules 8xx: effects of the training loop, mostly observed in a dry run, and of optimizers on their groups."""
