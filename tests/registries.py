"""mmengine's registries, which outlive the config that filled them."""

from __future__ import annotations

import sys


def forget(module: str) -> None:
    """Let another config register classes of the same names from a module of the same name."""
    import mmengine.registry

    sys.modules.pop(module, None)
    registries = [each for each in vars(mmengine.registry).values() if isinstance(each, mmengine.registry.Registry)]
    while registries:
        registry = registries.pop()
        registries += registry.children.values()
        for name in [name for name, kind in registry.module_dict.items() if kind.__module__ == module]:
            del registry._module_dict[name]
