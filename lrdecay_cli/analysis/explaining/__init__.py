"""What ``explain`` says: why parameters are where they are, and why not elsewhere."""
