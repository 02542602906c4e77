"""What a re-encryption can refuse or fail at, as a part of the error tree.

Touches nothing. A message names tables, columns and key column values, never what a column holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from phi.errors import PhiError


class ReencryptionError(PhiError):
    """Any refusal or failure of a re-encryption; `hint` is what to do next, `exit_code` what the command ends with."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotAsAsked(ReencryptionError):
    """The command cannot be carried out as it was typed; nothing was written. `problems` has them all."""

    exit_code = 2

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("; ".join(problems), hint)
        self.problems = tuple(problems)


class DatabaseRefused(ReencryptionError):
    """The database refuses a statement, for a reason that trying again does not mend."""


class DatabaseLost(ReencryptionError):
    """The connection broke, or none could be made."""


class Contended(ReencryptionError):
    """Another transaction was in the way: a deadlock, a lock that was not given in time, a statement timed out."""


class Mangled(ReencryptionError):
    """The database holds something else than what was written to it; the batch was rolled back."""


class WorkerLost(ReencryptionError):
    """A worker process ended without a word."""


class Interrupted(ReencryptionError):
    """A signal asked the run to end, and it ended in order."""

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 130) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
