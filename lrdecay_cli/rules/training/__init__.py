"""Rules 8xx: what the training loop does, most of it seen in a dry run, and what optimizers do with their groups."""
