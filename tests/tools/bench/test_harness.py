"""The benchmarks' own machinery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import tools.bench.__main__ as command
from tools.bench.rounds import Rounds, Side, compare
from tools.bench.rows import PASS, SHORT, Bound, Measured, compared, line

ROW = Measured(name="one / another", unit="s", ours=1.0, theirs=1.0, ratio=1.0, control=1.0, bound=Bound(at_most=1.1))


@pytest.mark.parametrize(
    ("bound", "ratio", "verdict"),
    [
        (Bound(at_most=1.1), 1.1, PASS),
        (Bound(at_most=1.1), 1.1001, SHORT),
        (Bound(at_least=40), 40.0, PASS),
        (Bound(at_least=40), 39.99, SHORT),
        (Bound(at_most=0), 0.0, PASS),
        (Bound(at_most=0), 1.0, SHORT),
    ],
)
def test_a_row_is_judged_by_its_unrounded_ratio(bound: Bound, ratio: float, verdict: str):
    row = replace(ROW, bound=bound, ratio=ratio)
    assert row.verdict == verdict
    assert verdict in line(row)


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (1.2, 1)])
def test_the_command_says_which_row_is_short_and_exits_with_1(
    ratio: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def rows(rounds: int) -> Iterator[Measured]:
        yield replace(ROW, ratio=ratio)

    monkeypatch.setattr(command, "PARTS", {"phi": rows})
    assert command.main(["phi"]) == code
    assert ("SHORT: one / another" in capsys.readouterr().out) == bool(code)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    row = compared("x", ours=[1, 2, 300], theirs=[1, 1, 100], control=[2, 1, 100], bound=Bound(at_most=1), unit="s")
    assert (row.ratio, row.control) == (2, 1)
    faster = compared("x", ours=[1, 1], theirs=[4, 4], control=[4, 4], bound=Bound(at_least=1), unit="s", rates=True)
    assert faster.ratio == 4


def test_both_sides_and_the_control_take_turns_over_the_same_texts():
    given: list[tuple[str, tuple[str, ...]]] = []

    def side(name: str) -> Side:
        return Side(run=lambda some: given.append((name, tuple(some))))

    compare("x", side("ours"), side("theirs"), bound=Bound(at_most=1), rounds=Rounds(count=6, texts=3))
    assert len(given) == 3 * (6 + 2)
    rounds = [given[at : at + 3] for at in range(0, len(given), 3)]
    assert all(len({some for _, some in one}) == 1 for one in rounds)
    assert len({one[0][1] for one in rounds}) == len(rounds)
    assert {[name for name, _ in one].index("ours") for one in rounds} == {0, 1, 2}
