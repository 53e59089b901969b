"""A suggestion as Python for the config that it is for, and that config built with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from mmengine.config import Config

from lrdecay_cli.constructors import DEFAULT
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.suggestion import Proposal
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.files.config_path import SEPARATOR, find_config
from lrdecay_cli.openmmlab.build_context import quiet_stack
from lrdecay_cli.openmmlab.config_file import load_config
from lrdecay_cli.openmmlab.config_values import plain, type_name

_LINE = 100

Audit = Callable[[str, Callable[[Config], None] | None], GroupMap]
"""Builds the config of a path, after it has been changed."""


def without_constructor(config: str, audit: Audit) -> GroupMap:
    """The map of a config whose own constructor refuses: its model, as mmengine groups it without any option.

    Constructor and options are those of the config.
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
    """Whether the config is in mmengine's lazy style, which no text config can be based on."""
    path = find_config(config)
    return path.suffix == ".py" and bool(Config._is_lazy_import(str(path)))


def snippet_for(config: str, proposal: Proposal, now: GroupMap, *, base: str | None = None) -> str:
    """Python that makes the config what is proposed: a config based on it, or lines for the end of a lazy one.

    Args:
        config: as the user gave it; ``now`` is its map.
        base: path that the new config is based on; the config's own name for one that is saved beside it.
    """
    if is_lazy(config):
        # Such a config imports nothing before it is built, so that the class itself has to be named.
        lines = [f"from {module} import {proposal.constructor}" for module in proposal.imports]
        constructor = proposal.constructor if lines else repr(proposal.constructor)
        # Not by update, which keeps options of what is inherited.
        options = _dict("optim_wrapper['paramwise_cfg'] = ", proposal.options)
        return "\n".join([*lines, f"optim_wrapper['constructor'] = {constructor}", options, ""])
    # A base's None too: mmengine lets no dict inherit from it.
    replaced = {"_delete_": True} if "paramwise_cfg" in now.training.optim_wrapper else {}
    options = _dict("    paramwise_cfg=", {**replaced, **proposal.options})
    name = config if SEPARATOR in config else f"./{Path(config).name}"
    lines = [f"_base_ = {base or name!r}"]
    if proposal.imports:
        # A config's custom_imports take the place of its base's.
        with quiet_stack(verbose=False):
            loaded = load_config(config, {})
        own = plain(loaded.get("custom_imports") or {})
        if "custom_imports" in loaded and not own:
            own = {"_delete_": True}
        listed = own.get("imports") or []
        imports = [*([listed] if isinstance(listed, str) else listed), *proposal.imports]
        lines.append(_dict("custom_imports = ", {**own, "imports": list(dict.fromkeys(imports))}))
    lines.append(f"optim_wrapper = dict(\n    constructor={proposal.constructor!r},\n{options})")
    return "\n".join([*lines, ""])


def built_with(config: str, proposal: Proposal, now: GroupMap, audit: Audit) -> GroupMap:
    """The map of the config with the snippet in it, which is loaded as a user would load it.

    Nothing is written but in a temporary directory.
    """
    if is_lazy(config):
        # At the end of the config: its relative imports are found only where it is, which is not the place to write.
        lines = snippet_for(config, proposal, now)
        return audit(config, lambda loaded: exec(lines, {"optim_wrapper": loaded.optim_wrapper}))
    base = None if SEPARATOR in config else str(find_config(config).absolute())
    with tempfile.TemporaryDirectory(prefix="lrdecay-") as folder:
        trial = Path(folder, "suggested.py")
        trial.write_text(snippet_for(config, proposal, now, base=base), encoding="utf-8")
        return audit(str(trial), None)


def _dict(head: str, values: Mapping[str, Any]) -> str:
    """``head`` and ``dict(key=value, ...)`` on one line; on several, one level further in, where that is too long."""
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
