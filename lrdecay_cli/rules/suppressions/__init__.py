"""Rules 9xx: suppressions that are unused, expired, unknown or without a reason."""
