"""How often the key and the trail were used, as the account counts it: frozen facts, for the cost.

Pure. They carry no words for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Counts of a window of time; None where the account could not be asked."""

    since: datetime
    """UTC."""
    until: datetime
    """UTC."""
    kms_requests: int | None = None
    """Billable KMS requests of the Region (CloudWatch, AWS/Usage), whatever their key."""
    key_requests: int | None = None
    """Cryptographic calls on the PHI key (CloudTrail's event history)."""
    is_key_requests_cut_off: bool = False
    """Whether there were more than were counted: then `key_requests` is a lower bound."""
    trail_bytes: int | None = None
    """Size of the trail's bucket (CloudWatch, AWS/S3 BucketSizeBytes)."""
    trails: int | None = None
    """Trails that record management events in the Region: each after the first is billed by event."""

    @property
    def days(self) -> float:
        """The window's length."""
        return (self.until - self.since).total_seconds() / 86400
