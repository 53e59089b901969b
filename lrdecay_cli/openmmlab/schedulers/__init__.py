"""The config's parameter schedulers, built as mmengine builds them and run on stub optimizers."""
