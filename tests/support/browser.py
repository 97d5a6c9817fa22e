"""A real browser without a window, Debian's chromium; what it sees is kept as a picture."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from infra.lab.paths import ROOT

PICTURES = ROOT / "artefacts/pages"
WITHIN_S = 90  # three servers' pages on two cores that run a whole lab beside the browser
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--window-size=1400,900"),
)
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=120")


def _program(name: str) -> str:
    """A program of Debian's packages chromium and chromium-driver; a machine for tests gets them."""
    if shutil.which(name) is None:
        for words in (["update", "-q"], ["install", "-qy", "--no-install-recommends", "chromium", "chromium-driver"]):
            done = subprocess.run([*APT, *words], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.fail(f"{name} is missing and apt-get {words[0]} could not bring it: {done.stderr[-500:]}")
    found = shutil.which(name)
    assert found, f"the package that has {name} came without it"
    return found


class Page:
    """One page and what a person does on it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        """`driver` is an open browser."""
        self._driver = driver

    def open(self, url: str) -> None:
        """Go to an address."""
        self._driver.get(url)

    def see(self, selector: str, text: str = "") -> WebElement:
        """Wait until something that the selector finds is shown and has `text` in it."""

        def shown(driver: webdriver.Chrome) -> list[WebElement]:
            found = driver.find_elements(By.CSS_SELECTOR, selector)
            return [element for element in found if element.is_displayed() and text in element.text]

        what = f"{selector}{f' with «{text}»' if text else ''} is not shown at {self._driver.current_url}"
        waiting = WebDriverWait(self._driver, WITHIN_S, ignored_exceptions=[StaleElementReferenceException])
        try:
            first: WebElement = waiting.until(shown, what)[0]
        except TimeoutException:
            self.keep("not-shown")  # what was there instead
            raise
        return first

    def click(self, selector: str, text: str = "") -> None:
        """Click on it as soon as it is shown."""
        self._driver.execute_script("arguments[0].click()", self.see(selector, text))

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        field = self.see(selector)
        field.clear()
        field.send_keys(text)

    def chord(self, selector: str, held: str, key: str) -> None:
        """Click on something with the mouse and press a key there while another is held."""
        ActionChains(self._driver).click(self.see(selector)).key_down(held).send_keys(key).key_up(held).perform()

    def keep(self, name: str) -> Path:
        """Keep a picture of what is shown."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        file = PICTURES / f"{name}.png"
        assert self._driver.save_screenshot(str(file)), file
        return file


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with a profile of its own in `folder` while the body runs."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium")
    for word in (*QUIET, f"--user-data-dir={folder}"):
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(_program("chromedriver")))
    try:
        yield Page(driver)
    finally:
        driver.quit()
