"""What rules look at: a group map, the views of it that they share, and what the project itself says."""
