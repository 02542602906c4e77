"""The worker pool: starts the worker processes, distributes the batches, and notices when a worker dies.

Touches processes, pipes and signals. Of the table it holds the last key of each batch, some 100 bytes, and where
workers prove by versions some 1 kB: memory for a batch, not for a row.
"""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Any, Self

from eonpro_phi.reencryption.errors import Interrupted, ReencryptionError, WorkerDied
from eonpro_phi.reencryption.models import BatchEnd, BatchProof, RowCounts
from eonpro_phi.reencryption.worker import FINISHED, LAST_KEY, NOT_BEFORE, START, STOP, WorkerConfig, run_worker

_POLL_SECONDS = 0.25
"""Longest time until a signal is noticed."""
_STOP_SECONDS = 60.0
"""Time of a worker for its batch after STOP, before it is killed; the database then rolls the batch back."""


@dataclass(kw_only=True)
class _Batch:
    """A batch in progress: the rows after the batch before it, up to `until`."""

    until: str | None = None
    proof: BatchProof | None = None
    finished: bool = False


@dataclass(kw_only=True)
class _WorkerHandle:
    """A worker, as the parent sees it."""

    process: BaseProcess
    pipe: Connection
    batch: _Batch | None = None
    died: bool = False


class _Pass:
    """Where a pass stands: its batches, in the order of the keys."""

    def __init__(self, before: Sequence[BatchEnd]) -> None:
        self.total = RowCounts()
        self.ends: list[BatchEnd] = []
        self._batches: deque[_Batch] = deque()
        # The next batch starts after this key, which is known once the batch before it was read.
        self._start: str | None = None
        self._start_known = True
        self._before = deque(before)
        self._end = self._before.popleft() if before else NOT_BEFORE
        """Where the next batch ends at the latest."""

    def next_batch(self) -> tuple[_Batch, tuple[object, ...]] | None:
        """A batch and the message that starts it; None where its first key is not known yet."""
        if not self._start_known:
            return None
        self._start_known = False
        batch = _Batch()
        self._batches.append(batch)
        return batch, (START, self._start, self._end)

    def on_read(self, batch: _Batch, until: str | None) -> None:
        """A batch was read up to its last key, None for the last batch: the next one can begin."""
        batch.until = self._start = until
        self._start_known = until is not None
        if until != self._end.until:
            self._end = BatchEnd(until=self._end.until)
        elif self._before:
            self._end = self._before.popleft()

    def on_finished(self, batch: _Batch, counts: RowCounts) -> None:
        """A batch is finished."""
        batch.finished, batch.proof = True, counts.proof
        self.total += counts
        while self._batches and self._batches[0].finished:
            first = self._batches.popleft()
            self.ends.append(BatchEnd(until=first.until, proof=first.proof))

    def end(self) -> None:
        """Begin no batch any more."""
        self._start_known = False


class WorkerPool:
    """Workers that process the table together, pass by pass; a context manager, which ends them."""

    def __init__(self, config: WorkerConfig, *, processes: int) -> None:
        self._config = config
        self._count = processes
        self._workers: list[_WorkerHandle] = []
        self._failure: ReencryptionError | None = None
        self._signal: int | None = None
        self._stopping = self._killed = False
        self.ends: list[BatchEnd] = []
        """The ends of the batches of the last pass, in the order of the keys."""

    def __enter__(self) -> Self:
        # By fork, so that the keys reach the workers through memory only: no pipe, no argument, no file.
        context = multiprocessing.get_context("fork")
        self._handlers = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        pipes = [context.Pipe() for _ in range(self._count)]
        for ours, theirs in pipes:
            others = [end for pair in pipes for end in pair if end is not theirs]
            process = context.Process(target=run_worker, args=(self._config, theirs, others), daemon=True)
            process.start()
            self._workers.append(_WorkerHandle(process=process, pipe=ours))
        for _, theirs in pipes:
            theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        limit = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, limit - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run_pass(self, on_batch: Callable[[RowCounts], None], before: Sequence[BatchEnd] = ()) -> RowCounts:
        """Process all rows once. `on_batch` is called with the counts of each batch; `before`: the ends of the pass
        before.

        Raises the error of a worker, WorkerDied or Interrupted, once the others have finished their batches.
        """
        state = _Pass(before)
        while True:
            if self._signal or self._failure:
                self._stop()
                state.end()
            for worker in self._workers:
                if worker.batch is None and not worker.died and (begun := state.next_batch()):
                    worker.batch, message = begun
                    self._send(worker, message)
            busy = [worker for worker in self._workers if worker.batch is not None]
            if not busy:
                break
            for worker in self._ready(busy):
                kind, value = self._receive(worker)
                assert worker.batch is not None
                if kind == LAST_KEY:
                    state.on_read(worker.batch, value)
                elif kind == FINISHED:
                    state.on_finished(worker.batch, value)
                    worker.batch = None
                    on_batch(value)
                else:
                    worker.batch = None
                    self._failure = self._failure or value
        self.ends = state.ends
        if self._failure:
            raise self._failure
        if self._signal:
            name = signal.Signals(self._signal).name
            raise Interrupted(
                f"{name}: stopped at once; the database rolls back the batches that were in progress"
                if self._killed
                else f"{name}: stopped; every batch is complete",
                "Run the same command again: it continues from there.",
                exit_code=128 + self._signal,
            )
        return state.total

    def _ready(self, busy: list[_WorkerHandle]) -> list[_WorkerHandle]:
        by_pipe = {worker.pipe: worker for worker in busy}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe), _POLL_SECONDS) if isinstance(pipe, Connection)]

    def _receive(self, worker: _WorkerHandle) -> tuple[str, Any]:
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            # Its end of the pipe closes with the process, however that ended.
            worker.died = True
            worker.process.join(_POLL_SECONDS)
            return "died", None if self._stopping else self._death(worker)
        return kind, value

    def _death(self, worker: _WorkerHandle) -> WorkerDied:
        code = worker.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return WorkerDied(
            f"a worker ended during its batch ({how}); the database rolled that batch back, the other workers have "
            "finished theirs",
            "Run the same command again: it continues from there.",
        )

    def _send(self, worker: _WorkerHandle, message: tuple[object, ...]) -> None:
        # Where it has died, the next receive finds out.
        with suppress(OSError):
            worker.pipe.send(message)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            for worker in self._workers:
                self._send(worker, (STOP, None))

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._signal:
            # The second signal stops at once; the database rolls back the batches in progress.
            self._stopping = self._killed = True
            for worker in self._workers:
                worker.process.kill()
        self._signal = number
