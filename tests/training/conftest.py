"""A Runner leaves a default scope, a logger and more behind in its process: each test here takes them away again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    kinds = (DefaultScope, MMLogger, MessageHub, Visualizer)
    before = [dict(kind._instance_dict) for kind in kinds]
    threads = torch.get_num_threads()
    # More than one only get in each other's way on pictures of this size.
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for kind, instances in zip(kinds, before, strict=True):
        kind._instance_dict.clear()
        kind._instance_dict.update(instances)
