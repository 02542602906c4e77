"""The checkpoint: a file that remembers up to which key a run has come, for the next one to begin there.

Touches that file alone. It is a hint, never a proof: the last pass of every run reads all rows. A value of the key
column is in it, so that only its owner may read it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from phi.reencryption.facts import Assignment
from phi.reencryption.refusals import NotAsAsked, ReencryptionError

_EVERY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a checkpoint is about; another work's says nothing about this one."""

    assignment: Assignment
    to: str
    """Fingerprint of the wrapped new key."""

    def as_json(self) -> dict[str, object]:
        """The work, as it is written to the file."""
        return {
            "table": self.assignment.table,
            "columns": sorted(self.assignment.columns),
            "keyColumn": self.assignment.key_column,
            "to": self.to,
        }


class Checkpoint:
    """Reads the file once and writes it now and then; without a path it does neither."""

    def __init__(self, path: Path | None, work: Work, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._work = work.as_json()
        self._clock = clock
        self._next = clock()

    def after(self) -> str | None:
        """The key that the former run of this work came to; None for the beginning. Raises NotAsAsked for a file that
        is something else, which is left alone."""
        if self._path is None:
            return None
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            if not self._path.parent.is_dir():
                raise NotAsAsked([f"--checkpoint {self._path}: there is no directory {self._path.parent}"]) from None
            return None
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or not {"after", *self._work} <= found.keys():
            raise NotAsAsked([f"--checkpoint {self._path} is not a checkpoint that can be read; it was left as it is"])
        if any(found[name] != value for name, value in self._work.items()):
            raise NotAsAsked(
                [f"--checkpoint {self._path} is another work's (other columns, table or key); it was left as it is"],
                "Name another file for this one.",
            )
        after = found["after"]
        return after if isinstance(after, str) else None

    def note(self, after: str | None, *, now: bool = False) -> None:
        """Nothing up to this key is under way; written at most once a second, or now."""
        if self._path is None or after is None or (self._clock() < self._next and not now):
            return
        self._next = self._clock() + _EVERY_SECONDS
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump({**self._work, "after": after}, file)
            os.replace(draft, self._path)
        except OSError as error:
            raise ReencryptionError(
                f"--checkpoint {self._path} cannot be written ({error.strerror}); every batch is whole",
                "Name another file, or none, and run the same command again.",
            ) from error

    def over(self) -> None:
        """The first pass is done: from now on there is nothing that it could save."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
