"""Build configs only of the packages that ``--family`` names."""

from __future__ import annotations

import pytest

BUILDS = "test_sample_is_found_again"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--family").split(",")
    dropped = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.originalname == BUILDS
        and item.callspec.params["package"] not in wanted
    ]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
