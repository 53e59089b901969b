"""Two projects, each with a config and its own module; both modules are named ``my_plug``."""

from __future__ import annotations

from pathlib import Path

WIDTHS = {"one": 3, "two": 5}
"""Width of the only layer of each project's model; the layer is named after the project."""

PLUG = """
from mmengine.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class Plug(nn.Module):
    def __init__(self):
        super().__init__()
        self.{name} = nn.Linear({width}, 1)
"""
PLUGGED = """
import sys
sys.path.insert(0, {folder!r})
custom_imports = dict(imports=["my_plug"])
model = dict(type="Plug")
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
"""


def two_projects(folder: Path) -> list[Path]:
    """Write both projects into ``folder`` and return their configs: ``one/config.py``, ``two/config.py``."""
    configs = []
    for name, width in WIDTHS.items():
        # Not below the config: a scan of that folder would read the module as a config.
        plugs = folder / "plugs" / name
        plugs.mkdir(parents=True)
        (plugs / "my_plug.py").write_text(PLUG.format(name=name, width=width))
        (folder / name).mkdir()
        configs.append(folder / name / "config.py")
        configs[-1].write_text(PLUGGED.format(folder=str(plugs)))
    return configs
