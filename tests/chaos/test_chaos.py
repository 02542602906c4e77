"""A small part of `make chaos`: the product comes through, and the same histories find out a program without its laws.

Starts and ends the processes of one stage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.__main__ import FOUND_OUT, KINDS, failure, harmless
from tests.chaos.histories import Stage
from tests.chaos.judge import Verdict
from tests.chaos.world import empty_world

pytestmark = pytest.mark.thorough

PRODUCT = (
    "crashes:push/http0/during",
    "crashes:rotate-data-key/http1/during/http0/before",
    "crashes:backup/file0/before",
    "plugins:setup/http20/during/http30/during",
    "faults:push/16",
    "races:rotate-data-key+rotate-data-key/two-folders/0",
    "hostile:names/1",
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    # A socket's path is short, and pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder, empty_world(Path(folder)) as empty:
        yield Stage(root=Path(folder), empty=empty)


def judged(stage: Stage, history: str) -> Verdict:
    kind, _, name = history.partition(":")
    return KINDS[kind](stage, name)


@pytest.mark.parametrize("history", PRODUCT)
def test_nothing_is_lost_doubled_or_told_in_a_history(stage: Stage, history: str) -> None:
    verdict = judged(stage, history)
    assert not verdict.failed, "\n".join((*failure(verdict), *verdict.outputs))


def test_the_same_histories_find_out_a_program_without_the_laws_in_every_column(stage: Stage) -> None:
    double = replace(stage, is_baseline=True)
    assert harmless({"all": [judged(double, history) for history in FOUND_OUT]}) == []
