"""Layers of a backbone whose architecture lrdecay does not know: the config or the backbone itself defines them.

A config can list layers as regular expressions: ``layers=['patch_embed', r'blocks\\.(\\d+)', 'norm']``. A backbone can
report its layers with mmpretrain's method ``get_layer_depth``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from lrdecay_cli.decay.constructor_options import ConstructorOptions
from lrdecay_cli.decay.families.interface import with_the_head
from lrdecay_cli.decay.options import SECTION, DecayError
from lrdecay_cli.domain.provenance import Formula, arrow, by_name

_WHERE = f"{SECTION}.layers"
_SHOWN = 3
_USE_PATTERNS = "list the layers in paramwise_cfg.layers as regular expressions instead"


def pattern_layers(
    patterns: Iterable[str], names: Iterable[str], prefix: str
) -> tuple[int, Callable[[str, int], Formula]]:
    """Return ``num_layers`` and a function for layer ids, for the layers that a config lists as patterns.

    A pattern is tested at the start of a parameter name, after ``prefix``. The first matching pattern counts. A pattern
    without regex groups is one layer. Regex groups must match integers; each combination of integers is then one layer.
    For example, ``blocks\\.(\\d+)`` is one layer per block. Layer ids increase from 0 in the order of the patterns.

    Returns:
        ``num_layers``, the highest layer id in the backbone, and a function from a parameter name to its layer id.

    Raises:
        DecayError: a pattern is not a regular expression, matches no name, or has a group that does not match an
            integer; or a name matches no pattern.
    """
    compiled = [_compiled(pattern, position) for position, pattern in enumerate(patterns)]
    places = {name: _place(name, compiled, prefix) for name in names if name.startswith(prefix)}
    unmatched = [name for name, place in places.items() if place is None]
    if unmatched:
        more = f" and {len(unmatched) - _SHOWN} more" if len(unmatched) > _SHOWN else ""
        raise DecayError(
            f"no pattern matches {', '.join(unmatched[:_SHOWN])}{more}",
            where=_WHERE,
            fix="add patterns that match these parameters",
        )
    found = sorted({place for place in places.values() if place is not None})
    for position, matcher in enumerate(compiled):
        if not any(place[0] == position for place in found):
            raise DecayError(
                f"{matcher.pattern!r} matches no parameter of the backbone",
                where=f"{_WHERE}[{position}]",
                fix=f"write a pattern for the beginning of a parameter name, without the prefix {prefix!r}",
            )
    ids = {place: layer_id for layer_id, place in enumerate(found)}

    def layer_id(name: str, num_layers: int) -> Formula:
        place = places.get(name)
        if place is None:
            return with_the_head(num_layers)
        cause = f"layers[{place[0]}] {compiled[place[0]].pattern!r}"
        return by_name(cause, f"{ids[place]}", f"{ids[place]}", ids[place])

    return len(found) - 1, layer_id


def _compiled(pattern: str, position: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise DecayError(
            f"{pattern!r} is not a regular expression ({error})", where=f"{_WHERE}[{position}]", fix="correct it"
        ) from None


def _place(name: str, patterns: list[re.Pattern[str]], prefix: str) -> tuple[int, ...] | None:
    """Return the index of the first pattern that matches the name, and the integers that its regex groups match.

    Return None if no pattern matches.
    """
    own = name.removeprefix(prefix)
    for position, pattern in enumerate(patterns):
        if found := pattern.match(own):
            try:
                return position, *(int(number) for number in found.groups())
            except (TypeError, ValueError):
                raise DecayError(
                    f"a regex group of {pattern.pattern!r} does not match an integer in {name}",
                    where=f"{_WHERE}[{position}]",
                    fix=r"use groups only for numbers, as (\d+), and (?:…) for the rest",
                ) from None
    return None


LayerDepth = Callable[[str, str], Any]
"""A backbone's ``get_layer_depth``: maps a parameter name and the prefix to ``(layer id, number of layer ids)``."""


def reported_layers(
    layer_depth: LayerDepth, class_name: str, names: Iterable[str], options: ConstructorOptions
) -> tuple[int, Callable[[str, int], Formula]]:
    """Return ``num_layers`` and a function for layer ids, for the layers that ``get_layer_depth`` reports.

    Returns:
        ``num_layers``, the highest layer id in the backbone, and a function from a parameter name to its layer id.

    Raises:
        DecayError: the decay type is not layer-wise, ``get_layer_depth`` raises, or its result is invalid.
    """
    method = f"{class_name}.get_layer_depth"
    if options.decay_type != "layer_wise":
        raise DecayError(
            f"{options.decay_type!r} is not available for {class_name}: its get_layer_depth reports no stages",
            where=f"{SECTION}.decay_type",
            fix="allowed: 'layer_wise'",
        )
    reported = {name: _reported(layer_depth, method, name, options.prefix) for name in names}
    counts = {count: name for name, (_, count) in reported.items()}
    if len(counts) != 1:
        returned = ", ".join(f"{count} for {name}" for count, name in counts.items()) or "nothing"
        raise DecayError(
            f"{method} must return the same number of layers for every parameter, but returns {returned}",
            where=f"{SECTION}.backbone",
            fix=_USE_PATTERNS,
        )

    def rule(name: str, num_layers: int) -> Formula:
        layer_id = reported[name][0]
        return arrow("reported", method, f"{layer_id}", f"{layer_id}", layer_id)

    return next(iter(counts)) - 2, rule


def _reported(layer_depth: LayerDepth, method: str, name: str, prefix: str) -> tuple[int, int]:
    try:
        layer_id, count = layer_depth(name, prefix)
        return int(layer_id), int(count)
    except Exception as error:
        problem = f"{method} fails for {name} ({type(error).__name__}: {error})"
        raise DecayError(problem, where=f"{SECTION}.backbone", fix=_USE_PATTERNS) from error
