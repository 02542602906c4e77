"""How the account, Pulumi's state and the settings differ, resource by resource: frozen facts.

Pure. They carry no words for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DriftKind(StrEnum):
    """Which two of the three differ."""

    GONE = "gone"
    """It is in the state, and gone from the account."""
    CHANGED = "changed"
    """It is in the account otherwise than in the state."""
    WANTED = "wanted"
    """Account and state agree, and an update would change it: the settings or the program moved on."""
    UNKNOWN = "unknown"
    """The program has it and the state does not."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One resource that an update would not leave as it is."""

    urn: str
    type: str
    """`aws:kms/key:Key`."""
    name: str
    kind: DriftKind
    properties: tuple[str, ...] = ()
    """The properties that differ, where the engine names them."""


@dataclass(frozen=True, kw_only=True)
class StateResource:
    """A resource in a stack's state."""

    urn: str
    type: str
    id: str
    """Empty for a component."""

    @property
    def name(self) -> str:
        """The last part of the URN."""
        return self.urn.rsplit("::", 1)[-1]
