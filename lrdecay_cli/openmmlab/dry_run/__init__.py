"""Dry-run the training loop: run mmengine's own Runner, hooks, schedulers and optimizer without data and weights."""

from lrdecay_cli.openmmlab.dry_run.running import dry_run

__all__ = ["dry_run"]
