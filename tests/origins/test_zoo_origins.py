"""Origins of the options of zoo configs, against mmengine's own merge of literals that know their place.

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
# They change a test_pipeline that their bases do not have.
RAISING = ("swinv2-base-w12_8xb128_in21k-192px.py", "swinv2-large-w12_8xb128_in21k-192px.py")
# Their bases import a package outside of the lazy style, and mmengine refuses them.
REFUSED = "replknet"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "zoo_config" in metafunc.fixturenames:
        everything = list(zoo_configs())
        chosen = everything if metafunc.config.getoption("--whole-zoo") else everything[::STEP]
        metafunc.parametrize("zoo_config", chosen)


def test_each_option_stands_where_it_is_said_to(zoo_config: str) -> None:
    if REFUSED in zoo_config:
        with pytest.raises(RuntimeError, match="must match"):
            Config.fromfile(find_config(zoo_config))
        with pytest.raises(LrdecayError, match="is in the lazy style"):
            config_origins(zoo_config)
        return
    if zoo_config.endswith(RAISING):
        with pytest.raises(KeyError, match="test_pipeline"):
            Config.fromfile(find_config(zoo_config))
        assert [error for _, error in config_origins(zoo_config).raised] == ["KeyError: 'test_pipeline'"] * 2
        return
    wrong, unknown = differences(str(find_config(zoo_config)))
    assert not wrong
    assert not unknown
