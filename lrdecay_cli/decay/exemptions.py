"""Which parameters have no weight decay, and why."""

from __future__ import annotations

from collections.abc import Callable

from lrdecay_cli.decay.parameter_kinds import Kind, kind_of
from lrdecay_cli.domain.training import Module

Exemption = Callable[[str, tuple[int, ...], "Module | None"], "str | None"]
"""From name, shape and the module that registers the parameter to the reason; None if there is none."""

UNDECAYED_NAMES = ("pos_embed", "cls_token")
"""Whole parameter names. A token inside a backbone is named ``backbone.cls_token`` and decays like any other."""

_REASONS: dict[Kind, str] = {
    "norm": "norm layer",
    "bias": "bias",
    "token": "token",
    "query": "query",
    "position": "position embedding",
    "relative-position": "relative position bias",
    "position-network": "relative position bias",
    "layer-scale": "learned scale",
    "scale": "learned scale",
}


def mmdet_exemption(name: str, shape: tuple[int, ...], module: Module | None) -> str | None:
    """As mmdet 3.3.0 does it, in ``add_params`` of its decay constructor; norm layers by their shape."""
    if len(shape) == 1:
        return "1-D tensor"
    if name.endswith(".bias"):
        return "name ends in '.bias'"
    if name in UNDECAYED_NAMES:
        return f"name is {name!r}"
    return None


def exemption(name: str, shape: tuple[int, ...], module: Module | None) -> str | None:
    """As it is meant: 1-D tensors, scalars and whatever :func:`kind_of` knows, wherever it is."""
    kind = kind_of(name, module, shape)
    if kind != "norm" and len(shape) <= 1:
        return "1-D tensor" if shape else "scalar"
    return _REASONS[kind] if kind else None
