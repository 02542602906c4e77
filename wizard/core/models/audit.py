"""What is known of the audit beside trail and bucket: alerts, the bucket's documents, who used the key: frozen facts.

Pure. They carry no words for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RuleFact:
    """A rule of EventBridge under a name that was asked for."""

    name: str
    state: str | None
    """ENABLED, DISABLED, …; None: there is no such rule."""
    targets: int | None = None
    """How many targets it has; None: not known."""


@dataclass(frozen=True, kw_only=True)
class AlertsFact:
    """The topic and the rules that publish to it."""

    topic: bool
    """Whether the topic is there."""
    rules: tuple[RuleFact, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BucketDocuments:
    """The documents on a bucket that are changed as a whole, as S3 has them."""

    policy: Mapping[str, Any] | None
    """None for none."""
    lifecycle: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """One use of the key that was asked of KMS (CloudTrail's event history)."""

    at: datetime
    """UTC."""
    operation: str
    principal: str
    """ARN of the IAM user or role, not of its session; empty where CloudTrail does not tell it."""
    error: str | None = None
    """The error's code; None where it was done."""


@dataclass(frozen=True, kw_only=True)
class KeyUses:
    """What CloudTrail's event history has of the use of a key in a window."""

    uses: tuple[KeyUse, ...]
    """The newest first."""
    complete: bool = True
    """Whether that is all; False where there were more than are read."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Counts of a window of time; None where the account could not be asked, and then `unknown` says why."""

    since: datetime
    """UTC."""
    until: datetime
    """UTC."""
    kms_requests: int | None = None
    """KMS requests of the account in the Region (CloudWatch, AWS/Usage), whatever their key."""
    key_requests: int | None = None
    """Cryptographic calls on the PHI key (CloudTrail's event history)."""
    is_key_requests_cut_off: bool = False
    """Whether there were more than were counted: then `key_requests` is a lower bound of the window."""
    key_requests_since: datetime | None = None
    """UTC; where it was cut off, since when they were all counted."""
    trail_bytes: int | None = None
    """Size of the trail's bucket (CloudWatch, AWS/S3 BucketSizeBytes)."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why, by the name of each field that is None."""

    @property
    def days(self) -> float:
        """The window's length."""
        return (self.until - self.since).total_seconds() / 86400
