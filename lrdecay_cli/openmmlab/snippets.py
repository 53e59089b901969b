"""Write a suggestion as Python code for a config, and build the config with this code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from mmengine.config import Config

from lrdecay_cli.constructors import DEFAULT
from lrdecay_cli.domain.fix import imports_with
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.suggestion import Proposal
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.files.config_path import SEPARATOR, find_config
from lrdecay_cli.files.temporary import temporary_folder
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.config_file import load_config
from lrdecay_cli.openmmlab.config_values import plain, type_name

_LINE = 100

Audit = Callable[[str, Callable[[Config], None] | None], GroupMap]
"""Function that loads a config from a path, applies a change to the config (unless None) and returns its group map."""


def without_constructor(config: str, audit: Audit) -> GroupMap:
    """Return a group map of a config whose constructor raises an error.

    The groups are built by mmengine's default constructor without options. The map still names the config's own
    constructor and the options of this constructor.
    """
    own: dict[str, Any] = {}

    def change(loaded: Config) -> None:
        own.update(loaded.optim_wrapper)
        for key in ("constructor", "paramwise_cfg"):
            loaded.optim_wrapper.pop(key, None)

    built = audit(config, change)
    constructor = Constructor(type_name(own.get("constructor", DEFAULT.name)), plain(own.get("paramwise_cfg") or {}))
    training = msgspec.structs.replace(built.training, optim_wrapper=plain(own))
    return msgspec.structs.replace(built, constructor=constructor, training=training)


def is_lazy(config: str) -> bool:
    """True if the config has mmengine's lazy style, as with ``read_base``. ``_base_`` cannot name a lazy config."""
    path = find_config(config)
    return path.suffix == ".py" and bool(Config._is_lazy_import(str(path)))


def snippet_for(config: str, proposal: Proposal, now: GroupMap, *, base: str | None = None) -> str:
    """Return Python code that applies a suggestion.

    The code is a new config that inherits from ``config``. If ``config`` is lazy, the code is lines to append to
    ``config``.

    Args:
        config: the path of the config, as the user typed it.
        proposal: the suggestion.
        now: group map of the config without the suggestion.
        base: value of ``_base_`` in the new config. By default, a path that is right if the new config is in the folder
            of ``config``.
    """
    if is_lazy(config):
        # A lazy config imports nothing before it is built, so it must name the class itself.
        lines = [f"from {module} import {proposal.constructor}" for module in proposal.imports]
        constructor = proposal.constructor if lines else repr(proposal.constructor)
        # update() would keep inherited options.
        options = _dict("optim_wrapper['paramwise_cfg'] = ", proposal.options)
        return "\n".join([*lines, f"optim_wrapper['constructor'] = {constructor}", options, ""])
    # A base's None too: in mmengine a dict cannot inherit from it.
    replaced = {"_delete_": True} if "paramwise_cfg" in now.training.optim_wrapper else {}
    options = _dict("    paramwise_cfg=", {**replaced, **proposal.options})
    name = config if SEPARATOR in config else f"./{Path(config).name}"
    lines = [f"_base_ = {base or name!r}"]
    if proposal.imports:
        # A config's custom_imports replace its base's.
        with quiet_stack(verbose=False):
            loaded = load_config(config, {})
        own = plain(loaded.get("custom_imports") or {})
        if "custom_imports" in loaded and not own:
            own = {"_delete_": True}
        lines.append(_dict("custom_imports = ", imports_with(own, proposal.imports)))
    lines.append(f"optim_wrapper = dict(\n    constructor={proposal.constructor!r},\n{options})")
    return "\n".join([*lines, ""])


def built_with(config: str, proposal: Proposal, now: GroupMap, audit: Audit) -> GroupMap:
    """Apply the suggestion to a config as a user would, and return the resulting group map.

    Writes files only to a temporary directory.
    """
    if is_lazy(config):
        # Append to the loaded config: its relative imports work only in its own folder, where nothing is written.
        lines = snippet_for(config, proposal, now)
        return audit(config, lambda loaded: exec(lines, {"optim_wrapper": loaded.optim_wrapper}))
    base = None if SEPARATOR in config else str(find_config(config).absolute())
    with temporary_folder() as folder:
        trial = Path(folder, "suggested.py")
        trial.write_text(snippet_for(config, proposal, now, base=base), encoding="utf-8")
        return audit(str(trial), None)


def _dict(head: str, values: Mapping[str, Any]) -> str:
    """Return ``head`` followed by ``dict(key=value, ...)``, on one line or, if too long, on several indented lines."""
    line = f"{head}dict({', '.join(f'{key}={value!r}' for key, value in values.items())})"
    if len(line) <= _LINE:
        return line
    further = " " * (len(head) - len(head.lstrip()) + 4)
    return f"{head}dict(\n" + ",\n".join(_item(f"{further}{key}=", value) for key, value in values.items()) + ")"


def _item(head: str, value: Any) -> str:
    line = f"{head}{value!r}"
    if len(line) <= _LINE or not isinstance(value, dict):
        return line
    further = " " * (len(head) - len(head.lstrip()) + 4)
    return f"{head}{{\n" + ",\n".join(f"{further}{key!r}: {item!r}" for key, item in value.items()) + "}"
