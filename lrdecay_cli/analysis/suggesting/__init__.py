"""What ``suggest`` says: the decay settings that fit a model."""
