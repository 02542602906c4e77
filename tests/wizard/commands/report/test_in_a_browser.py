"""The report in a real browser: accessible, alone on the network, printed in one piece, the same without a script.

Pictures go to `.artefacts/report/`, or where `EONPRO_ARTEFACTS` says.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from tests.browsing.browser import Browser
from tests.browsing.paper import filled, page_count
from tests.selection import always, first
from tests.wizard.commands.report.samples import FILES, STATES
from wizard.commands.report.document import document
from wizard.commands.report.render import page

pytestmark = pytest.mark.needs("chromium", "chromedriver")

FULL = "in full"
EMPTY, STRANGE, YEARS = "nothing could be read", "strange names", "rotated for years"


BOTH = ("light", "dark")
EVERY_STATE = [(name, BOTH[number % 2]) for number, name in enumerate(STATES)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path, FULL)


def written(folder: Path, name: str) -> Path:
    file = folder / "report.html"
    file.write_text(page(document(STATES[name], files=FILES)), encoding="utf-8")
    return file


@pytest.mark.parametrize(("name", "scheme"), always([(FULL, "dark")], [(FULL, "light"), *EVERY_STATE]))
def test_axe_finds_nothing_wrong(name: str, scheme: str, browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, name), scheme=scheme)
    assert browser.faults() == []


def test_axe_finds_faults_in_a_broken_page(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text(
        '<title>a</title><p style="color: #eee; background: #fff">pale', encoding="utf-8"
    )
    browser.open(tmp_path / "broken.html")
    assert {"html-has-lang", "color-contrast", "landmark-one-main"} <= {each["id"] for each in browser.faults()}


def test_the_page_makes_no_request_and_logs_no_error(browser: Browser, file: Path) -> None:
    browser.open(file)
    assert browser.requests() == [file.as_uri()]
    assert browser.ask("return performance.getEntriesByType('resource').map(each => each.name)") == []
    assert browser.complaints() == []


@pytest.mark.parametrize(
    ("width", "scheme"), first(2, [(1280, "light"), (320, "light"), (390, "light"), (1280, "dark")])
)
def test_no_screen_scrolls_sideways(width: int, scheme: str, browser: Browser, file: Path) -> None:
    browser.open(file, width=width, scheme=scheme)
    browser.picture(f"report/{scheme}-{width}")
    assert browser.ask("return document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("name", first(1, (FULL, "two hundred principals")))
def test_it_prints_on_a4_without_anything_over_the_edge(name: str, browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, name))
    printed = browser.printed(f"report/{name.replace(' ', '-')}").read_bytes()
    sizes = set(re.findall(rb"/MediaBox \[([^\]]*)\]", _plain(printed)))
    assert [[round(float(each)) for each in size.split()] for size in sizes] == [[0, 0, 595, 842]]
    # On paper of that width, nothing is wider than it.
    browser.command("Emulation.setEmulatedMedia", media="print")
    width = round((210 - 2 * 13) / 25.4 * 96)
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    wide = browser.ask(
        "return [...document.querySelectorAll('body *')].filter(each => !each.closest('.skip, .signs, .slider')"
        " && each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 120))"
    )
    browser.command("Emulation.setEmulatedMedia", media="")
    assert wide == []


@pytest.mark.parametrize("name", first(1, (FULL, "three platforms", YEARS)))
def test_on_paper_no_page_is_half_empty_and_no_arn_is_broken(name: str, browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, name))
    printed = browser.printed(f"report/{name.replace(' ', '-')}").read_bytes()
    pages = filled(printed)
    assert 1 < page_count(printed) <= 12
    assert [round(part, 2) for part in pages[:-1] if part < 0.6] == []
    browser.command("Emulation.setEmulatedMedia", media="print")
    size = {"width": round((210 - 2 * 13) / 25.4 * 96), "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    broken = browser.ask(
        "return [...document.querySelectorAll('.arn')].filter(each => each.getClientRects().length != 1"
        " || each.getBoundingClientRect().right > innerWidth + 1).map(each => each.textContent)"
    )
    browser.command("Emulation.setEmulatedMedia", media="")
    assert broken == []


def _plain(pdf: bytes) -> bytes:
    """The PDF with what is packed in it unpacked, as far as it can be."""
    parts = [pdf]
    for packed in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompress(packed))
        except zlib.error:
            continue
    return b"\n".join(parts)


def test_with_the_keyboard_the_first_stop_is_the_skip_link(browser: Browser, file: Path) -> None:
    browser.open(file)
    for kind in ("rawKeyDown", "keyUp"):
        browser.command("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.ask("return document.activeElement.className") == "skip"
    assert browser.ask("return document.activeElement.getBoundingClientRect().left") >= 0
    assert browser.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
