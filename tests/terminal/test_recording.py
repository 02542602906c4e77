"""The recording in the documentation: its picture says what its text says, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from tests.onboarding.deployment import PROJECT

TEXT = PROJECT / "docs" / "recording.txt"
SVG = PROJECT / "docs" / "recording.svg"


def drawn(svg: str) -> str:
    """The text of an SVG, without the spaces that only place it."""
    return "".join("".join(ElementTree.fromstring(svg).itertext()).split())


def test_the_picture_shows_what_the_text_says() -> None:
    picture = drawn(SVG.read_text())
    missing = [line for line in TEXT.read_text().splitlines() if "".join(line.split()) not in picture]
    assert not missing


def test_the_picture_asks_nobody_for_anything() -> None:
    svg = SVG.read_text()
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", svg))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name space alone is no request"
    assert not re.search(r"@import|@font-face|<image|<script|xlink|url\((?!#)", svg)


def test_the_recording_tells_nothing_of_the_machine_it_was_made_on() -> None:
    for file in (TEXT, SVG):
        text = file.read_text()
        assert str(PROJECT) not in text and str(Path.home()) not in text
        assert "/tmp" not in text and "127.0.0.1" not in text and "localhost" not in text
