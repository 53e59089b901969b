"""Layers as a backbone itself reports them: mmpretrain's ``get_layer_depth``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lrdecay_cli.decay.constructor_options import ConstructorOptions
from lrdecay_cli.decay.errors import DecayError
from lrdecay_cli.decay.options import SECTION
from lrdecay_cli.domain.provenance import Formula, arrow

LayerDepth = Callable[[str, str], Any]
"""From a parameter name and the backbone's prefix to ``(layer id, number of layer ids)``."""


def reported_layers(
    layer_depth: LayerDepth, class_name: str, names: Iterable[str], options: ConstructorOptions
) -> tuple[int, Callable[[str, int], Formula]]:
    """Count the layers, and tell them apart.

    Args:
        layer_depth: the backbone's ``get_layer_depth``.
        class_name: the backbone's class, for rules and errors.
        names: all parameter names of the model.
        options: prefix and decay type.

    Returns:
        ``num_layers``, and the rule.

    Raises:
        DecayError: it is no layer-wise decay, the method fails, or it does not return what it should.
    """
    what = f"{class_name}.get_layer_depth"
    if options.decay_type != "layer_wise":
        raise DecayError(
            f"{options.decay_type!r} is not defined for {class_name}, which reports layers only",
            where=f"{SECTION}.decay_type",
            remedy="allowed: 'layer_wise'",
        )
    reported = {name: _reported(layer_depth, what, name, options.prefix) for name in names}
    counts = {count: name for name, (_, count) in reported.items()}
    if len(counts) != 1:
        told = ", ".join(f"{count} for {name}" for count, name in counts.items()) or "nothing"
        raise DecayError(
            f"{what} does not return one number of layers, but {told}",
            where=f"{SECTION}.backbone",
            remedy="list the layers in paramwise_cfg.layers as regular expressions instead",
        )

    def rule(name: str, num_layers: int) -> Formula:
        layer_id = reported[name][0]
        return arrow("reported", what, f"{layer_id}", f"{layer_id}", layer_id)

    return next(iter(counts)) - 2, rule


def _reported(layer_depth: LayerDepth, what: str, name: str, prefix: str) -> tuple[int, int]:
    try:
        layer_id, count = layer_depth(name, prefix)
        return int(layer_id), int(count)
    except Exception as error:
        raise DecayError(
            f"{what} fails for {name} ({type(error).__name__}: {error})",
            where=f"{SECTION}.backbone",
            remedy="list the layers in paramwise_cfg.layers as regular expressions instead",
        ) from error
