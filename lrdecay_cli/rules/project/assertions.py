"""Rules about the project's assertions: assertions that fail, and assertions that match no parameter."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from lrdecay_cli.analysis.conditions import condition_text, parse_condition
from lrdecay_cli.analysis.selection import name_matches, suggest_module
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.settings import Assertion
from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule

NUMBERS = ("lr", "lr_scale", "weight_decay", "layer_id")


@rule(
    "LRD702",
    "assertion-fails",
    severity="error",
    also=("warning", "info"),
    bad=Example("", settings='[[assert]]\nparameters = "head.*"\nlr = "<= 5e-5"\nmessage = "heads learn slowly here"'),
    good=Example(
        "optim_wrapper = dict(optimizer=dict(lr=5e-5))",
        settings='[[assert]]\nparameters = "head.*"\nlr = "<= 5e-5"\nmessage = "heads learn slowly here"',
    ),
)
def assertion_fails(context: RuleContext) -> Iterator[Fault]:
    """A parameter violates an assertion of the project's settings.

    The settings file states a requirement that the config does not fulfil.

    Write assertions as ``[[assert]]`` in ``lrdecay.toml`` or ``[[tool.lrdecay.assert]]`` in ``pyproject.toml``.

    An assertion selects tensors with ``parameters``: a glob, a module or a pattern as printed in reports. It requires
    values for ``lr``, ``lr_scale``, ``weight_decay`` or ``layer_id`` (``"<= 1"``, ``"> 0, < 1"``, ``"0.1..1"`` or a
    number), ``frozen`` (true or false) or ``group`` (a glob). Numbers that differ by less than a billionth are treated
    as equal.

    Optional fields of an assertion: ``config`` is a glob that limits the assertion to some configs, ``message`` is
    printed with each failure, and ``severity`` defaults to error.

    Assertions about numbers do not check frozen parameters that are in no group. A trainable parameter in no group
    fails every assertion except ``frozen``.
    """
    for assertion in context.policy.assertions:
        matching = _matching(assertion, context)
        for aspect in (*NUMBERS, "group", "frozen"):
            wanted = getattr(assertion, aspect)
            if wanted is not None:
                yield from _faults(assertion, aspect, wanted, matching)


def _matching(assertion: Assertion, context: RuleContext) -> list[Tensor]:
    return [tensor for name, tensor in context.tensors.items() if name_matches(name, assertion.parameters)]


def _faults(assertion: Assertion, aspect: str, wanted: Any, matching: list[Tensor]) -> Iterator[Fault]:
    failing: dict[str, Any] = {}
    for tensor in (tensor for each in matching for tensor in each.in_groups()):
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
            condition_text(wanted) if aspect in NUMBERS else _format(wanted) if aspect == "frozen" else repr(wanted)
        )
        requirement = f"{aspect} {condition}"
        place = f"{assertion.place}, [[{assertion.table}]] number {assertion.number}"
        yield Fault(
            f"{assertion.message + ': ' if assertion.message else ''}asserted {requirement} for "
            f"{assertion.parameters!r}, but it is {_values(list(failing.values()))}",
            f"change the config, or change the assertion in {place if assertion.table else assertion.source}",
            parameters=failing,
            severity=assertion.severity,
            about=f"{assertion.parameters} {requirement}",
        )


def _holds(assertion: Assertion, aspect: str, wanted: Any, value: Any, precision: str | None) -> bool:
    if value is None:
        return False
    if aspect == "group":
        return fnmatchcase(value, wanted)
    comparisons = parse_condition(wanted, f"{assertion.source}.{aspect}")
    return all(comparison.holds(float(value), precision) for comparison in comparisons)


def _values(values: list[Any]) -> str:
    """Return the values of the parameters that fail an assertion, as text: ``0.1, 0.2`` or ``from 0.1 to 1``."""
    distinct = list(dict.fromkeys("not set" if value is None else _format(value) for value in values))
    if len(distinct) <= 3:
        return ", ".join(distinct)
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(numbers) == len(values):
        return f"from {_format(min(numbers))} to {_format(max(numbers))}"
    return f"{', '.join(distinct[:3])} and {len(distinct) - 3} more"


def _format(value: Any) -> str:
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
    """An assertion of the project's settings matches no parameter or no config.

    The assertion checks nothing and would always pass. Usually a module was renamed, or the name is misspelt.

    An assertion with a ``config`` pattern applies to all checked configs that match the pattern. If the assertion
    matches no parameter in any of these configs, LRD703 reports it once. An assertion about numbers does not check
    frozen parameters that are in no group.

    If the ``config`` pattern matches no config of the project, LRD703 reports this only for a check of a directory of
    configs. A check of single configs or of exported maps ignores assertions about other configs.
    """
    for assertion in context.policy.unmatched_assertions:
        folder = context.group_map.config.path.rpartition("/")[0]
        yield Fault(
            f"no config matches {assertion.config!r}, so the assertion checks nothing",
            f"use a glob such as '{folder + '/' if folder else ''}*.py', or remove the assertion",
            option=assertion.key,
        )
    for assertion in context.policy.idle_assertions:
        matched = _matching(assertion, context)
        nearest = suggest_module(assertion.parameters, context.tensors)
        yield Fault(
            f"all parameters that match {assertion.parameters!r} are frozen and in no group, so the assertion"
            " checks nothing"
            if matched
            else f"no parameter matches {assertion.parameters!r}",
            "assert frozen = true instead"
            if matched
            else nearest or "use a glob such as 'backbone.*', or remove the assertion",
            option=assertion.key,
        )


def is_met(assertion: Assertion, context: RuleContext) -> bool:
    """Return True if a map has a parameter that the assertion can check."""
    return any(assertion.frozen is not None or tensor.state != "frozen" for tensor in _matching(assertion, context))
