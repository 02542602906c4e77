"""`python -m tests.chaos`: histories that break the product, and one table of what they came to.

    --seed N            another choice of histories (default: the day, as 20300131); it is printed
    --long              all histories, for an hour
    --minutes N         what has not begun by then is left out (default 8.9; 60 with --long)
    --only KIND,...     crashes, plugins, durations (--long), faults, races, slow, machine, hostile
    --history KIND:NAME one history alone, with what its runs printed; with --baseline by the product without its laws
    --write             write the tables to docs/reliability.md

A second, small table is that of the product without its laws (`baseline`): were it clean, the first would prove little.
Starts and ends the processes of the sandbox and the engine; writes to a temporary folder.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos import histories, hostile, machine
from tests.chaos.commands import COMMANDS
from tests.chaos.histories import Stage
from tests.chaos.judge import COLUMNS, Verdict
from tests.chaos.world import empty_world

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT = PROJECT / "docs" / "reliability.md"
SECTIONS = ("The product", "The product without its laws, in a few of the same histories")
WORKERS = 3
"""One more than the cores of a small machine: a history waits for time-outs, and for others."""
FOUND_OUT = ("races:rotate-data-key+rotate-data-key/two-folders/0", "faults:push/15", "faults:push/21")
"""Histories in which a program without laws always does harm: they keep the harness itself honest."""
ALWAYS = (
    "plugins:setup/http20/during",
    "plugins:setup/http20/during/http30/during",
    "faults:push-redeploy/2/time-out",
    "slow:slow-body/doctor/2",
    "slow:pages/access-key-rotate/3",
    *(f"crashes:rotate-hash-key/http{effect}/during" for effect in (1, 2, 3)),
    "crashes:ecs-push-check-values/http0/after",
)
"""Histories that once found a fault of the product: each seed has them, and they begin first."""
HEADINGS = ("histories", "converged", "duplicated", "overwritten", "leaked", 'wrong "ok"')
TITLES = {
    "crashes": "crashes, and crashes of the repair",
    "plugins": "the AWS plug-in alone killed, twice too",
    "durations": "the same, with AWS's real durations",
    "faults": "faults of AWS, Vercel and the disk",
    "races": "two commands at once",
    "slow": "answers that trickle in, and listings without an end",
    "machine": "random sequences of commands",
    "hostile": "hostile input",
}
KINDS: Mapping[str, Callable[[Stage, str], Verdict]] = {
    "crashes": histories.crash,
    "plugins": histories.plugin,
    "durations": histories.at_full_length,
    "faults": histories.fault,
    "races": histories.race,
    "slow": histories.slow,
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
        names["crashes"] += histories.crashes(stage, engine, None if long else chance, round(6 * size))
    if "plugins" in kinds and (long or size >= 1):
        names["plugins"] = histories.plugins(stage, chance, 60 if long else 8)
    if "durations" in kinds and long:
        names["durations"] = histories.plugins(stage, chance, 6)
    if "faults" in kinds:
        count = 5000 if long else round(1000 * size)
        names["faults"] = [f"/{seed * 100_000 + number}" for number in range(count)]
    if "races" in kinds:
        quick = [name for name in [*QUICK, "verify", "doctor"] if name not in ("report", "review")]
        names["races"] = histories.races(quick, None if long else chance, round(50 * size))
        if long or size >= 1:
            names["races"] += histories.races(["setup"], None if long else chance, 3)
    if "slow" in kinds:
        names["slow"] = histories.slows([*QUICK, "verify", "doctor", "status"], seed, 600 if long else round(60 * size))
    if "machine" in kinds:
        names["machine"] = [str(seed * 1000 + number) for number in range(200 if long else round(8 * size) or 1)]
    if "hostile" in kinds:
        names["hostile"] = hostile.names(2000 if long else round(120 * size), seed)
    for kind, _, name in (history.partition(":") for history in ALWAYS if long or size >= 1):
        if kind in names and name not in names[kind]:
            names[kind].append(name)
    return names


def prepare(stage: Stage, names: Sequence[str]) -> None:
    """Make the worlds of these commands, and list their side effects, several at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        # The last of the table begin in worlds of their own, which take longest.
        list(pool.map(stage.side_effects, (COMMANDS[name] for name in reversed(names))))


