"""Convert the argument ``cfg_options`` of the Python API to config overrides.

The argument is a dict with typed values, or a list of strings as on the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay_cli.api.arguments import names_of
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.overrides import TypedOverride

CfgOptions = Mapping[str, Any] | Sequence[str]
"""Type of ``cfg_options``: ``{"optim_wrapper.optimizer.lr": 1e-3}``, a nested dict as for mmengine's
``Config.merge_from_dict``, or ``["optim_wrapper.optimizer.lr=0.001"]``.
"""


def overrides_of(cfg_options: CfgOptions | None) -> tuple[str, ...]:
    """Return the overrides in order, each as ``key=text``.

    If mmengine would read another value from this text, the override is a :class:`TypedOverride`, which contains the
    Python value itself.
    """
    if isinstance(cfg_options, str):
        raise LrdecayError(
            f"{cfg_options!r} is a single string",
            where="cfg_options",
            fix="give a dict, or a list of key=value",
        )
    if isinstance(cfg_options, Mapping):
        return tuple(each for key, value in cfg_options.items() for each in _flat(str(key), value))
    return names_of(cfg_options or (), "cfg_options")


def _flat(key: str, value: Any) -> Iterator[str]:
    # Below the first level a dot is part of a key, as in custom_keys.
    if isinstance(value, Mapping) and value and all(isinstance(inner, str) and "." not in inner for inner in value):
        for inner, below in value.items():
            yield from _flat(f"{key}.{inner}", below)
        return
    text = f"{key}={value}"
    yield text if _is_read_as(text, value) else TypedOverride(key, value)


def _is_read_as(option: str, value: Any) -> bool:
    """True if mmengine reads exactly ``value`` from the text ``option``, for example 0.1 from ``lr=0.1``."""
    from lrdecay_cli.origins.command_line import parsed_option

    if not isinstance(value, (bool, int, float, str, list, tuple, type(None))) or "\n" in option:
        return False
    try:
        read = parsed_option(option.partition("=")[2])
    except ValueError:
        return False
    # 1 == True == 1.0, but they are different values of an option.
    return repr(read) == repr(value)
