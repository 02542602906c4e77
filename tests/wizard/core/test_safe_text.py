"""No character that somebody else wrote changes what a terminal, a page or a log shows beside it."""

from __future__ import annotations

import unicodedata

import pytest

from wizard.core import safe_text

ALL = [chr(number) for number in range(0x10000)]


def test_no_control_no_mark_of_direction_and_nothing_without_width_is_left() -> None:
    hidden = [
        character
        for character in ALL
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or (unicodedata.category(character) == "Cf" and not 0x0600 <= ord(character) <= 0x08E2)
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]
    assert len(hidden) > 100
    kept = [character for character in hidden if character in safe_text.lines(f"a{character}b")]
    assert kept == ["\n"]


@pytest.mark.parametrize("text", ["plain", "Zürich – 東京", "emoji 🔑", "a\nb", "שלום", "مرحبا"])
def test_what_can_be_read_stays(text: str) -> None:
    assert safe_text.lines(text) == text


def test_a_tab_becomes_spaces_and_one_line_stays_one() -> None:
    assert safe_text.lines("a\tb") == "a    b"
    assert safe_text.line("a\nb\r\nc\rd") == "a b c d"
    assert safe_text.line("\x1b[31mred") == "?[31mred"
