"""What was meant by the name of an optimizer wrapper constructor that is not registered where it is looked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from lrdecay_cli.constructors.facts import LRDECAY_LAYER_DECAY, MMDET_LAYER_DECAY, MMPRETRAIN_LAYER_DECAY
from lrdecay_cli.text.spelling import nearest

REGISTRIES = ("optimizer wrapper constructor", "optimizer constructor")
"""What mmengine calls this registry, and what MMDetection calls its own."""

# They are registered when their package is imported: nobody who writes the wrong one has done that.
_PACKAGES = {MMDET_LAYER_DECAY: "mmdet", MMPRETRAIN_LAYER_DECAY: "mmpretrain"}
_IMPORT_OURS = "custom_imports = dict(imports=['lrdecay_cli.training'])"


def meant_constructor(name: str, scope: str, registered: Mapping[str, str]) -> str:
    """What to do about a constructor's name that is unknown; empty if it is like none.

    Args:
        name: as the config gives it, with a package in front or without.
        scope: the package in which it was looked for.
        registered: scope by name of those that are registered anywhere.
    """
    bare = name.rpartition(".")[2]
    packages = {**registered, **_PACKAGES}
    own = next((one for one, package in _PACKAGES.items() if package == scope), None)
    if bare in packages and packages[bare] != scope and bare != LRDECAY_LAYER_DECAY:
        return _of_another(bare, packages[bare], scope, own)
    # What is mmengine's is found from everywhere.
    here = [one for one, package in packages.items() if package in (scope, "mmengine")]
    like = nearest(bare, here, likeness=0.8) or nearest(bare, packages, likeness=0.6)
    if like is None:
        return ""
    if like == LRDECAY_LAYER_DECAY:
        return f"did you mean {LRDECAY_LAYER_DECAY}, with {_IMPORT_OURS}?"
    return f"did you mean {like if like in here else f'{packages[like]}.{like}'}?"


def _of_another(bare: str, package: str, scope: str, own: str | None) -> str:
    if importlib.util.find_spec(package) is None:
        whose, there = f"it is {package}'s, which is not installed", ""
    else:
        whose, there = f"it is {package}'s", f"{package}.{bare}"
    if own and there:
        return f"{whose}: did you mean {own}, which is {scope}'s, or {there}?"
    if own:
        return f"{whose}: did you mean {own}, which is {scope}'s?"
    return f"{whose}: write {there}" if there else whose
