"""Rules 8xx: what the training loop does, most of it observed by a dry run, and what optimizers do with their groups."""
