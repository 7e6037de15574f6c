"""Chromium as a person has it, watched by the tests."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PATIENCE = 120
"""Seconds in which a page or a server must be there."""
DESKTOP, PHONE = (1400, 1000), (390, 844)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Browser:
    """Chromium with a profile of its own, watched: all that it asks for, all that it complains of.

    Args:
        profile: An empty folder.
    """

    def __init__(self, profile: Path) -> None:
        options = Options()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
        self.resize(*DESKTOP)

    def resize(self, width: int, height: int) -> None:
        """Show pages as on a screen of that size; a narrow one is a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def run(self, script: str, *arguments: object) -> Any:
        """Return the value of a script's `return`."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Return what a condition returns as soon as that is true; pages change while one looks."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.2, ignored_exceptions=[WebDriverException])
        return wait.until(lambda _: condition(), f"not seen: {what}")

    def find(self, xpath: str) -> WebElement:
        """Return an element as soon as it is shown."""
        return self.until(lambda: self._shown(xpath), xpath)

    def click(self, xpath: str) -> None:
        """Click on an element as soon as that is possible."""

        def click() -> bool:
            element = self._shown(xpath)
            if element:
                element.click()
            return bool(element)

        self.until(click, xpath)

    def _shown(self, xpath: str) -> WebElement | None:
        elements = self.driver.find_elements(By.XPATH, xpath)
        return next((element for element in elements if element.is_displayed()), None)

    def texts(self, xpath: str) -> list[str]:
        """Return the texts of all such elements."""
        return [element.text for element in self.driver.find_elements(By.XPATH, xpath)]

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.until(lambda: text in self.driver.find_element(By.TAG_NAME, "body").text, text)

    def hosts(self) -> set[str]:
        """Return the hosts that were asked for anything since the last look."""
        messages = [json.loads(entry["message"]) for entry in self.driver.get_log("performance")]
        events = [message["message"] for message in messages]
        urls = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ] + [
            event["params"]["url"]
            for event in events
            if event["method"] == "Network.webSocketCreated"
        ]
        assert not all(url.startswith("chrome") for url in urls), "no page was watched"
        return {urlparse(url).netloc for url in urls if re.match(r"(https?|wss?):", url)}

    def errors(self) -> list[str]:
        """Return the errors in the console since the last look."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
