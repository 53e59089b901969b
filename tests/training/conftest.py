"""After each test here, remove the state that a Runner leaves in its process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lrdecay_cli.openmmlab.build_context import fresh_managers


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    with fresh_managers():
        yield
