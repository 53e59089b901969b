"""Rules 4xx: what is decayed and what is exempt."""
