"""The progress lines of a run, with a clock that the test moves."""

from __future__ import annotations

import io

import pytest

from eonpro_phi.reencryption.models import RowCounts
from eonpro_phi.reencryption.progress import Progress, duration


class Clock:
    """A clock that stands still until a test moves it."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_is_printed_every_few_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock=clock)
    progress.begin("re-encrypting", 1000)
    for _ in range(4):
        clock.now += 4
        progress.add(RowCounts(rows=50, written=40))
    progress.say("done")
    assert stream.getvalue().splitlines() == [
        "re-encrypting: 100 rows read, 80 written, 10 %, about 1 min 12 s left",
        "re-encrypting: 200 rows read, 160 written, 20 %, about 1 min 4 s left",
        "done",
    ]


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
