"""The progress lines of a run, with a clock that the test moves."""

from __future__ import annotations

import io

import pytest

from eonpro_phi.reencryption.models import RowCounts
from eonpro_phi.reencryption.progress import Progress, duration


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that stands still until a test moves it."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_line_is_printed_every_few_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock=clock)
    progress.begin("re-encrypting", 1000)
    for _ in range(10):
        clock.now += 4
        progress.add(RowCounts(rows=50, written=40))
    assert stream.getvalue().splitlines() == [
        "re-encrypting: 200 of about 1,000 rows read (20 %), 160 written, 12 rows/s, about 1 min 4 s left",
        "re-encrypting: 400 of about 1,000 rows read (40 %), 320 written, 12 rows/s, about 48 s left",
    ]


def test_at_a_terminal_one_line_is_redrawn() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock=clock)
    progress.begin("verifying", None)
    for _ in range(2):
        clock.now += 1
        progress.add(RowCounts(rows=3000))
    progress.say("done")
    assert stream.getvalue() == (
        "\rverifying: 3,000 rows read, 0 written, 3,000 rows/s\x1b[K"
        "\rverifying: 6,000 rows read, 0 written, 3,000 rows/s\x1b[K"
        "\rverifying: 6,000 rows read, 0 written, 3,000 rows/s\x1b[K\ndone\n"
    )


def test_with_more_rows_than_expected_no_estimate_is_shown() -> None:
    clock = Clock()
    progress = Progress(io.StringIO(), clock=clock)
    progress.begin("re-encrypting", 10)
    progress.add(RowCounts(rows=11))
    assert "left" not in progress.line(clock.now + 1) and "%" not in progress.line(clock.now + 1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90000, "1 d 1 h")]
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
