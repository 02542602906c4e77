"""`python -m tests.chaos`: histories that break the product, and one table of what they came to.

    --seed N            another choice of histories (default 1)
    --long              all histories, for about an hour
    --baseline          the product without its laws: the same histories have to find something
    --only KIND,...     crashes, faults, races, machine, hostile
    --history KIND:NAME one history alone, with what its runs printed
    --write             write the tables to docs/reliability.md

Starts and ends the processes of the sandbox and the engine; writes to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos import histories, hostile, machine
from tests.chaos.commands import COMMANDS
from tests.chaos.histories import Stage
from tests.chaos.judge import COLUMNS, Verdict
from tests.chaos.world import empty_world

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT, BEGIN, END = PROJECT / "docs" / "reliability.md", "<!-- chaos -->", "<!-- /chaos -->"
SECTIONS = ("**The product**", "**The product without its laws**")
HEADINGS = ("histories", "converged", "duplicated", "overwritten", "leaked", 'wrong "ok"')
TITLES = {
    "crashes": "crashes, and crashes of the repair",
    "faults": "faults of AWS, Vercel and the disk",
    "races": "two commands at once",
    "machine": "random sequences of commands",
    "hostile": "hostile input",
}
KINDS: Mapping[str, Callable[[Stage, str], Verdict]] = {
    "crashes": histories.crash,
    "faults": histories.fault,
    "races": histories.race,
    "machine": machine.sequences,
    "hostile": hostile.hostile,
}
CHANGING = [name for name, command in COMMANDS.items() if command.changes]
QUICK = [name for name in CHANGING if not COMMANDS[name].runs_engine]
ENGINE = [name for name in CHANGING if COMMANDS[name].runs_engine]


def chosen(stage: Stage, kinds: Sequence[str], seed: int, *, size: float, long: bool) -> dict[str, list[str]]:
    """The names of the histories, by kind."""
    chance, names = random.Random(seed), {}
    if "crashes" in kinds:
        engine = ENGINE if long or size >= 1 else []
        names["crashes"] = histories.crashes(stage, QUICK, None if long else chance, round(120 * size))
        names["crashes"] += histories.crashes(stage, engine, None if long else chance, round(8 * size))
    if "faults" in kinds:
        count = 5000 if long else round(1000 * size)
        names["faults"] = [f"/{seed * 100_000 + number}" for number in range(count)]
    if "races" in kinds:
        quick = [name for name in [*QUICK, "verify", "doctor"] if name not in ("report", "review")]
        names["races"] = histories.races(quick, None if long else chance, round(50 * size))
        if long or size >= 1:
            names["races"] += histories.races(["setup"], None if long else chance, 3)
    if "machine" in kinds:
        names["machine"] = [str(seed * 1000 + number) for number in range(200 if long else round(10 * size) or 1)]
    if "hostile" in kinds:
        names["hostile"] = hostile.names(2000 if long else round(120 * size), seed)
    return names


def run(
    root: Path, *, seed: int, kinds: Sequence[str], size: float, long: bool, baseline: bool, workers: int = 2
) -> dict[str, list[Verdict]]:
    """Every history of a choice, judged."""
    with empty_world(root) as empty:
        stage = Stage(root=root, empty=empty, is_baseline=baseline)
        names = chosen(stage, kinds, seed, size=size, long=long)
        found: dict[str, list[Verdict]] = {kind: [] for kind in names}
        with ThreadPoolExecutor(workers) as pool:
            todo = [(kind, pool.submit(KINDS[kind], stage, name)) for kind, each in names.items() for name in each]
            for number, (kind, future) in enumerate(todo):
                found[kind].append(verdict := future.result())
                for line in failure(verdict, baseline=baseline):
                    print(line, flush=True)
                progress(number + 1, len(todo), sum(each.failed for those in found.values() for each in those))
        return found


def progress(done: int, of: int, failed: int) -> None:
    """How far it is, on a terminal."""
    if sys.stderr.isatty():
        print(
            f"\r{done} of {of} histories, {failed} failed", end="" if done < of else "\n", file=sys.stderr, flush=True
        )


def table(found: Mapping[str, Sequence[Verdict]]) -> list[tuple[str, ...]]:
    """The rows, with a last one for all."""
    rows = []
    for title, verdicts in (
        *((TITLES[kind], each) for kind, each in found.items()),
        ("all", [verdict for each in found.values() for verdict in each]),
    ):
        bad = [sum(bool(getattr(verdict, column)) for verdict in verdicts) for column in COLUMNS]
        good = sum(not verdict.not_converged for verdict in verdicts)
        rows.append((title, *(str(number) for number in (len(verdicts), good, *bad))))
    return rows


def printed(rows: Sequence[tuple[str, ...]]) -> str:
    """The table for a terminal."""
    width = max(len(row[0]) for row in rows)
    lines = [" " * width + "".join(f"  {name:>11}" for name in HEADINGS)]
    return "\n".join(lines + [row[0].ljust(width) + "".join(f"  {cell:>11}" for cell in row[1:]) for row in rows])


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """The table for the document."""
    lines = [("", *HEADINGS), ("---", *("---:" for _ in HEADINGS)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def failure(verdict: Verdict, *, baseline: bool) -> Iterator[str]:
    """What is wrong with a history, and the line that repeats it; nothing for one that converged."""
    if not verdict.failed:
        return
    yield f"✗ {verdict.history}"
    for column in ("not_converged", *COLUMNS):
        for why in dict.fromkeys(getattr(verdict, column)):
            yield f"    {column.replace('_', ' ')}: {why}"
    more = " --baseline" if baseline else ""
    yield f"    make chaos ARGS='--history {verdict.history}{more}'"


def one(root: Path, history: str, *, baseline: bool) -> Verdict:
    """One history alone."""
    kind, _, name = history.partition(":")
    with empty_world(root) as empty:
        return KINDS[kind](Stage(root=root, empty=empty, is_baseline=baseline), name)


def written(found: Mapping[str, Sequence[Verdict]], *, baseline: bool) -> None:
    """Put the table in its place in the document; the other one, of the product or of the baseline, stays."""
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    former, _, tail = rest.partition(END)
    parts = dict.fromkeys(SECTIONS, "")
    for title in SECTIONS:
        parts[title] = former.partition(f"{title}\n")[2].partition("\n\n**")[0].strip()
    parts[SECTIONS[baseline]] = markdown(table(found))
    tables = "\n\n".join(f"{title}\n\n{part}" for title, part in parts.items() if part)
    DOCUMENT.write_text(f"{head}{BEGIN}\n{tables}\n{END}{tail}", encoding="utf-8")


def main() -> int:
    """The exit code: 1 where a history of the product failed, or where the baseline was found to do no harm."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--size", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--history")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if sys.platform != "linux":
        print("make chaos needs Linux: its processes are forked, and ended by what /proc says about them")
        return 0
    # A socket's path is short.
    root, began = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp")), time.monotonic()
    try:
        if options.history:
            verdict = one(root, options.history, baseline=options.baseline)
            print("\n".join(verdict.outputs))
            print("\n".join(failure(verdict, baseline=options.baseline)) or "✓ converged")
            return int(verdict.failed)
        found = run(
            root,
            seed=options.seed,
            kinds=options.only.split(","),
            size=options.size,
            long=options.long,
            baseline=options.baseline,
        )
    finally:
        if os.environ.get("CHAOS_KEEP"):
            print(f"kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
    print(printed(table(found)))
    print(f"{time.monotonic() - began:.0f} s, seed {options.seed}")
    if options.write:
        written(found, baseline=options.baseline)
    return int(any(verdict.failed for each in found.values() for verdict in each))


if __name__ == "__main__":
    sys.exit(main())
