"""Any constructor of mmengine's kind without ``paramwise_cfg``: one group, and no rule is asked.

Source: mmengine 0.10, ``DefaultOptimWrapperConstructor.__call__``, which mmdet's and mmpretrain's inherit.
"""

from __future__ import annotations

from lrdecay_cli.constructors.facts import ConstructorInputs
from lrdecay_cli.constructors.interface import own_step
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance


class WithoutOptions:
    """The optimizer's own numbers for every parameter, frozen ones too."""

    holds_frozen = True

    def __init__(self, settings: ConstructorInputs) -> None:
        self._provenance = Provenance(
            layer_id=None,
            lr_scale=None,
            lr=own_step("base_lr", settings.base_lr, settings.default_lr),
            weight_decay=own_step("base_weight_decay", settings.base_weight_decay, settings.default_weight_decay),
        )

    def provenance(self, tensor: Tensor) -> Provenance:
        """The same for all."""
        return self._provenance

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """That there is nothing to consider."""
        return (
            RuleTrace(
                ("lr", "weight_decay"),
                "paramwise_cfg",
                "no effect",
                "it is empty, so that all parameters go into one group, frozen ones too",
            ),
        )

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """None."""
        return ()
