"""The project's assertions: those that fail and those that meet no parameter."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from lrdecay_cli.analysis.conditions import condition_text, parse_condition
from lrdecay_cli.analysis.selection import module_meant, name_matches
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.settings import Assertion
from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

NUMBERS = ("lr", "lr_scale", "weight_decay", "layer_id")


@rule(
    "LRD702",
    "assertion-fails",
    severity="error",
    bad=Example("", settings='[[assert]]\nparameters = "head.*"\nlr = "<= 5e-5"\nmessage = "heads learn slowly here"'),
    good=Example(
        "optim_wrapper = dict(optimizer=dict(lr=5e-5))",
        settings='[[assert]]\nparameters = "head.*"\nlr = "<= 5e-5"\nmessage = "heads learn slowly here"',
    ),
)
def assertion_fails(context: RuleContext) -> Iterator[Fault]:
    """A parameter is not what the project's settings assert.

    The project has said in its settings file what it means, and the config does something else.

    An assertion is ``[[assert]]`` in a ``lrdecay.toml`` and ``[[tool.lrdecay.assert]]`` in a ``pyproject.toml``.

    ``parameters`` is a glob, a module or a pattern as reports print it; ``lr``, ``lr_scale``, ``weight_decay`` and
    ``layer_id`` take ``"<= 1"``, ``"> 0, < 1"``, ``"0.1..1"`` or a number, ``frozen`` true or false, ``group`` a glob.
    Numbers that differ by less than a billionth are the same. ``config`` is a glob for the configs that it is about,
    ``message`` is told with each failure, ``severity`` is error unless said. A frozen parameter that is in no group has
    no numbers to hold against; a trainable one in no group fails every assertion but that of ``frozen``.
    """
    for assertion in context.policy.assertions:
        meant = _meant(assertion, context)
        for aspect in (*NUMBERS, "group", "frozen"):
            wanted = getattr(assertion, aspect)
            if wanted is not None:
                yield from _faults(assertion, aspect, wanted, meant)


def _meant(assertion: Assertion, context: RuleContext) -> list[Tensor]:
    return [tensor for name, tensor in context.tensors.items() if name_matches(name, assertion.parameters)]


def _faults(assertion: Assertion, aspect: str, wanted: Any, meant: list[Tensor]) -> Iterator[Fault]:
    failing: dict[str, Any] = {}
    for tensor in (held for each in meant for held in each.in_groups()):
        if aspect == "frozen":
            if tensor.trainable is wanted:
                failing[tensor.name] = not tensor.trainable
        elif tensor.group is not None:
            value = tensor.group.name if aspect == "group" else getattr(tensor.group, aspect)
            if not _holds(assertion, aspect, wanted, value, tensor.group.precision(aspect)):
                failing[tensor.name] = value
        elif tensor.state == "missing" and not tensor.averaged:
            failing[tensor.name] = "in no group"
    if failing:
        condition = (
            condition_text(wanted) if aspect in NUMBERS else _one(wanted) if aspect == "frozen" else repr(wanted)
        )
        said = f"{aspect} {condition}"
        place = f"{assertion.place}, [[{assertion.table}]] number {assertion.number}"
        yield Fault(
            f"{assertion.message + ': ' if assertion.message else ''}asserted {said} for {assertion.parameters!r}, "
            f"but it is {_values(list(failing.values()))}",
            f"change the config, or the assertion: {place if assertion.table else assertion.source}",
            parameters=failing,
            severity=assertion.severity,
            about=f"{assertion.parameters} {said}",
        )


def _holds(assertion: Assertion, aspect: str, wanted: Any, value: Any, precision: str | None) -> bool:
    if value is None:
        return False
    if aspect == "group":
        return fnmatchcase(value, wanted)
    comparisons = parse_condition(wanted, f"{assertion.source}.{aspect}")
    return all(comparison.holds(float(value), precision) for comparison in comparisons)


def _values(values: list[Any]) -> str:
    """The values that there are, each once: all of a few, else from the least to the greatest."""
    told = list(dict.fromkeys("not set" if value is None else _one(value) for value in values))
    if len(told) <= 3:
        return ", ".join(told)
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(numbers) == len(values):
        return f"from {_one(min(numbers))} to {_one(max(numbers))}"
    return f"{', '.join(told[:3])} and {len(told) - 3} more"


def _one(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


@rule(
    "LRD703",
    "assertion-matches-nothing",
    severity="error",
    bad=Example("", settings='[[assert]]\nparameters = "backbon.*"\nlr_scale = "<= 1"'),
    good=Example("", settings='[[assert]]\nparameters = "backbone.*"\nlr_scale = "<= 1"'),
    scope="project",
)
def assertion_matches_nothing(context: RuleContext) -> Iterator[Fault]:
    """An assertion of the project's settings has nothing to hold against.

    It guards nothing: a module was renamed, or the name is mis-spelt, and the assertion would go on passing for ever.

    It is told once, if it matches nothing in any of the checked configs that its ``config`` matches. An assertion of
    numbers has nothing to hold against either where all that it matches is frozen and in no group.
    """
    for assertion in context.policy.idle_assertions:
        matched = _meant(assertion, context)
        nearest = module_meant(assertion.parameters, context.tensors)
        yield Fault(
            f"all that {assertion.parameters!r} matches is frozen and in no group, so that nothing is asserted"
            if matched
            else f"no parameter matches {assertion.parameters!r}",
            "assert frozen = true instead"
            if matched
            else nearest or "give a glob such as 'backbone.*', or take the assertion out",
            option=assertion.key,
        )


def is_met(assertion: Assertion, context: RuleContext) -> bool:
    """Whether a map has anything that the assertion can be held against."""
    return any(assertion.frozen is not None or tensor.state != "frozen" for tensor in _meant(assertion, context))
