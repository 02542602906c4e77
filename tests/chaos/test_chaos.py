"""A small part of `make chaos`: the product comes through, and the same histories find what a program without laws does.

Starts and ends the processes of two stages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.__main__ import KINDS, failure
from tests.chaos.histories import Stage
from tests.chaos.judge import COLUMNS, Verdict
from tests.chaos.world import empty_world

HISTORIES = {
    "duplicated": "races:rotate-data-key+rotate-data-key/two-folders/0",
    "overwritten": "races:setup+setup/two-folders/0",
    "leaked": "faults:push/3",
    "wrong": "faults:push/3",
}
"""By the column in which a program without laws is found out."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    # A socket's path is short, and pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder, empty_world(Path(folder)) as empty:
        yield Stage(root=Path(folder), empty=empty)


def _verdict(stage: Stage, history: str) -> Verdict:
    kind, _, name = history.partition(":")
    return KINDS[kind](stage, name)
