"""The checkpoint: a file with the last key that a run has processed, from which the next run starts.

Touches that file only. It saves time and proves nothing: the last pass of every run reads all rows. It holds a value of
the key column, so only its owner can read it.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eonpro_phi.reencryption.errors import ReencryptionError, UsageError
from eonpro_phi.reencryption.models import ColumnSelection

_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class CheckpointScope:
    """The scope of a checkpoint: these columns, and this new key."""

    selection: ColumnSelection
    to: str
    """Fingerprint of the wrapped new key."""
    hash_key: str | None = None
    """Fingerprint of the wrapped hash key; None where there is none."""

    def as_json(self) -> dict[str, object]:
        """The scope in the form of the file."""
        hashes = {column.name: column.source for column in self.selection.hashes}
        fields = {column.name: sorted(column.fields) for column in self.selection.json_columns}
        return {
            # Without hash columns as it was before there were any: a checkpoint of an earlier version stays valid.
            **({"hashColumns": hashes, "hashKey": self.hash_key} if hashes else {}),
            **({"jsonFields": fields} if fields else {}),
            **({"tenantColumn": self.selection.tenant_column} if self.selection.tenant_column else {}),
            **({"bind": self.selection.bind} if self.selection.bind else {}),
            **({"reads": list(self.selection.reads)} if self.selection.reads else {}),
            **({"places": dict(self.selection.places)} if self.selection.places else {}),
            "table": self.selection.table,
            "columns": sorted(self.selection.columns),
            "keyColumn": self.selection.key_column,
            "to": self.to,
        }


class Checkpoint:
    """Reads the file once and writes it now and then; without a path it does neither."""

    def __init__(
        self, path: Path | None, scope: CheckpointScope, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._scope = scope.as_json()
        self._clock = clock
        self._next_write = clock()

    def read(self) -> str | None:
        """The last key that an earlier run of this scope processed; None for the first row.

        Raises UsageError for a file that is something else, which is not changed.
        """
        if self._path is None:
            return None
        try:
            document = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            if not self._path.parent.is_dir():
                raise UsageError(
                    [f"--checkpoint {self._path}: the directory {self._path.parent} does not exist"]
                ) from None
            return None
        except (OSError, ValueError):
            document = None
        if not isinstance(document, dict) or not {"after", *self._scope} <= document.keys():
            raise UsageError([f"--checkpoint {self._path} is not a readable checkpoint; it was not changed"])
        if any(document[name] != value for name, value in self._scope.items()):
            raise UsageError(
                [f"--checkpoint {self._path} belongs to other columns, another table or key; it was not changed"],
                "Name another file for this run.",
            )
        after = document["after"]
        return after if isinstance(after, str) else None

    def write(self, after: str | None, *, now: bool = False) -> None:
        """All rows up to this key are processed; written at most once a second, or now."""
        if self._path is None or after is None or (self._clock() < self._next_write and not now):
            return
        self._next_write = self._clock() + _INTERVAL_SECONDS
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump({**self._scope, "after": after}, file)
            os.replace(draft, self._path)
        except OSError as error:
            raise ReencryptionError(
                f"--checkpoint {self._path} cannot be written ({error.strerror}); no batch is incomplete",
                "Name another file, or none, and run the same command again.",
            ) from error

    def delete(self) -> None:
        """The first pass is complete: the checkpoint has no further use."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
