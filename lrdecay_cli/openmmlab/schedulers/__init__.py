"""Build the parameter schedulers of a config as mmengine does, and run them on stub optimizers."""
