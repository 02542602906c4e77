"""A fault reduced to its cause, what is well, and what the doctor could not look at: frozen facts.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from wizard.core.errors import CredentialsError, SetupError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause of trouble, and the command that mends it."""

    cause: str
    """A name that programs rely on: `key-disabled`, `variable-truncated`; the table of causes orders them."""
    what: str
    """What is wrong, in one sentence, with the name of the thing."""
    why: str
    """What follows from it for the application or the audit, and how it is known."""
    command: str
    """The command to type; it mends the cause, and every value in it is filled in."""
    then: str = ""
    """What has to follow it, in words: a failed key load is remembered until the application is started anew."""


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """One thing that could not be looked at; never taken for good."""

    what: str
    why: str
    is_denied: bool = False
    """Whether the caller's own credentials or rights are why."""

    @classmethod
    def of(cls, what: str, error: SetupError) -> NotChecked:
        """What an edge's error kept from being seen."""
        return cls(what=what, why=error.message, is_denied=isinstance(error, CredentialsError))


@dataclass(frozen=True, kw_only=True)
class Passed:
    """One thing that was looked at and is as it should be."""

    what: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """One thing that nobody can see from here, or that the caller did not want to be looked at: told, and no fault."""

    what: str


Told = Finding | NotChecked | Passed | Skipped
"""What a check tells."""
