"""The progress of a run: the mark of a line and the state of a resource. Frozen facts.

Pure. Loads nothing heavy, for the terminal draws its first question from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """The result that a line reports; shown as a sign, never by colour alone."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"
    RUN = "run"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One resource as the engine plans or changes it."""

    urn: str
    op: str
    """The engine's word: `create`, `update`, `replace`, `delete`, `same`, …"""
    type: str
    name: str
    changed: tuple[str, ...] = ()
    """Names of the properties that differ."""
    physical_name: str = ""
    """The name it has in the account, where its inputs give one."""


class StepState(StrEnum):
    """The state of a resource during `up`."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One line of a running `up` or `preview`."""

    step: Step
    state: StepState
    message: str = ""


OnProgress = Callable[[Progress], None]
