"""Debian's Chromium, driven as a person would: it opens a file, looks, prints, and tells what it asked the network for.

Touches the browser that it starts, with a home of its own, and the folder that the pictures go to.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tools.bootstrap.programs import PROGRAMS, command

PROJECT = Path(__file__).resolve().parents[2]

# No name is found, so that a request that the page makes fails and is told; and the browser asks for nothing itself.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
_RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations.map(each => ({
  id: each.id, impact: each.impact, nodes: each.nodes.map(node => node.html.slice(0, 200))}))));
"""


def artefacts() -> Path:
    """Where pictures go: `EONPRO_ARTEFACTS`, or `.artefacts/` of the project."""
    return Path(os.environ.get("EONPRO_ARTEFACTS") or PROJECT / ".artefacts")


class Browser:
    """A browser with one page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, file: Path, *, scheme: str = "light", width: int = 1280, script: bool = True) -> None:
        """A file of this machine, as a person with that screen and that taste sees it."""
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        self.driver.get_log("performance")
        self.driver.get(file.as_uri())

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """One command of the DevTools protocol."""
        found: dict[str, Any] = self.driver.execute_cdp_cmd(name, arguments)
        return found

    def ask(self, script: str) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script)

    def faults(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong for those who read the page by ear, by keyboard or with weak eyes."""
        self.driver.execute_script(_axe())
        found: list[dict[str, Any]] = self.driver.execute_async_script(_RUN_AXE)
        return found

    def requests(self) -> list[str]:
        """Every address that was asked for since the page was opened, the page's own first."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the browser's console has to say: a broken policy, a failing script."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def picture(self, name: str) -> Path:
        """A picture of the whole page."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return _kept(f"{name}.png", taken["data"])

    def printed(self, name: str) -> Path:
        """The page as it is printed, on the paper that its style asks for."""
        made = self.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return _kept(f"{name}.pdf", made["data"])


def _kept(name: str, data: str) -> Path:
    file = artefacts() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(data))
    return file


@cache
def _axe() -> str:
    # It ships axe-core; nothing is downloaded.
    package = find_spec("axe_core_python")
    assert package and package.origin, "axe-core-python is not installed: make setup"
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def _program(name: str) -> str:
    path = PROGRAMS[name].find()
    assert path, f"{name} is not installed: {command((name,))}"
    return str(path)


@contextmanager
def opened_browser(home: Path) -> Iterator[Browser]:
    """A browser whose settings and caches are in `home`, which is empty."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium")
    for flag in (*_FLAGS, f"--user-data-dir={home}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # An explicit driver, so that nothing looks for one elsewhere.
    driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
    try:
        driver.set_script_timeout(60)
        yield Browser(driver)
    finally:
        driver.quit()