def run(stage: Stage, names: Mapping[str, Sequence[str]], *, seed: int, until: float) -> dict[str, list[Verdict]]:
    """Every history, judged, in an order of the seed's; those that the time is too short for are left out."""
    found: dict[str, list[Verdict]] = {kind: [] for kind in names}
    order = [(kind, name) for kind, each in names.items() for name in each]
    random.Random(seed).shuffle(order)
    order.sort(key=lambda each: ":".join(each) not in ALWAYS)

    def judged(kind: str, name: str) -> Verdict | None:
        return KINDS[kind](stage, name) if time.monotonic() < until else None

    with ExitStack() as stack:
        # Interrupted, it waits for the histories that have begun, and for no others.
        pool = ThreadPoolExecutor(WORKERS)
        stack.callback(pool.shutdown, cancel_futures=True)
        todo = [(kind, pool.submit(judged, kind, name)) for kind, name in order]
        for number, (kind, future) in enumerate(todo):
            if (verdict := future.result()) is None:
                continue
            verdict.outputs.clear()
            found[kind].append(verdict)
            if not stage.is_baseline:
                print("".join(f"{line}\n" for line in failure(verdict)), end="", flush=True)
            progress(number + 1, len(todo))
    if left_out := len(order) - sum(len(each) for each in found.values()):
        print(f"{left_out} of {len(order)} histories were left out: the time was over (--minutes)")
    return found


def progress(done: int, of: int) -> None:
    """How far it is, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{done} of {of} histories", end="" if done < of else "\n", file=sys.stderr, flush=True)


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


def printed(rows: Sequence[tuple[str, ...]], headings: Sequence[str] = HEADINGS) -> str:
    """The table for a terminal."""
    width = max(len(row[0]) for row in rows)
    lines = [" " * width + "".join(f"  {name:>11}" for name in headings)]
    return "\n".join(lines + [row[0].ljust(width) + "".join(f"  {cell:>11}" for cell in row[1:]) for row in rows])


def markdown(rows: Sequence[tuple[str, ...]], headings: Sequence[str] = HEADINGS) -> str:
    """The table for the document."""
    lines = [("", *headings), ("---", *("---:" for _ in headings)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def failure(verdict: Verdict) -> Iterator[str]:
    """What is wrong with a history, and the line that repeats it; nothing for one that converged."""
    if not verdict.failed:
        return
    yield f"✗ {verdict.history}"
    for column in ("not_converged", *COLUMNS):
        for why in dict.fromkeys(getattr(verdict, column)):
            yield f"    {column.replace('_', ' ')}: {why}"
    yield f"    make chaos ARGS='--history {verdict.history}'"


def one(root: Path, history: str, *, baseline: bool) -> Verdict:
    """One history alone."""
    kind, _, name = history.partition(":")
    with empty_world(root) as empty:
        return KINDS[kind](Stage(root=root, empty=empty, is_baseline=baseline), name)


def written(name: str, text: str) -> None:
    """Put a text in its place in the document."""
    document = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = document.partition(f"<!-- {name} -->")
    _, _, tail = rest.partition(f"<!-- /{name} -->")
    DOCUMENT.write_text(f"{head}<!-- {name} -->\n{text}\n<!-- /{name} -->{tail}", encoding="utf-8")


def harmless(found: Mapping[str, Sequence[Verdict]]) -> list[str]:
    """The columns in which nothing was found."""
    verdicts = [verdict for each in found.values() for verdict in each]
    return [column for column in COLUMNS if not any(getattr(verdict, column) for verdict in verdicts)]


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=int(f"{datetime.now(UTC):%Y%m%d}"))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--size", type=float, default=1.0)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--history")
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main() -> int:
    """The exit code: 1 where a history of the product failed, or where its double without laws was not found out."""
    options = parsed()
    if sys.platform != "linux":
        print("make chaos needs Linux: its processes are forked, and ended by what /proc says about them")
        return 0
    # A socket's path is short.
    root, began = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp")), time.monotonic()
    try:
        if options.history:
            verdict = one(root, options.history, baseline=options.baseline)
            print("\n".join((*verdict.outputs, *failure(verdict))))
            return int(verdict.failed)
        print(f"seed {options.seed}", flush=True)
        until = began + 60 * (options.minutes or (60 if options.long else 8.9))
        kinds = options.only.split(",")
        with empty_world(root) as empty:
            stage = Stage(root=root, empty=empty)
            if {"crashes", "plugins", "races"} & {*kinds}:
                prepare(stage, CHANGING if options.long or options.size >= 1 else QUICK)
            names = chosen(stage, kinds, options.seed, size=options.size, long=options.long)
            found = run(stage, names, seed=options.seed, until=until)
            few = chosen(stage, kinds, options.seed, size=0.05, long=False)
            for history in FOUND_OUT:
                kind, _, name = history.partition(":")
                few.setdefault(kind, []).append(name)
            other = run(replace(stage, is_baseline=True), few, seed=options.seed, until=time.monotonic() + 60)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    rows = dict(zip(SECTIONS, (table(found), table(other)), strict=True))
    print("\n\n".join(f"{title}\n{printed(each)}" for title, each in rows.items()))
    print(f"{time.monotonic() - began:.0f} s")
    if options.write:
        written("chaos", "\n\n".join(f"{title}:\n\n{markdown(each)}" for title, each in rows.items()))
    if not_found := harmless(other):
        print(f"✗ the histories find nothing in a product without laws: {', '.join(not_found)}")
    return int(bool(not_found) or any(verdict.failed for each in found.values() for verdict in each))


if __name__ == "__main__":
    sys.exit(main())
