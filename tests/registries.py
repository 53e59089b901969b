"""Reset mmengine's registries, which keep the classes of a config after the config is done."""

from __future__ import annotations

import sys


def forget(module: str) -> None:
    """Let another config register classes with the same names, from a module with the same name."""
    import mmengine.registry

    sys.modules.pop(module, None)
    registries = [each for each in vars(mmengine.registry).values() if isinstance(each, mmengine.registry.Registry)]
    while registries:
        registry = registries.pop()
        registries += registry.children.values()
        for name in [name for name, kind in registry.module_dict.items() if kind.__module__ == module]:
            del registry._module_dict[name]
