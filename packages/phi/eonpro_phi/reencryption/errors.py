"""The errors of a re-encryption, as a part of the error tree.

Touches nothing. A message names tables, columns and values of the key column, never the content of another column.
"""

from collections.abc import Sequence

from eonpro_phi.errors import PhiError


class ReencryptionError(PhiError):
    """Any error of a re-encryption; `hint` is the next step, `exit_code` the exit code of the command."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ReencryptionError):
    """The command cannot run with these arguments; nothing was written. `problems` has all of them."""

    exit_code = 2

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("; ".join(problems), hint)
        self.problems = tuple(problems)


class StatementFailed(ReencryptionError):
    """The database refused a statement, for a reason that a retry does not fix."""


class ConnectionLost(ReencryptionError):
    """The connection broke, or could not be opened."""


class LockConflict(ReencryptionError):
    """Another transaction blocked the statement: a deadlock, a lock timeout or a statement timeout."""


class WriteMismatch(ReencryptionError):
    """The database's values differ from those that were written; the batch was rolled back."""


class WorkerDied(ReencryptionError):
    """A worker process ended without a result."""


class Interrupted(ReencryptionError):
    """A signal stopped the run; every batch is complete or rolled back."""

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 130) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
