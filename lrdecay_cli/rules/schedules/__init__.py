"""Rules 6xx: what the schedulers make of the groups' learning rates."""
