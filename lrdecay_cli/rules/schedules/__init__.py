"""Rules 6xx: how schedulers change the lrs of groups."""
