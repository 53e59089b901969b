"""Find the config options that correspond to the settings in a group map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.origins.config_origins import ConfigOrigins, Keys, config_origins

WRAPPER = ("optim_wrapper",)
OPTIMIZER = (*WRAPPER, "optimizer")
PARAMWISE = (*WRAPPER, "paramwise_cfg")

_OPTIONS: Mapping[str, Keys] = {
    "model.type": ("model", "type"),
    "model.backbone": ("model", "backbone", "type"),
    "base_lr": (*OPTIMIZER, "lr"),
    "base_weight_decay": (*OPTIMIZER, "weight_decay"),
    "optimizer.type": (*OPTIMIZER, "type"),
    "optimizer.wrapper": (*WRAPPER, "type"),
    "constructor.type": (*WRAPPER, "constructor"),
}
_HOLDERS: Mapping[str, Keys] = {"optimizer.options.": OPTIMIZER, "constructor.options.": PARAMWISE}


def known_origins(source: str, options: Sequence[str] = ()) -> ConfigOrigins | None:
    """Return the options of a config, each with the file and line that set it.

    None if the file cannot be read, is not a config, or raises an exception when it is run.
    """
    with suppress(LrdecayError):
        origins = config_origins(source, options)
        return None if origins.raised else origins
    return None


def keys_of_setting(name: str) -> Keys | None:
    """Return the config option that gives a setting of a group map its value; None if there is no such option.

    For example, the setting ``constructor.options.num_layers`` gives
    ``("optim_wrapper", "paramwise_cfg", "num_layers")``.
    """
    for prefix, holder in _HOLDERS.items():
        if name.startswith(prefix):
            return (*holder, name.removeprefix(prefix))
    return _OPTIONS.get(name)


def changed_option(keys: Keys, value: Any, other: Any, origins: ConfigOrigins) -> Option | None:
    """Return the config option that sets a value in which two maps differ; None if there is no such option.

    If both values are dicts, the result is the option of their first entry that differs.

    Args:
        keys: path of the value in the config.
        value: value in the map of the config.
        other: value in the other map.
        origins: the places (file and line) that set the options of the config.
    """
    for below in _differing(value, other):
        option = origins.find((*keys, *below))
        if option is not None and not option.origin.unknown and (below or _is_same(option.origin.value, value)):
            return option
    return None


def _is_same(own: Any, value: Any) -> bool:
    """True if a value of the config equals the value in the map.

    A map contains the name of a type without its scope: ``SwinTransformer`` for ``mmdet.SwinTransformer``.
    """
    if isinstance(own, str) and isinstance(value, str):
        return own.rpartition(".")[2] == value.rpartition(".")[2]
    return bool(own == value)


def _differing(value: Any, other: Any) -> Iterator[Keys]:
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        for key, item in value.items():
            if key not in other or item != other[key]:
                yield from ((key, *below) for below in _differing(item, other.get(key)))
    yield ()
