"""One browser for all tests of pages, because starting it takes longer than opening a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.formats.browser import Browser


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.driver.quit()
