"""The pictures in the documentation: a film says what its text says, plays by itself, and needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.onboarding.deployment import PROJECT
from tools.documents.film import CELL_HEIGHT, CELL_WIDTH, MARGIN
from tools.documents.recording import COLUMNS, ROWS, STILLS

PICTURES = PROJECT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"
FILMS = pytest.mark.parametrize("name", ["recording"])
DRAWINGS = pytest.mark.parametrize("name", ["recording", *STILLS])
MOST_OCTETS = 300_000


def file(name: str, ending: str) -> str:
    """The text of a recording, or of its picture."""
    return (PICTURES / f"{name}.{ending}").read_text(encoding="utf-8")


def drawn(svg: str) -> str:
    """The text of an SVG, without the spaces that only place it."""
    return "".join("".join(ElementTree.fromstring(svg).itertext()).split())


@FILMS
def test_the_film_shows_what_the_text_says(name: str) -> None:
    picture = drawn(file(name, "svg"))
    missing = [line for line in file(name, "txt").splitlines() if "".join(line.split()) not in picture]
    assert not missing


@FILMS
def test_every_row_of_a_film_is_shown_in_a_frame_and_every_frame_has_its_time(name: str) -> None:
    root = ElementTree.fromstring(file(name, "svg"))
    rows = {f"#{row.get('id')}" for row in root.findall(f".//{SVG}defs/{SVG}g")}
    frames = root.findall(f".//{SVG}g[@class='film']/{SVG}g")
    assert rows == {use.get("href") for frame in frames for use in frame}
    style = root.findtext(f"{SVG}style") or ""
    stops = re.findall(r"([\d.]+)%\{transform:translateY\(-(\d+)px\)\}", style)
    assert [int(place) for _, place in stops] == [number * ROWS * CELL_HEIGHT for number in range(len(frames))]
    assert [float(share) for share, _ in stops] == sorted(float(share) for share, _ in stops)
    # What stands for those who asked for no motion, and where nothing can move.
    assert f".film{{transform:translateY(-{stops[-1][1]}px);" in style
    assert "@media (prefers-reduced-motion:reduce){.film{animation:none}}" in style


@FILMS
def test_a_film_is_a_terminal_of_100_columns_and_30_rows_and_small_enough_for_a_page(name: str) -> None:
    svg = file(name, "svg")
    inner = ElementTree.fromstring(svg).find(f"{SVG}svg")
    assert inner is not None
    assert (float(inner.get("width", 0)), float(inner.get("height", 0))) == (COLUMNS * CELL_WIDTH, ROWS * CELL_HEIGHT)
    assert len(svg.encode()) < MOST_OCTETS


@DRAWINGS
def test_letters_are_large_enough_where_the_picture_is_800_pixels_wide(name: str) -> None:
    root = ElementTree.fromstring(file(name, "svg"))
    style = root.findtext(f"{SVG}style") or ""
    size, width = re.search(r"font:(\d+)px", style), float(root.get("viewBox", "").split()[2])
    assert size and width == COLUMNS * CELL_WIDTH + 2 * MARGIN
    assert int(size[1]) * 800 / width >= 12


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


@pytest.mark.parametrize(("name", "question"), [(name, question) for name, (question, _) in STILLS.items()])
def test_a_still_shows_the_moment_at_which_its_question_waits(name: str, question: str) -> None:
    assert "".join(question.split()) in drawn(file(name, "svg"))


@DRAWINGS
def test_the_pictures_tell_nothing_of_the_machine_they_were_made_on(name: str) -> None:
    for text in (file(name, ending) for ending in ("txt", "svg") if (PICTURES / f"{name}.{ending}").exists()):
        assert str(PROJECT) not in text and str(Path.home()) not in text
        assert "/tmp" not in text and "127.0.0.1" not in text and "localhost" not in text


# In a browser.
