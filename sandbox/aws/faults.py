"""Failures on demand, and the record of the calls that were made: what a test asks of the sandbox.

It may touch nothing outside this process's memory.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from sandbox.aws.protocol import Call

KINDS = ("error", "hang", "drop")
REMEMBERED_CALLS = 20_000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`times` calls of an operation fail, after `skip` that pass; an empty service or operation stands for any."""

    service: str = ""
    operation: str = ""
    kind: str = "error"
    error: str = "InternalFailure"
    message: str = "The sandbox was told to fail this call."
    status: int = 400
    seconds: float = 60.0
    times: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}: {self.kind!r}")
        if self.times < 1:
            raise ValueError(f"times must be at least 1: {self.times}")
        if self.skip < 0:
            raise ValueError(f"skip must be at least 0: {self.skip}")

    def matches_call(self, call: Call) -> bool:
        """Whether this fault is meant for a call."""
        return self.service in ("", call.service) and self.operation in ("", call.operation)


class Faults:
    """The faults that wait for their calls, first come first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[tuple[Fault, int]] = []
        self._released = threading.Event()

    def add(self, fault: Fault) -> None:
        """Let the next calls fail."""
        with self._lock:
            self._pending.append((fault, fault.skip + fault.times))

    def take(self, call: Call) -> Fault | None:
        """The fault that this call meets, used up once; None also for a call that one lets pass."""
        with self._lock:
            for position, (fault, remaining) in enumerate(self._pending):
                if not fault.matches_call(call):
                    continue
                self._pending[position : position + 1] = [(fault, remaining - 1)] if remaining > 1 else []
                if remaining <= fault.times:
                    return fault
        return None

    def clear(self) -> None:
        """Forget all faults, and let go of the calls that hang."""
        with self._lock:
            self._pending.clear()
            self._released.set()
            self._released = threading.Event()

    def hold(self, seconds: float) -> None:
        """Hold a call up for a time, or until the faults are cleared."""
        self._released.wait(seconds)


class Calls:
    """The AWS calls that arrived, oldest first, without their parameters."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=REMEMBERED_CALLS)

    def add(self, call: Call) -> None:
        """Remember a call."""
        self._calls.append(call)

    def clear(self) -> None:
        """Forget them all."""
        self._calls.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Each call's service, operation, region and access key id, and whether it was a dry run (KMS has those)."""
        return [
            {
                "service": call.service,
                "operation": call.operation,
                "region": call.region,
                "accessKeyId": call.access_key_id,
                "dryRun": call.parameters.get("DryRun") is True,
            }
            for call in tuple(self._calls)
        ]
