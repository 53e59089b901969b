"""Find a config's optimizer wrapper constructor by class. The name is not enough, because two classes may share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

from lrdecay_cli.constructors import DEFAULT, ConstructorSpec, find_constructor
from lrdecay_cli.openmmlab.config_values import find_registered, type_name


def constructor_of(wrapper_config: Mapping[str, Any]) -> type:
    """Return the class of the constructor in the config's ``optim_wrapper``."""
    named = wrapper_config.get("constructor", DEFAULT.name)
    found: type = find_registered(OPTIM_WRAPPER_CONSTRUCTORS, named) if isinstance(named, (str, type)) else type(named)
    return found


def known_constructor(wrapper_config: Mapping[str, Any]) -> ConstructorSpec | None:
    """Return lrdecay's description of the constructor in ``optim_wrapper``; None if lrdecay does not know its class."""
    written = type_name(wrapper_config.get("constructor", DEFAULT.name))
    return find_constructor(written, getattr(constructor_of(wrapper_config), "__module__", ""))
