"""Facts of the audit: alerts, the documents of the bucket, the use of the key.

Pure: frozen facts without words for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RuleFact:
    """A rule of EventBridge."""

    name: str
    state: str | None
    """ENABLED, DISABLED, …; None: there is no such rule."""
    targets: int | None = None
    """Number of its targets; None: not known."""


@dataclass(frozen=True, kw_only=True)
class AlertsFact:
    """The topic of the alerts and the rules that publish to it."""

    topic: bool
    """Whether the topic exists."""
    rules: tuple[RuleFact, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BucketDocuments:
    """The documents of a bucket that S3 replaces as a whole."""

    policy: Mapping[str, Any] | None
    """None for none."""
    lifecycle: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class KeyCall:
    """One call on the key (CloudTrail's event history)."""

    at: datetime
    """UTC."""
    operation: str
    principal: str
    """ARN of the IAM user or role, not of its session; empty where CloudTrail has none."""
    error: str | None = None
    """The error's code; None for a call that succeeded."""


@dataclass(frozen=True, kw_only=True)
class KeyCalls:
    """The calls on a key in a window, from CloudTrail's event history."""

    calls: tuple[KeyCall, ...]
    """The newest first."""
    complete: bool = True
    """Whether these are all; False where there were more than are read."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Counts of a window of time; None where one could not be read, and `unknown` says why."""

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
    """UTC; where it was cut off, since when all were counted."""
    trail_bytes: int | None = None
    """Size of the trail's bucket (CloudWatch, AWS/S3 BucketSizeBytes)."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why, by the name of each field that is None."""

    @property
    def days(self) -> float:
        """The window's length."""
        return (self.until - self.since).total_seconds() / 86400
