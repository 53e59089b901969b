"""Every config of the zoo gives a map or a one-line error with a status, without network; formulas explain all numbers.

A sample runs by default, every config with ``pytest --whole-zoo`` (minutes). After an intended change of a status,
``pytest tests/openmmlab/test_zoo.py --whole-zoo --update-golden`` writes the whole table again.
"""

from __future__ import annotations

import re

import pytest
from msgspec.structs import astuple

from lrdecay_cli.openmmlab.config_file import find_config
from tests.golden import Golden
from tests.openmmlab.network import network_refused
from tests.openmmlab.plain import plain_config, plain_model
from tests.openmmlab.zoo import STATUSES, outcome_of, sample, statuses, zoo_configs
from tests.recomputing import assert_explained, assert_recomputes

CLASSES = r"ok|no-model|no-optim-wrapper|needs \S+|broken upstream"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "config" in metafunc.fixturenames:
        sampled = [row.config for row in sample(statuses())]
        metafunc.parametrize("config", STATUSES.keys if metafunc.config.getoption("--whole-zoo") else sampled)


def test_status_is_the_golden_one_all_is_explained_and_nothing_asks_the_network(config: str, golden: Golden) -> None:
    with network_refused() as attempts:
        status, group_map = outcome_of(config)
    golden.check_rows(STATUSES, config, [astuple(status)])
    assert attempts == []
    if group_map is not None:
        assert_recomputes(group_map)
        assert_explained(group_map)
    if status.status == "broken upstream":
        assert fails_plainly(config)


def fails_plainly(config: str) -> bool:
    try:
        plain_model(plain_config(str(find_config(config))))
    except Exception:
        return True
    return False


def test_table_has_every_config_in_one_class() -> None:
    rows = statuses()
    assert [row.config for row in rows] == list(zoo_configs())
    assert [row for row in rows if not re.fullmatch(CLASSES, row.status)] == []
    assert [row for row in rows if (row.status == "ok") != bool(row.groups)] == []
