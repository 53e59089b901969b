"""Convert group maps of schema 1 to schema 2.

In schema 1, some facts are only part of a sentence or of a name. Schema 2 has a field for each of these facts. Only
this module parses the sentences.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache

import msgspec

from lrdecay_cli.domain.group_map import SCHEMA_VERSION, GroupedParameter, GroupMap, ParameterGroup
from lrdecay_cli.domain.provenance import FALLBACK, Basis, Formula, Provenance

_FOREIGN = " (not a parameter of the model)"
_NUMBERED = re.compile(r"(?:.*\.)?group_\d+(?:#\d+)?", re.DOTALL)
_KEY = re.compile(r"""custom_keys\[(?P<key>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]""", re.DOTALL)
_REPORTED = re.compile(r"[^\W\d]\w*\.get_layer_depth")
_OPTION = re.compile(r"base_(?:lr|weight_decay) \* (?P<option>\w+_mult)")
_DEFAULT = "the optimizer's own, "
_OBSERVED = "get_layer_depth() of the model"


def from_schema_1(old: GroupMap) -> GroupMap:
    """Return ``old``, a group map of schema 1, converted to schema 2."""
    wrapper = old.training.optim_wrapper
    named = {name: own["optimizer"] for name, own in wrapper.items() if isinstance(own, Mapping) and "optimizer" in own}
    # The config's settings of each optimizer by name; a single one has the empty name.
    optimizers = named or {"": wrapper.get("optimizer")}
    listed = old.optimizer.type.split(", ")
    types = {}
    for index, (name, given) in enumerate(optimizers.items()):
        # Several of one class are named once.
        own = str(given.get("type")).rpartition(".")[2] if isinstance(given, Mapping) else ""
        types[name] = own if own in listed else listed[min(index, len(listed) - 1)]
    # Parameters of a group share their formulas: each is parsed once.
    formula = cache(_formula_of)

    def step(was: Formula | None, *, of_decay: bool = False) -> Formula | None:
        if was is None:
            return None
        basis, cause, expression = formula(was.rule, was.result is None, of_decay)
        return msgspec.structs.replace(was, basis=basis, cause=cause, expression=expression)

    def parameter(was: GroupedParameter) -> GroupedParameter:
        why = was.provenance
        if why is not None:
            lr, weight_decay = step(why.lr), step(why.weight_decay, of_decay=True)
            assert lr is not None
            assert weight_decay is not None
            why = Provenance(step(why.layer_id), step(why.lr_scale), lr, weight_decay)
        return msgspec.structs.replace(was, provenance=why, foreign=was.name.endswith(_FOREIGN))

    def group(was: ParameterGroup) -> ParameterGroup:
        prefix, dot, _ = was.name.partition(".")
        return msgspec.structs.replace(
            was,
            parameters=tuple(map(parameter, was.parameters)),
            optimizer=prefix if dot and prefix in optimizers else "",
            named=_NUMBERED.fullmatch(was.name) is None,
        )

    return msgspec.structs.replace(
        old,
        schema_version=SCHEMA_VERSION,
        groups=tuple(map(group, old.groups)),
        optimizer=msgspec.structs.replace(old.optimizer, types=types),
    )


def _formula_of(rule: str, unknown: bool, of_decay: bool) -> tuple[Basis, str, str]:
    """Return the fields ``basis``, ``cause`` and ``expression`` of a formula. They are parsed from ``rule``.

    Args:
        rule: the field ``rule`` of the formula, as schema 1 stores it.
        unknown: True if the formula has no result.
        of_decay: True if the formula computes a weight decay.
    """
    if rule.startswith(_DEFAULT) or unknown:
        return "default", "", ""
    if rule == _OBSERVED:
        return "observed", "", ""
    if rule in ("base_lr", "base_weight_decay", "base weight decay"):
        return "given", "", rule.replace(" ", "_")
    if found := _KEY.search(rule):
        key = str(ast.literal_eval(found["key"]))
        before, behind = rule[: found.start()], rule[found.end() :]
        # ``KEY -> expression``, ``base * KEY.option``, ``KEY.option``, and ``base * 1.0, KEY gives no option``.
        expression = behind.removeprefix(" -> ") if behind.startswith(" -> ") else f"{before}{behind[1:]}"
        return "custom_key", key, before.removesuffix(", ") if before.endswith(", ") else expression
    if found := _OPTION.fullmatch(rule):
        return "option", found["option"], rule
    cause, arrow, expression = rule.rpartition(" -> ")
    if not arrow:
        return "computed", "", rule
    if of_decay:
        return "exemption", cause, expression
    if cause == FALLBACK:
        return "fallback", cause, expression
    if _REPORTED.fullmatch(cause):
        return "reported", cause, expression
    return "name", cause, expression
