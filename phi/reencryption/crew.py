"""The crew: the parent's side of the workers. It starts them, hands out where to read on, and sees that they live.

Touches processes, pipes and signals. It holds one key at a time of those that are still to be handed out, so that its
memory does not grow with the table.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Any, Self

from phi.reencryption.facts import Done
from phi.reencryption.refusals import Interrupted, ReencryptionError, WorkerLost
from phi.reencryption.worker import DONE, FROM, READ, STOP, Orders, work

_LOOK_SECONDS = 0.25
"""How long a signal may go unnoticed."""
_PATIENCE_SECONDS = 60.0
"""How long a worker that was told to stop may take over its batch before it is ended; the database rolls back."""


@dataclass(kw_only=True)
class _Range:
    """A batch that was handed out; it covers what comes after the range before it, up to `until`."""

    until: str | None = None
    known: bool = False
    """Whether `until` was told."""
    done: bool = False


@dataclass(kw_only=True)
class _Hand:
    """A worker, as the parent sees it."""

    process: BaseProcess
    pipe: Connection
    range: _Range | None = None
    gone: bool = False


class Crew:
    """Workers that go over the table together, as often as they are sent; a context manager, which ends them."""

    def __init__(self, orders: Orders, *, processes: int) -> None:
        self._orders = orders
        self._count = processes
        self._hands: list[_Hand] = []
        self._failure: ReencryptionError | None = None
        self._signal: int | None = None
        self._told_to_stop = self._at_once = False

    def __enter__(self) -> Self:
        # By fork, so that the keys reach the workers through memory alone: no pipe, no argument, no file.
        context = multiprocessing.get_context("fork")
        self._former = {each: signal.signal(each, self._on_signal) for each in (signal.SIGINT, signal.SIGTERM)}
        pipes = [context.Pipe() for _ in range(self._count)]
        for ours, theirs in pipes:
            others = [end for pair in pipes for end in pair if end is not theirs]
            process = context.Process(target=work, args=(self._orders, theirs, others), daemon=True)
            process.start()
            self._hands.append(_Hand(process=process, pipe=ours))
        for _, theirs in pipes:
            theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        limit = time.monotonic() + _PATIENCE_SECONDS
        for hand in self._hands:
            hand.process.join(max(0.0, limit - time.monotonic()))
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            hand.pipe.close()
        for each, handler in self._former.items():
            signal.signal(each, handler)

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers' process ids."""
        return tuple(hand.process.pid or 0 for hand in self._hands)

    def sweep(self, after: str | None, told: Callable[[Done, str | None], None]) -> Done:
        """Once over all rows after a key, None for all. `told` hears of each batch: its counts, and the key up to which
        nothing is under way any more.

        Raises what a worker failed with, WorkerLost or Interrupted, once the others have ended their batches.
        """
        total = Done()
        ranges: deque[_Range] = deque()
        token, in_hand, settled = after, True, after
        while True:
            if self._signal or self._failure:
                self._stop()
                in_hand = False
            for hand in self._hands:
                if in_hand and hand.range is None and not hand.gone:
                    hand.range = _Range()
                    ranges.append(hand.range)
                    self._send(hand, (FROM, token))
                    in_hand = False
            busy = [hand for hand in self._hands if hand.range is not None]
            if not busy:
                break
            for hand in self._heard(busy):
                word, said = self._received(hand)
                assert hand.range is not None
                if word == READ:
                    hand.range.until, hand.range.known = said, True
                    token, in_hand = said, said is not None
                elif word == DONE:
                    hand.range.done, hand.range = True, None
                    total += said
                    while ranges and ranges[0].done:
                        settled = ranges.popleft().until
                    told(said, settled)
                else:
                    hand.range = None
                    self._failure = self._failure or said
        if self._failure:
            raise self._failure
        if self._signal:
            name = signal.Signals(self._signal).name
            raise Interrupted(
                f"{name}: ended at once; the database rolls back the batches that were under way"
                if self._at_once
                else f"{name}: ended in order, every batch whole",
                "Run the same command again: it goes on from there.",
                exit_code=128 + self._signal,
            )
        return total

    def _heard(self, busy: list[_Hand]) -> list[_Hand]:
        of = {hand.pipe: hand for hand in busy}
        return [of[pipe] for pipe in wait(list(of), _LOOK_SECONDS) if isinstance(pipe, Connection)]

    def _received(self, hand: _Hand) -> tuple[str, Any]:
        try:
            word, said = hand.pipe.recv()
        except (EOFError, OSError):
            # Its end of the pipe closes with the process, however that ended.
            hand.gone = True
            hand.process.join(_LOOK_SECONDS)
            return "gone", None if self._told_to_stop else self._lost(hand)
        return word, said

    def _lost(self, hand: _Hand) -> WorkerLost:
        code = hand.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return WorkerLost(
            f"a worker ended in the middle of its batch ({how}); the database rolled that batch back, the other "
            "workers have ended theirs",
            "Run the same command again: it goes on from there.",
        )

    def _send(self, hand: _Hand, message: tuple[str, object]) -> None:
        # Where it is gone, receiving from it tells so.
        with suppress(OSError):
            hand.pipe.send(message)

    def _stop(self) -> None:
        if not self._told_to_stop:
            self._told_to_stop = True
            for hand in self._hands:
                self._send(hand, (STOP, None))

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._signal:
            # Asked twice: at once. The batches that are under way are rolled back.
            self._told_to_stop = self._at_once = True
            for hand in self._hands:
                hand.process.kill()
        self._signal = number
