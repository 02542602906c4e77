"""Tables: what fits stays in one line, what does not hangs under its column, and identifiers break at their joints."""

from __future__ import annotations

import io

import pytest

from wizard.terminal.terminal import Terminal
from wizard.terminal.text import cells, folded

ROLE = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REVIEW = (
    ("administrators", ROLE, "the profile admin"),
    ("Region", "us-east-1", "AWS_REGION"),
    ("key", KEY, "the answers file examples/vercel.yaml"),
    ("audit trail", "a trail and a bucket of its own, its logs kept for seven years", "default"),
)


def drawn(rows: tuple[tuple[str, ...], ...], width: int, **options: object) -> list[str]:
    out = io.StringIO()
    Terminal(interactive=False, out=out, width=width, colour=False).table(rows, **options)  # type: ignore[arg-type]
    return out.getvalue().splitlines()


def test_a_review_in_eighty_columns() -> None:
    assert drawn(REVIEW, 80) == [
        "administrators  arn:aws:iam::111122223333:role/        the profile admin",
        "                aws-reserved/sso.amazonaws.com/",
        "                AWSReservedSSO_Admin_0123456789abcdef",
        "Region          us-east-1                              AWS_REGION",
        "key             arn:aws:kms:us-east-1:111122223333:    the answers file",
        "                key/                                   examples/vercel.yaml",
        "                1234abcd-12ab-34cd-56ef-1234567890ab",
        "audit trail     a trail and a bucket of its own, its   default",
        "                logs kept for seven years",
    ]


def test_what_fits_is_not_touched() -> None:
    assert drawn((("key", KEY),), 80) == [f"key  {KEY}"]
    assert drawn((("a", "b  c"), ("d",)), 80) == ["a  b  c", "d"]


def test_an_identifier_stays_whole_while_other_words_can_give_way() -> None:
    lines = drawn((("what is encrypted and by whom", KEY, ""),), 100)
    assert KEY in lines[0] and len(lines) > 1


@pytest.mark.parametrize("width", [20, 33, 48, 60, 79, 80, 100, 120])
def test_every_width_is_kept_and_nothing_is_lost(width: int) -> None:
    lines = drawn(REVIEW, width)
    assert max(map(len, lines)) <= width
    letters = sorted("".join(cell for row in REVIEW for cell in row).replace(" ", ""))
    assert sorted("".join(lines).replace(" ", "")) == letters


def test_lines_within_a_cell_stay_lines() -> None:
    assert drawn((("a", "b\nc", "d"),), 80) == ["a  b  d", "   c"]


def test_wide_letters_take_two_columns() -> None:
    assert drawn((("鍵", "a"), ("key", "b")), 80) == ["鍵   a", "key  b"]
    assert cells("鍵") == 2 and cells("e\u0301") == 1


def test_a_source_is_dim_and_a_heading_bold() -> None:
    out = io.StringIO()
    terminal = Terminal(interactive=False, out=out, width=80, colour=True)
    terminal.table((("Region", "us-east-1", "AWS_REGION"),))
    terminal.table((("a", "b", "c"),), headings=("x", "y", "z"))
    review, headings, row = out.getvalue().splitlines()
    assert review == "Region  us-east-1  \x1b[2mAWS_REGION\x1b[0m"
    assert headings.count("\x1b[1m") == 3 and "\x1b" not in row


def test_a_word_breaks_at_its_best_joint_that_helps() -> None:
    assert folded("s3://bucket/folder", 14) == ["s3://bucket/", "folder"]
    assert folded("AWSReservedSSO_Administrator", 18) == ["AWSReservedSSO_", "Administrator"]
    assert folded("0123456789abcdef", 10) == ["0123456789", "abcdef"]
    assert folded("of 0123456789", 10) == ["of", "0123456789"]
