"""Which classes run a config's training, validation and test, and what settings they take. None of them is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop

from lrdecay_cli.domain.training import Loop
from lrdecay_cli.openmmlab.building import training_scope
from lrdecay_cli.openmmlab.config_values import look_up, plain, type_name

LOOP_KEYS = ("train_cfg", "val_cfg", "test_cfg")
# Source: mmengine 0.10, Runner.build_train_loop, build_val_loop and build_test_loop.
_FROM_RUNNER = ("runner", "dataloader", "evaluator")


def loops_of(config: Config) -> dict[str, Loop]:
    """The loop of every key of ``LOOP_KEYS`` under which the config has settings, even none."""
    with training_scope(config):
        return {key: _loop(key, config[key]) for key in LOOP_KEYS if isinstance(config.get(key), Mapping)}


def loop_class(given: Mapping[str, Any]) -> Any:
    """What a loop's ``type`` names, in its own ``_scope_`` or the default one; None if nothing is registered so."""
    named = given["type"]
    if not isinstance(named, str):
        return named
    with LOOPS.switch_scope_and_registry(given.get("_scope_")) as registry:
        return look_up(registry, named)


def _loop(key: str, given: Mapping[str, Any]) -> Loop:
    named = given.get("type")
    found = _default(key, given) if named is None else loop_class(given)
    settings = plain(given)
    if not callable(found):
        return Loop(type_name(named), settings, None, (), False)
    signatures = [[*signature.parameters.values()] for signature in _signatures(found)]
    first = signatures[0] if signatures else []
    takes_more = any(one.kind is one.VAR_KEYWORD for one in first)
    own = [one for one in first if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    named_ones = [
        one.name
        for several in signatures
        for one in several
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    return Loop(
        type=type_name(found),
        settings=settings,
        takes=tuple(name for name in dict.fromkeys(named_ones) if name not in _FROM_RUNNER),
        needs=tuple(one.name for one in own if one.default is one.empty and one.name not in _FROM_RUNNER),
        takes_more=takes_more,
    )


def _default(key: str, given: Mapping[str, Any]) -> Any:
    if key != "train_cfg":
        return ValLoop if key == "val_cfg" else TestLoop
    # A ConfigDict gives None for what is not there, so that mmengine counts iterations unless told otherwise.
    return EpochBasedTrainLoop if given.get("by_epoch") else IterBasedTrainLoop


def _signatures(loop: Any) -> Iterator[inspect.Signature]:
    """Of the class, and of each further one that a ``**kwargs`` may be handed on to."""
    for kind in inspect.getmro(loop) if isinstance(loop, type) else (loop,):
        if isinstance(loop, type) and "__init__" not in vars(kind):
            continue
        try:
            signature = inspect.signature(kind)
        except (TypeError, ValueError):
            return
        yield signature
        if not any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values()):
            return
