"""Values of configs and groups in JSON, the same in every run."""

from __future__ import annotations

import functools
import json
from collections import OrderedDict, UserDict
from importlib import metadata
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from lrdecay_cli.openmmlab.config_values import distributions_of_stack, number, plain, stack_versions

VALUES: dict[str, tuple[Any, Any]] = {
    "mappings": (ConfigDict(a=OrderedDict(b=1), c=UserDict({2: None})), {"a": {"b": 1}, "c": {"2": None}}),
    "sequences": ((1, [2.5, ("x", True)]), [1, [2.5, ["x", True]]]),
    "a set": ({"b", "a", "c"}, ["a", "b", "c"]),
    "a set of what has no order": (frozenset({"a", 1, None}), ["a", 1, None]),
    "a tensor of one": (torch.tensor([0.5]), 0.5),
    "a tensor of one on meta": (torch.zeros(1, device="meta"), "Tensor(1,)"),
    "a tensor of several": (torch.zeros(2, 3), "Tensor(2, 3)"),
    "a dtype": ({"dtype": torch.float16}, {"dtype": "torch.float16"}),
    "a class": (nn.Linear, "Linear"),
    "a function": (torch.relu, "relu"),
    "a function of parts": (functools.partial(nn.LayerNorm, eps=1e-6), "partial"),
    "an object": (nn.Identity(), "Identity"),
    "an object without a name": (object(), "object"),
}


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES)
def test_plain(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    # A memory address would differ in the next run.
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(("value", "expected"), [(None, None), (1, 1.0), (torch.tensor(0.5), 0.5)])
def test_number(value: Any, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize("value", [True, "0.1", [0.1], torch.tensor(True), 1j])
def test_no_number(value: Any) -> None:
    with pytest.raises(TypeError, match="is not a number"):
        number(value)


def test_distributions_of_the_stack() -> None:
    """From the records of this environment, with any distributions."""
    brought = metadata.packages_distributions()
    stack = stack_versions((), "mmcv", "mmdet", "mmpretrain")
    assert {"mmengine", "torch"} <= stack.keys()
    expected = {name: f"{brought[name][0]} {metadata.version(brought[name][0])}" for name in stack}
    assert {name: str(found) for name, found in distributions_of_stack(stack).items()} == expected
