"""Rules 6xx: effects of schedulers on the lrs of groups, and wrong scheduler settings."""
