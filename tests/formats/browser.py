"""A real headless Chromium, which reports console messages and network requests of a page."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

INSTALL = "apt-get install chromium chromium-driver"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
)


def programs() -> tuple[str, str]:
    """Chromium and its driver. Without them the test is skipped; on a CI machine it fails."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    reason = f"no chromium with chromedriver on this machine: {INSTALL}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Browser:
    """One window. ``profile`` is an empty folder for it."""

    def __init__(self, profile: Path) -> None:
        browser, driver = programs()
        options = Options()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_script_timeout(120)
        self.command = self.driver.execute_cdp_cmd
        self.width = 0

    def open(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Open a file in a window of ``width`` pixels and clear earlier messages."""
        # First, so that no page is drawn again for another window size.
        self.driver.get("about:blank")
        self.emulate(dark=dark)
        if width != self.width:
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            self.command("Emulation.setDeviceMetricsOverride", size)
            self.width = width
        self.console()
        self.requests()
        self.driver.get(path.as_uri())

    def emulate(self, *, dark: bool = False, media: str = "") -> None:
        """Set the system's preferences, and ``print`` for paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})

    def console(self) -> list[str]:
        """Return console messages since the last call, with errors and policy violations."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return requested addresses since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        (found,) = self.all(selector)
        return found

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements, visible or not, in one call."""
        found = self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)
        return list(found)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def type(self, selector: str, text: str) -> None:
        """Replace the text of a field by key strokes."""
        field = self.one(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)

    def fill(self, selector: str, text: str) -> None:
        """Replace the text of a field at once, for tests that are not about key strokes."""
        self.run(
            "const field = document.querySelector(arguments[0]);"
            "field.value = arguments[1]; field.dispatchEvent(new Event('input'))",
            selector,
            text,
        )

    def violations(self, part: str = "", **options: Any) -> list[tuple[str, Any]]:
        """Return the findings of axe-core in the page, or in a part of it: rule and element.

        Args:
            part: a selector.
            options: options of axe-core, such as ``runOnly``.
        """
        if not self.run("return 'axe' in window"):
            self.run(Axe().axe_script)
        # The list of passed checks is megabytes long.
        passed, found = self.driver.execute_async_script(
            "const [part, options, done] = arguments;"
            "axe.run(part || document, options).then((found) => done("
            "[found.passes.length, found.violations.map((one) => [one.id, one.nodes[0].target])]),"
            "(error) => done([0, String(error)]))",
            part,
            {"resultTypes": ["violations"], **options},
        )
        assert passed > 0, found
        return [(rule, target) for rule, target in found]

    def press(self, *keys: str) -> None:
        """Send keys to the focused element."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def click(self, selector: str) -> None:
        """Click an element for real, away from elements that stick to the top of the page."""
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.one(selector))
        self.one(selector).click()

    def focus(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).focus()", selector)

    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait for a delayed effect in the browser."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.02)
