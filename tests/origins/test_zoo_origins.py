"""Origins of the options of zoo configs, compared with mmengine's own merge of literals that record their place.

A sample by default, every config with ``--whole-zoo``.
"""

from __future__ import annotations

import pytest
from mmengine.config import Config

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.origins import config_origins
from tests.openmmlab.zoo import zoo_configs
from tests.origins.tagged import differences

STEP = 60
# Scripts in the folders of configs; only their functions are unknown.
SCRIPTS = "odinw/override_category.py"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "zoo_config" in metafunc.fixturenames:
        everything = list(zoo_configs())
        chosen = everything if metafunc.config.getoption("--whole-zoo") else everything[::STEP]
        metafunc.parametrize("zoo_config", chosen)


def test_each_option_is_at_its_reported_place(zoo_config: str) -> None:
    file = str(find_config(zoo_config))
    try:
        Config.fromfile(file, import_custom_modules=False)
    except (FileNotFoundError, KeyError, RuntimeError):
        # Some bases are missing, in the lazy style or without values that their children change.
        assert refused(file)
        return
    wrong, unknown = differences(file)
    assert not wrong
    assert unknown == (["parse_args", "main"] if zoo_config.endswith(SCRIPTS) else [])


def refused(config: str) -> bool:
    try:
        return bool(config_origins(config).raised)
    except LrdecayError:
        return True
