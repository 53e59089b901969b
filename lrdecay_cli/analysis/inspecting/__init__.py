"""What ``inspect`` says about one group map."""
