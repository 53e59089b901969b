"""Rules 8xx: what a dry run of the training loop observed, and what optimizers do with their groups."""
