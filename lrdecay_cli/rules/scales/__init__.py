"""Rules 3xx: lr scales and learning rates."""
