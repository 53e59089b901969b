"""One browser for all tests of pages: it takes longer to start than a page to open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.formats.browser import Browser


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.driver.quit()
