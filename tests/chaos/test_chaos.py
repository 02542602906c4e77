"""One minute of `make chaos`: the product comes through, and the same histories find out a program without its laws.

Starts and ends the processes of one stage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import hostile
from tests.chaos.__main__ import FOUND_OUT, KINDS, failure, harmless
from tests.chaos.histories import DISKS, PHASES, PLACES, WAYS, Stage
from tests.chaos.judge import Verdict
from tests.chaos.server import AWS_FAULTS, VERCEL_FAULTS
from tests.chaos.world import empty_world

PRODUCT = (
    *(f"crashes:push/http0/{phase}" for phase in PHASES),
    *(f"crashes:backup/file0/{phase}" for phase in PHASES[::2]),
    "crashes:rotate-data-key/http1/during/http0/before",
    "faults:push/16",
    *(f"faults:push/1/{kind}" for kind in sorted({*VERCEL_FAULTS, *AWS_FAULTS} - {"stale", "skew"})),
    *(f"faults:rotate-data-key/1/{kind}" for kind in ("stale", "skew")),
    *(f"faults:backup/1/{kind}" for kind in DISKS),
    *(f"races:rotate-data-key+rotate-data-key/{place}/0" for place in PLACES),
    *(
        f"slow:{way}/{command}/1"
        for way, command in zip(WAYS, ("push", "rotate-data-key", "backup", "push"), strict=True)
    ),
    "machine:1001",
    *(f"hostile:{place}/1" for place in hostile.PLACES),
)
"""One minute: each kind of history, of fault, of race and of hostile input."""
ONCE_MORE = (
    "plugins:setup/http20/during",
    "plugins:setup/http20/during/http30/during",
    "faults:push-redeploy/2/time-out",
    "slow:slow-body/doctor/2",
    "slow:pages/access-key-rotate/3",
    *(f"crashes:rotate-hash-key/http{effect}/during" for effect in (1, 2, 3)),
    "crashes:ecs-push-check-values/http0/after",
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    # A socket's path is short, and pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder, empty_world(Path(folder)) as empty:
        yield Stage(root=Path(folder), empty=empty)


def judged(stage: Stage, history: str) -> Verdict:
    kind, _, name = history.partition(":")
    return KINDS[kind](stage, name)


@pytest.mark.thorough
@pytest.mark.parametrize("history", [*PRODUCT, *ONCE_MORE])
def test_nothing_is_lost_doubled_or_told_in_a_history(stage: Stage, history: str) -> None:
    verdict = judged(stage, history)
    print(history, verdict.outputs[-1])
    assert not verdict.failed, "\n".join((*failure(verdict), *verdict.outputs))


def test_the_minute_meets_every_kind_of_history_and_of_fault() -> None:
    kinds = {name.partition(":")[0] for name in PRODUCT}
    faults = {name.split("/")[2] for name in PRODUCT if name.startswith("faults:") and name.count("/") == 2}
    # Whole set-ups take longer than the minute.
    assert kinds == KINDS.keys() - {"durations", "plugins"} and faults == {*AWS_FAULTS, *VERCEL_FAULTS, *DISKS}


@pytest.mark.thorough
def test_the_same_histories_find_out_a_program_without_the_laws_in_every_column(stage: Stage) -> None:
    double = replace(stage, is_baseline=True)
    assert harmless({"all": [judged(double, history) for history in FOUND_OUT]}) == []
