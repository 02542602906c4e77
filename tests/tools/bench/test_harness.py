"""The benchmarks' own machinery, and what is committed of their results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import tools.bench.__main__ as command
from tools.bench import results
from tools.bench.fields.rounds import Rounds, Side, compare
from tools.bench.fields.texts import LEAST, MOST, texts
from tools.bench.rows import FOR_SCALE, PASS, SHORT, Bound, Measured, Part, compared, line

PROJECT = Path(__file__).parents[3]
COMMITTED = results.stored_parts(PROJECT)
FLOOR = Bound(at_least=0.97)
PROMISED = {
    "encrypt / the same library calls, written out by hand": Bound(at_most=1.10),
    "encrypt, times as fast as Fernet": Bound(at_least=3.5),
    "encrypt, times as fast as the same calls in a function of one's own": FLOOR,
    "encrypt, times as fast as aws-encryption-sdk with its caching manager": Bound(at_least=35),
    "encrypt_many, times as fast as encrypt in a loop": Bound(at_least=1.25),
    "decrypt with its canonical check / AESGCM.decrypt over ready parts": Bound(at_most=2.2),
    "PhiFields.encrypt with a key at hand / PhiCipher.encrypt": Bound(at_most=1.05),
    "encrypt_bytes of a document of 100 kB, times as fast as the same calls in a function of one's own": FLOOR,
    "decrypt_bytes of a document of 100 kB, times as fast as the same calls in a function of one's own": FLOOR,
    "encrypt_stream of 16 MiB, times as fast as a loop of the same calls, chunk by chunk": FLOOR,
    "an exact lookup in 1,000,000 patients / by a plain indexed column": Bound(at_most=1.2),
    "a search of words in 1,000,000 patients, p95, of those allowed": Bound(at_most=1),
    "rows that 2,000 searches miss or find too much, against the plain column": Bound(at_most=0),
    "`phi index`, filling and proving 100,000 rows, times as fast as a careful script: server-side cursor, executemany"
    ", hmac.digest": Bound(at_least=3),
}
SHORT_HERE = {
    "moving and proving 100,000 rows, times as fast as a careful script with psycopg: server-side cursor, executemany",
    "onboarding / bare `pulumi up`, as guarded, and its pushes",
    "status: seconds, of those allowed",
    "verify: seconds, of those allowed",
}
"""On the machine of the committed results; docs/decisions/0026 says why. A row that becomes short is not overlooked."""

ROW = Measured(
    name="one / another", unit="s", ours=1.0, theirs=1.0, ratio=1.0, control=1.0, bound=Bound(at_most=1.1), label="x"
)


def part(*rows: Measured) -> Part:
    return Part(name="phi", date="2026-01-31", machine={"processor": "Abacus"}, rows=rows)


@pytest.mark.parametrize(
    ("bound", "ratio", "verdict"),
    [
        (Bound(at_most=1.1), 1.1, PASS),
        (Bound(at_most=1.1), 1.1001, SHORT),
        (Bound(at_least=40), 40.0, PASS),
        (Bound(at_least=40), 39.99, SHORT),
        (Bound(at_most=0), 0.0, PASS),
        (Bound(at_most=0), 1.0, SHORT),
        (Bound(), 1000.0, FOR_SCALE),
    ],
)
def test_a_row_is_judged_by_its_unrounded_ratio(bound: Bound, ratio: float, verdict: str):
    row = replace(ROW, bound=bound, ratio=ratio)
    assert row.verdict == verdict
    assert verdict in line(row)
    assert (row.bound.used(row.ratio) > 1) == (verdict == SHORT)


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (1.2, 1)])
def test_the_command_says_which_row_is_short_and_exits_with_1(
    ratio: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    def rows(rounds: int) -> Iterator[Measured]:
        yield replace(ROW, ratio=ratio)

    monkeypatch.setattr(command, "PARTS", {"phi": [rows]})
    monkeypatch.setattr(command, "LIBRARIES", {"phi": dict})
    monkeypatch.setattr(results, "PLACE", tmp_path)
    assert command.main(["phi"]) == code
    assert ("SHORT: one / another" in capsys.readouterr().out) == bool(code)
    assert results.stored_parts(tmp_path)["phi"].rows == (replace(ROW, ratio=ratio),)


def test_a_part_that_is_not_there_is_no_part(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        command.main(["phone"])
    assert ended.value.code == 2
    assert "there is no part phone" in capsys.readouterr().err


def test_a_part_that_was_not_measured_stays_as_it_was(tmp_path: Path):
    results.write({"phi": part(ROW)}, tmp_path)
    results.write({"commands": replace(part(ROW), name="commands")}, tmp_path)
    assert results.stored_parts(tmp_path)["phi"] == part(ROW)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    row = compared("x", ours=[1, 2, 300], theirs=[1, 1, 100], control=[2, 1, 100], bound=Bound(at_most=1), unit="s")
    assert (row.ratio, row.control) == (2, 1)
    faster = compared("x", ours=[1, 1], theirs=[4, 4], control=[4, 4], bound=Bound(), unit="s", rates=True)
    assert faster.ratio == 4


def test_both_sides_and_the_control_take_turns_over_the_same_texts():
    given: list[tuple[str, tuple[str, ...]]] = []

    def side(name: str) -> Side:
        return Side(run=lambda some: given.append((name, tuple(some))))

    compare("x", side("ours"), side("theirs"), bound=Bound(), rounds=Rounds(count=6, texts=3))
    assert len(given) == 3 * (6 + 2)
    rounds = [given[at : at + 3] for at in range(0, len(given), 3)]
    assert all(len({some for _, some in one}) == 1 for one in rounds)
    assert len({one[0][1] for one in rounds}) == len(rounds)
    assert {[name for name, _ in one].index("ours") for one in rounds} == {0, 1, 2}


def test_texts_are_of_the_length_of_a_field_in_several_scripts_and_never_alike():
    some = texts(500)
    lengths = {len(text.encode()) for text in some}
    assert (min(lengths), max(lengths)) >= (LEAST, 0)
    assert max(lengths) <= MOST
    assert len(lengths) > 100
    assert len(set(some)) == len(some)
    assert 0 < sum(text.isascii() for text in some) < len(some)


def test_the_page_and_the_chart_are_drawn_from_the_committed_results():
    for path, text in results.files(COMMITTED).items():
        assert (PROJECT / path).read_text(encoding="utf-8") == text, f"{path}: make bench writes it"


def test_the_committed_results_are_judged_by_the_promised_bounds_and_say_what_is_short():
    rows = {row.name: row for part in COMMITTED.values() for row in part.rows}
    assert {name: rows[name].bound for name in PROMISED} == PROMISED
    assert {row.name for row in rows.values() if not row.holds} == SHORT_HERE
    assert all(part.machine["processor"] and part.machine["cores"] for part in COMMITTED.values())


def test_the_chart_is_a_drawing_that_marks_what_is_short():
    held, short = (results.files({"phi": part(replace(ROW, ratio=ratio))}) for ratio in (1.0, 1.2))
    for files, marked in ((held, False), (short, True)):
        drawing = files["docs/reference/benchmarks/chart.svg"]
        assert ElementTree.fromstring(drawing).tag.endswith("svg")
        assert ('class="short"' in drawing) == marked == ("SHORT" in files["docs/reference/benchmarks.md"])
        assert json.loads(files["docs/reference/benchmarks/results.json"])["phi"]["machine"] == {"processor": "Abacus"}
