"""One attempt to unwrap: who is asked, what each answered, and what there is to tell of it.

Touches the key sources, in the thread that flies it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from phi.cipher import DATA_KEY_BYTES
from phi.errors import UnwrapError, WrongLength
from phi.events import CURRENT, KeyDropped, KeyEvent, KeyUnwrapped, UnwrapFailed, which
from phi.leases import Held, Lease, Terms


class KeySource(Protocol):
    """Anything that can hand over the plaintext data key."""

    def data_key(self) -> bytes:
        """The 32 bytes of the data key; raises an UnwrapError, transient or terminal, when it cannot be had."""
        ...


class Flight:
    """One attempt under way; once landed, what it brought: something held, a failure, or neither (broken off)."""

    def __init__(self, *, asked: float, former: Held | None, ahead: bool) -> None:
        self.asked = asked
        self.former = former
        self.ahead = ahead
        self.events: list[KeyEvent] = []
        self.landed = threading.Event()
        self.held: Held | None = None
        self.failure: UnwrapError | None = None

    def answers(
        self, sources: Sequence[KeySource], terms: Terms, clock: Callable[[], float]
    ) -> list[Lease | UnwrapError]:
        """Ask the sources in their order; without the current key, the first, nothing is to be read or written."""
        found: list[Lease | UnwrapError] = []
        for number, source in enumerate(sources):
            began = clock()
            answer = _answer(source, terms, self.asked)
            seconds = clock() - began
            found.append(answer)
            if isinstance(answer, Lease):
                self.events.append(KeyUnwrapped(which=which(number), seconds=seconds, ahead=self.ahead))
                continue
            self.events.append(_failed(which(number), answer, seconds, ahead=self.ahead))
            if number == 0:
                break
        return found

    def not_begun(self, failure: UnwrapError) -> list[Lease | UnwrapError]:
        """What it brings when it cannot set out."""
        self.events.append(_failed(CURRENT, failure, 0, ahead=self.ahead))
        return [failure]


def dropped(former: Held | None, cause: str) -> list[KeyEvent]:
    """What there is to tell when what was held, if anything, serves no longer."""
    return [] if former is None else [KeyDropped(which=CURRENT, cause=cause)]


def missed(former: Held | None, held: Held | None) -> list[KeyEvent]:
    """The reading keys that were held formerly and are not now, while the current one is."""
    if former is None or held is None:
        return []
    return [
        KeyDropped(which=which(number + 1), cause=one.failure.cause)
        for number, one in enumerate(held.reading)
        if one.failure and not one.lease and former.reading[number].lease
    ]


def in_an_event_loop() -> bool:
    """Whether this thread runs an asyncio event loop now."""
    asyncio = sys.modules.get("asyncio")  # without which there is none, and which takes long to load
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


def _failed(named: str, failure: UnwrapError, seconds: float, *, ahead: bool) -> UnwrapFailed:
    return UnwrapFailed(which=named, cause=failure.cause, transient=failure.transient, seconds=seconds, ahead=ahead)


def _answer(source: KeySource, terms: Terms, asked: float) -> Lease | UnwrapError:
    try:
        key = source.data_key()
    except UnwrapError as error:
        return error
    if isinstance(key, bytes) and len(key) == DATA_KEY_BYTES:
        return terms.lease(key, asked)
    return WrongLength(f"The source gave something else than the {DATA_KEY_BYTES} bytes of a data key.")
