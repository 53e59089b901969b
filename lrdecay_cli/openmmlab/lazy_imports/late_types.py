"""Execute a deferred module when a registry looks up a type that the module registers.

Without this, the registry would not find the type, or it would find another type with the same name in a parent
registry.
"""

from __future__ import annotations

from mmengine.registry import OPTIMIZERS, Registry

from lrdecay_cli.openmmlab.lazy_imports.stack_imports import DEFERRED_OPTIMIZERS, defers_imports, load_deferred

# By registry name, the same in every package. An audit looks up none of these types.
_AT_ONCE: dict[str, tuple[str, ...]] = {
    "dataset": ("mmdet.datasets",),
    "data sampler": ("mmdet.datasets",),
    "transform": ("mmcv.transforms", "mmdet.datasets"),
    "metric": ("mmdet.evaluation.metrics", "mmpretrain.evaluation.metrics"),
}
_AFTER_A_MISS = {OPTIMIZERS.name: (DEFERRED_OPTIMIZERS,)}


def look_up_late_types() -> None:
    """Patch mmengine's registries so that they find types of deferred modules.

    Does nothing if imports are not deferred: only the console command defers them.

    Source: mmengine 0.10.7. ``Registry.get`` begins with ``import_from_location``, which this function replaces.
    """
    plain = Registry.import_from_location
    if not defers_imports() or plain is _import_from_location:
        return
    global _plain
    _plain = plain
    Registry.import_from_location = _import_from_location


_plain = Registry.import_from_location


def _import_from_location(registry: Registry) -> None:
    _plain(registry)
    for module in _AT_ONCE.get(registry.name, ()):
        load_deferred(module)


def late_modules(kind: str) -> tuple[str, ...]:
    """Return the deferred modules that may register types in the registry named ``kind``."""
    return (*_AT_ONCE.get(kind, ()), *_AFTER_A_MISS.get(kind, ()))
