"""Build the config's parameter schedulers as mmengine does, and run them on stub optimizers."""
