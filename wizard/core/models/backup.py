"""What is known of a bucket that takes a backup, and of the object in it: frozen facts.

Pure. They carry no words for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class BucketLock:
    """The Object Lock of a bucket that has it."""

    region: str
    """The bucket's."""
    mode: str | None = None
    """GOVERNANCE or COMPLIANCE, for every new object; None where nothing is locked by default."""
    days: int | None = None


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One version of an object, as it was read back."""

    body: bytes = field(repr=False)
    version: str | None = None
    encryption: str | None = None
    """`AES256` or `aws:kms`, as the answer says."""
    lock_mode: str | None = None
    """None where it is not locked, or the caller may not know."""
    locked_until: datetime | None = None
    """UTC."""
