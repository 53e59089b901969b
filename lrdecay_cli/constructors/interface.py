"""What lrdecay knows of a constructor: its numbers with their formulas, and the rules that it goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Formula, Provenance

LayerDepth = Callable[[str], tuple[int, int]]
"""A model's own ``get_layer_depth``: from a parameter's name to its layer id and the number of layers."""


class ConstructorRules(Protocol):
    """A constructor's rules for one model."""

    holds_frozen: bool
    """Whether frozen parameters are put into groups like any others."""

    def provenance(self, tensor: Tensor) -> Provenance:
        """The numbers of a parameter that is put into a group.

        Raises:
            DecayError: they cannot be told.
        """
        ...

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """Every rule that the constructor considers for such a parameter, in its order.

        ``provenance`` is what the map holds.

        Raises:
            DecayError: the rules have no place for it.
        """
        ...

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """What is odd about it, a sentence each."""
        ...


def own_step(what: str, given: int | float | None, default: float | None) -> Formula:
    """The lr or weight decay of a group that gets none of its own.

    Args:
        what: ``base_lr`` or ``base_weight_decay``.
        given: as the config has it, None if it has none.
        default: what the optimizer takes.
    """
    if given is not None:
        return Formula(what, repr(given), given, {what: given})
    return Formula(f"the optimizer's own, the config gives no {what.removeprefix('base_')}", repr(default), default)


def product_step(what: str, base: int | float, factor_name: str, factor: int | float) -> Formula:
    """``base * factor``, in the order in which mmengine multiplies."""
    return Formula(
        f"{what} * {factor_name}",
        f"{base!r} * {factor!r}",
        base * factor,
        {what: base, factor_name.rpartition(".")[2]: factor},
    )
