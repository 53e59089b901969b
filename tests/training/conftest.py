"""Take away what a Runner leaves behind in its process, after each test here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lrdecay_cli.openmmlab.build_context import own_managers


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    threads = torch.get_num_threads()
    # More than one only get in each other's way on pictures of this size.
    torch.set_num_threads(1)
    with own_managers():
        yield
    torch.set_num_threads(threads)
