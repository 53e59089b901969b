"""A parameter's lr scale on one line."""

from __future__ import annotations

from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.domain.provenance import Formula, Provenance


def one_line(name: str, provenance: Provenance, prefix: str = BACKBONE_PREFIX) -> str:
    """From name to layer id to lr scale: ``stages.2.7 → 3 + 7 // 3 = 5 → 0.7 ** (14 - 5 - 1) = 0.0576``."""
    steps = (step for step in (provenance.layer_id, provenance.lr_scale) if step is not None)
    return " → ".join((matched_part(name, provenance, prefix), *map(_sum, steps)))


def matched_part(name: str, provenance: Provenance, prefix: str = BACKBONE_PREFIX) -> str:
    """The part of a name that decided about its layer id, without the backbone's prefix; else the whole name."""
    if provenance.layer_id is None:
        return name
    pattern = provenance.layer_id.cause
    if not pattern.startswith(prefix):
        return name
    looked_at = pattern.count(".") + 1
    return ".".join(name.split(".")[:looked_at]).removeprefix(prefix)


def _sum(step: Formula) -> str:
    """Formula and result; a formula that is its own result stands alone."""
    shown = f"{step.result:.3g}" if isinstance(step.result, float) else str(step.result)
    return shown if step.formula == str(step.result) else f"{step.formula} = {shown}"
