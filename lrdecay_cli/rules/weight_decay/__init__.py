"""Rules 4xx: which parameters get weight decay, and which are exempt."""
