"""Rules 4xx: which parameters are decayed (get weight decay), and which are exempt."""
