"""How often the key and the trail were used, as the account counts it: frozen facts, for the cost.

Pure. They carry no words for people but the reasons that an edge gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


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
    trails: int | None = None
    """Trails that record management events in the Region: each after the first is billed by event."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why, by the name of each field that is None."""

    @property
    def days(self) -> float:
        """The window's length."""
        return (self.until - self.since).total_seconds() / 86400
