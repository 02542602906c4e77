"""The stored pictures of the documentation: each says what its text says, and tells nothing of a machine."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.onboarding.deployment import PROJECT

PICTURES = PROJECT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"
STILLS = {
    "question": "Where does the application run?",
    "plan": "Apply this plan?",
    "proof": "Back up the wrapped data key now?",
}
"""Each still with the question that waits in it."""

DRAWINGS = pytest.mark.parametrize("name", ["recording", *STILLS])
MOST_OCTETS = 300_000


def file(name: str, ending: str) -> str:
    """The text of a recording, or of its picture."""
    return (PICTURES / f"{name}.{ending}").read_text(encoding="utf-8")


def drawn(svg: str) -> str:
    """The text of an SVG, without the spaces that only place it."""
    return "".join("".join(ElementTree.fromstring(svg).itertext()).split())


def test_the_film_shows_what_the_text_says_and_is_small_enough_for_a_page() -> None:
    svg = file("recording", "svg")
    picture = drawn(svg)
    assert [line for line in file("recording", "txt").splitlines() if "".join(line.split()) not in picture] == []
    assert len(svg.encode()) < MOST_OCTETS


@DRAWINGS
def test_those_who_do_not_see_a_picture_are_told_what_it_shows(name: str) -> None:
    root = ElementTree.fromstring(file(name, "svg"))
    told = [root.find(f"{SVG}title"), root.find(f"{SVG}desc")]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby", "").split() == [each.get("id") for each in told if each is not None]
    assert all(each is not None and len((each.text or "").split()) > 2 for each in told)


@DRAWINGS
def test_a_picture_asks_nobody_for_anything_and_has_no_script(name: str) -> None:
    svg = file(name, "svg")
    # What a run printed may name one in its text.
    addresses = set(re.findall(r"[\"'(](https?://[^\"')]+)", svg))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name space alone is no request"
    assert not re.search(r"@import|@font-face|<image|<script|xlink|\son\w+=|url\((?!#)", svg)
    assert [use for use in re.findall(r'href="([^"]*)"', svg) if not use.startswith("#r")] == []


@pytest.mark.parametrize(("name", "question"), STILLS.items())
def test_a_still_shows_the_moment_at_which_its_question_waits(name: str, question: str) -> None:
    assert "".join(question.split()) in drawn(file(name, "svg"))


@DRAWINGS
def test_the_pictures_tell_nothing_of_the_machine_they_were_made_on(name: str) -> None:
    for text in (file(name, ending) for ending in ("txt", "svg") if (PICTURES / f"{name}.{ending}").exists()):
        assert str(PROJECT) not in text and str(Path.home()) not in text
        assert "/tmp" not in text and "127.0.0.1" not in text and "localhost" not in text
