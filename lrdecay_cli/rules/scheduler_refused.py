"""A scheduler has settings that mmengine refuses when the run starts.

The model is built, the data are read, and the run dies before its first step.

``end`` must be above ``begin``; without one it is where the training ends. ``convert_to_iter_based`` wants
``by_epoch=True``. ``eta_min`` and ``eta_min_ratio`` exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.interface import Example, Fault, Rule
from lrdecay_cli.rules.subject import Subject


def check(subject: Subject) -> Iterator[Fault]:
    """One fault for each setting."""
    for scheduler in subject.schedulers:
        settings, name = scheduler.settings, scheduler.name
        if scheduler.end is not None and scheduler.end <= scheduler.begin:
            own = "end" in settings
            yield Fault(
                f"{name} begins at {scheduler.begin:g} and ends at {scheduler.end:g} {scheduler.unit}"
                f"{'' if own else ', with training'}",
                f"{scheduler.path}.end above {scheduler.begin:g}" if own else f"a begin below {scheduler.end:g}",
                option=f"{scheduler.path}.{'end' if own else 'begin'}",
            )
        if settings.get("convert_to_iter_based") is True and scheduler.unit == "iterations":
            yield Fault(
                f"{name} has convert_to_iter_based=True and by_epoch=False: there is nothing to convert",
                f"{scheduler.path}.by_epoch=True, and begin and end in epochs",
                option=f"{scheduler.path}.convert_to_iter_based",
            )
        if (
            scheduler.family.startswith("Cosine")
            and settings.get("eta_min") is not None
            and settings.get("eta_min_ratio") is not None
        ):
            yield Fault(
                f"{name} has both eta_min={settings['eta_min']!r} and eta_min_ratio={settings['eta_min_ratio']!r}",
                "keep eta_min_ratio alone",
                option=f"{scheduler.path}.eta_min_ratio",
            )


RULE = Rule(
    code="LRD604",
    name="scheduler-refused",
    severity="error",
    check=check,
    documentation=__doc__,
    bad=Example("param_scheduler = [dict(type='CosineAnnealingLR', begin=12, end=12)]"),
    good=Example("param_scheduler = [dict(type='CosineAnnealingLR', begin=2, end=12)]"),
)
