"""Rules 9xx: suppressions that have no use, reason or time left."""
