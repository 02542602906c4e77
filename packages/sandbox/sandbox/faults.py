"""The faults that a test ordered of an endpoint, and which call each of them is for.

Touches memory only.
"""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Order(Protocol):
    """`times` calls fail, after `skip` that succeed."""

    @property
    def times(self) -> int: ...

    @property
    def skip(self) -> int: ...


Fault = TypeVar("Fault", bound=Order)


class Faults(Generic[Fault]):
    """The ordered faults that have not happened yet, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[tuple[Fault, int]] = []
        self._released = threading.Event()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._pending.append((fault, fault.skip + fault.times))

    def take(self, matches: Callable[[Fault], bool]) -> Fault | None:
        """The fault for this call, which counts as used; None when there is none or the call is to be skipped."""
        with self._lock:
            for position, (fault, remaining) in enumerate(self._pending):
                if not matches(fault):
                    continue
                self._pending[position : position + 1] = [(fault, remaining - 1)] if remaining > 1 else []
                if remaining <= fault.times:
                    return fault
        return None

    def clear(self) -> None:
        """Remove all faults, and release the calls that hang."""
        with self._lock:
            self._pending.clear()
            self._released.set()
            self._released = threading.Event()

    def hold(self, seconds: float) -> None:
        """Wait for a time, or until the faults are cleared."""
        self._released.wait(seconds)
