"""Keeping the stack's own talk off stdout: the report alone goes there."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from mmengine.logging import MMLogger


@contextmanager
def quiet_stack(verbose: bool) -> Iterator[None]:
    """Send whatever the stack prints to stderr; drop its warnings and log lines unless ``verbose``.

    mmdet's constructor logs a line for each parameter, and mmengine's logger writes to the stdout it was made with.
    """
    logger = MMLogger.get_current_instance()
    console = [handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)]
    streams = [handler.stream for handler in console]
    level, disabled = logger.level, logging.root.manager.disable
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
            # Other libraries have loggers of their own (transformers).
            logging.disable(logging.CRITICAL)
        for handler in console:
            # Not by setStream, which flushes the old one: a test runner may have closed that.
            handler.stream = sys.stderr
        logger.setLevel(logging.INFO if verbose else logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)
            logger.setLevel(level)
            for handler, stream in zip(console, streams, strict=True):
                handler.stream = stream
