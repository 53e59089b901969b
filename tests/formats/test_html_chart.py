"""The chart of a page in a real browser: lines to show and hide, values at any step, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from lrdecay_cli.domain.report import Chart, Line, Report, Result
from lrdecay_cli.formats.values import cell_text
from tests.formats.browser import Browser
from tests.formats.html_reading import HOSTILE, Tree, html

STEPS = (0, 10, 500, 999)
SLOW, FAST = (0.0, 1.23456e-5, 1.23456e-5, 2e-6), (0.0, 0.5, 12345.678, 0.0625)
REPORT = Result(
    None,
    Report(
        facts=(),
        tables=(),
        notes=(),
        summary="1,000 iterations",
        chart=Chart(
            "lr", "iteration", 1000, 100, STEPS, (Line(HOSTILE[0], SLOW), Line("fast", FAST)), logarithmic=True
        ),
    ),
)
VALUES = "#chart-lines .value"
DRAWN = "return [...document.querySelectorAll('#chart-frame .curve')].map((line) => line.dataset.line)"


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Browser:
    (tmp_path / "chart.html").write_text(html(REPORT), encoding="ascii")
    browser.open(tmp_path / "chart.html")
    return browser


def test_a_page_without_a_chart_has_no_place_for_one() -> None:
    assert "chart" in Tree(html(REPORT)).attributes("id")
    assert "chart" not in Tree(html(Result(None, Report((), (), (), "")))).attributes("id")


def test_lines_are_switched_on_and_off(page: Browser) -> None:
    assert page.texts("#chart-lines .label") == [HOSTILE[0], "fast"]
    assert page.run(DRAWN) == ["0", "1"]
    page.click("#chart-lines li:nth-child(1) input")
    assert page.run(DRAWN) == ["1"]
    page.focus("#chart-lines li:nth-child(2) input")
    page.press(Keys.SPACE)
    assert page.run(DRAWN) == []
    assert page.one("#chart-readout").text.endswith("no group shown")
    page.click("#chart-all")
    assert page.run(DRAWN) == ["0", "1"]
    page.click("#chart-none")
    assert page.run(DRAWN) == []
    assert page.console() == []


def test_values_are_read_at_any_step(page: Browser) -> None:
    """By keyboard and by mouse, with four digits as everywhere."""
    frame = page.one("#chart-frame")
    for key, index in ((Keys.END, 3), (Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_RIGHT, 2)):
        frame.send_keys(key)
        assert page.texts(VALUES) == [cell_text(line[index], "rate") for line in (SLOW, FAST)]
        assert frame.get_attribute("aria-valuenow") == str(STEPS[index])
    assert frame.get_attribute("aria-valuetext").startswith("epoch 5, iteration 500: lr ")
    ActionChains(page.driver).move_to_element_with_offset(frame, -frame.size["width"] // 2 + 65, 0).perform()
    assert frame.get_attribute("aria-valuenow") in ("0", "10")


def test_a_logarithmic_scale_omits_only_0(page: Browser) -> None:
    paths = "return [...document.querySelectorAll('#chart-frame .curve')].map((line) => line.getAttribute('d'))"
    assert [path.count("M") + path.count("L") for path in page.run(paths)] == [3, 3]
    page.click("#chart-log")
    assert [path.count("M") + path.count("L") for path in page.run(paths)] == [4, 4]
    assert page.texts("#chart-frame text")[-1] == "lr"


def test_lines_differ_in_more_than_colour_and_axe_finds_nothing(page: Browser) -> None:
    dashes = page.run(
        "return [...document.querySelectorAll('#chart-frame .curve')].map((l) => l.getAttribute('stroke-dasharray'))"
    )
    assert dashes == [None, "8 4"]
    assert page.violations() == []
