"""What a run sent to its terminal becomes the same film in every run. The takes are made up."""

from __future__ import annotations

import pytest

from tools.documents.takes import LINES_A_FRAME, Film, normalised, played

ONE = "b3a1c1f2-0a8f-4f52-9c9e-1d7f0b5a8e01"
OTHER = "0f0f0f0f-1111-4222-8333-444444444444"
PROGRESS = "\r\x1b[K  … "


def run(key: str, digest: str, variable: str, seconds: str, ticks: str) -> list[str]:
    """A take of a run whose ids and times are these."""
    return [
        f"Title\r\n{PROGRESS}asking AWS{ticks}{PROGRESS}Key phi-key{ticks}\r\x1b[K",
        f"? Apply? yes\r\nkey/{key} in {seconds}\r\nsha256:{digest} (id {variable})\r\nagain {key} --id {variable}\r\n",
    ]


def shown(take: list[str]) -> Film:
    return played(take, columns=60, rows=6, typed="$ wizard")


def test_two_runs_of_other_ids_times_and_speeds_are_one_film() -> None:
    first = run(ONE, "14aa70f051c79943", "swXPVEIIQGBvfFD1", "0.1 s", "")
    second = run(OTHER, "0123456789abcdef", "AAAABBBBCCCCDDDD", "2.7 s", f" 1 s ⠹{PROGRESS}asking AWS 2 s ⠸")
    assert normalised(first) == normalised(second)
    assert shown(normalised(first)) == shown(normalised(second))


def test_a_made_up_id_has_the_form_and_the_length_of_the_one_it_stands_for_and_stays_itself() -> None:
    (_, piece) = normalised(run(ONE, "14aa70f051c79943", "swXPVEIIQGBvfFD1", "0.1 s", ""))
    (_, before) = run(ONE, "14aa70f051c79943", "swXPVEIIQGBvfFD1", "0.1 s", "")
    assert len(piece) == len(before) and ONE not in piece and "swXPVEIIQGBvfFD1" not in piece
    lines = piece.split("\r\n")
    assert lines[1].removeprefix("key/").split()[0] == lines[3].split()[1]
    assert lines[2].partition("(id ")[2].rstrip(")") == lines[3].split()[-1]


def test_two_keys_stay_two() -> None:
    (piece,) = normalised([f"{ONE}\r\n{OTHER}\r\n"])
    assert len(set(piece.split())) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("at 2026-11-29T18:01:32+00:00", "at 2026-01-05T09:00:00+00:00"),
        (
            "started at 2026-11-29 19:12:50 UTC, before 2026-11-29 19:13:16 UTC",
            "started at 2026-01-05 09:00:00 UTC, before 2026-01-05 09:01:00 UTC",
        ),
        ("created 3.4 s", "created 0.1 s"),
        ("ready after 7 s", "ready after 2 s"),
        ("rotates every 365 days", "rotates every 365 days"),
        ("us-east-1, 41 to create", "us-east-1, 41 to create"),
    ],
)
def test_dates_and_durations_are_made_up_and_settings_are_not(before: str, after: str) -> None:
    assert normalised([before]) == [after]


def test_a_frame_stands_at_each_key_each_progress_line_and_each_few_lines() -> None:
    film = shown(normalised([f"one\r\n{PROGRESS}asking AWS\r\x1b[Ktwo\r\n? Go?", "\r\n" + "x\r\n" * LINES_A_FRAME * 2]))
    texts = [frame.text.rstrip() for frame in film.frames]
    assert texts[0] == "$ wizard"
    assert texts[1] == "$ wizard\none\n  … asking AWS"
    assert texts[2] == "$ wizard\none\ntwo\n? Go?"
    assert [frame.text for frame in film.waiting] == [film.frames[2].text, film.frames[-1].text]
    assert film.text == "\n".join(["$ wizard", "one", "two", "? Go?", *"x" * LINES_A_FRAME * 2])


def test_no_two_frames_in_a_row_show_the_same() -> None:
    film = shown(["one\r\n\x1b[m", "", ""])
    assert [frame.text.rstrip() for frame in film.frames] == ["$ wizard", "$ wizard\none"]


def test_a_question_that_is_drawn_is_not_shown_half() -> None:
    film = shown(["? Where?\r\r\n  a\r\r\n  b\r\r\n  c\r\r\n  d"])
    assert [frame.text.rstrip() for frame in film.frames] == ["$ wizard", "$ wizard\n? Where?\n  a\n  b\n  c\n  d"]
