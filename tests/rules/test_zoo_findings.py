"""The rules over MMDetection's zoo: a golden table, of which a sample is found again, or all with ``--whole-zoo``.

Every ``error`` in it was looked at and is a mistake of the config; they are named below.
"""

from __future__ import annotations

import pytest

from lrdecay_cli.openmmlab.audit import audit
from tests.rules.zoo import configs, golden, rows_of, statistics

STEP = 60
# Real mistakes of the zoo, by the end of the config's name.
MISTAKES: dict[str, str] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "config" in metafunc.fixturenames:
        everything = configs()
        chosen = everything if metafunc.config.getoption("--whole-zoo") else everything[::STEP]
        metafunc.parametrize("config", chosen)


def test_findings_are_the_golden_ones(config: str) -> None:
    assert rows_of(audit(config, device="meta")) == [row for row in golden() if row[0] == config]


def test_every_error_of_the_zoo_was_looked_at() -> None:
    errors = {(config, code) for config, code, severity, _ in golden() if severity == "error"}
    assert errors == {(f"mmdet::{config}", code) for config, code in MISTAKES.items()}


def test_the_zoo_is_quiet_where_it_is_right() -> None:
    loud = {config for config, _, severity, _ in golden() if severity != "info"}
    assert len(loud) < len(configs()) / 10, statistics(list(golden()))
