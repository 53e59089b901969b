"""Dry-run the training loop: use mmengine's own Runner, hooks, schedulers and optimizer, but no data and no weights."""

from lrdecay_cli.openmmlab.dry_run.running import dry_run

__all__ = ["dry_run"]
