"""The recording in the documentation: its picture says what its text says, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.onboarding.deployment import PROJECT

NAMES = pytest.mark.parametrize("name", ["recording", "night"])


def drawn(svg: str) -> str:
    """The text of an SVG, without the spaces that only place it."""
    return "".join("".join(ElementTree.fromstring(svg).itertext()).split())


def file(name: str, ending: str) -> str:
    """The text of a recording, or of its picture."""
    return (PROJECT / "docs" / f"{name}.{ending}").read_text()


@NAMES
def test_the_picture_shows_what_the_text_says(name: str) -> None:
    picture = drawn(file(name, "svg"))
    missing = [line for line in file(name, "txt").splitlines() if "".join(line.split()) not in picture]
    assert not missing


@NAMES
def test_the_picture_asks_nobody_for_anything(name: str) -> None:
    svg = file(name, "svg")
    # What a run printed may name one in its text.
    addresses = set(re.findall(r"[\"'(](https?://[^\"')]+)", svg))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name space alone is no request"
    assert not re.search(r"@import|@font-face|<image|<script|xlink|url\((?!#)", svg)


def test_a_key_a_variable_and_a_state_that_were_broken_are_well_by_what_the_doctor_printed() -> None:
    night = file("night", "txt")
    assert all(f"({cause})" in night for cause in ("stack-state-damaged", "key-disabled", "variable-changed"))
    assert night.splitlines()[-1].startswith("✓ healthy")


@NAMES
def test_the_recording_tells_nothing_of_the_machine_it_was_made_on(name: str) -> None:
    for text in (file(name, "txt"), file(name, "svg")):
        assert str(PROJECT) not in text and str(Path.home()) not in text
        assert "/tmp" not in text and "127.0.0.1" not in text and "localhost" not in text
