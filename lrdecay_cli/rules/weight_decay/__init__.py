"""Rules 4xx: which parameters are decayed and which are exempt."""
