"""What is known of a key's rotations and of the stored versions of the data key: frozen facts.

Pure. They carry no words for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from wizard.core.data_key import WrappedDataKey


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One rotation of a key's material that is over (ListKeyRotations)."""

    at: datetime
    """UTC."""
    on_demand: bool


@dataclass(frozen=True, kw_only=True)
class KeyRotations:
    """The rotations of a key, past and to come (GetKeyRotationStatus, ListKeyRotations)."""

    enabled: bool
    period_days: int | None
    """None where the service does not tell."""
    next_at: datetime | None
    """UTC; None where nothing is due or it is not told."""
    rotations: tuple[Rotation, ...] = ()
    """The oldest first."""
    on_demand_limit: int | None = None
    """How many rotations on demand a key may have, by Service Quotas; None where that is not told."""
    on_demand_started: datetime | None = None
    """UTC; when a rotation on demand began that is not over yet; None for none."""

    @property
    def on_demand_left(self) -> int | None:
        """How many rotations on demand are left; None where the limit is not told."""
        if self.on_demand_limit is None:
            return None
        used = sum(each.on_demand for each in self.rotations) + (self.on_demand_started is not None)
        return max(0, self.on_demand_limit - used)


class VersionOrigin(StrEnum):
    """How a version of the data key came to be."""

    FIRST = "first"
    """The data key that was stored before any other version was kept: made by the set-up, or imported by it."""
    MADE = "made"
    """By GenerateDataKeyWithoutPlaintext."""
    REENCRYPTED = "rewrapped"
    """The same data key, re-encrypted under another KMS key (ReEncrypt). The value is a tag on stored versions."""
    ADOPTED = "adopted"
    """Wrapped from an ENCRYPTION_KEY that was used before."""
    RESTORED = "restored"
    """Brought back from a backup."""
    UNKNOWN = "unknown"
    """Its tags may not be read, or do not say."""


@dataclass(frozen=True, kw_only=True)
class DataKeyVersion:
    """One version of the wrapped data key that is kept; no version is ever overwritten or deleted."""

    wrapped: WrappedDataKey
    key_arn: str | None
    """The KMS key that wraps it; None where nothing says so."""
    parameter: str
    """Where it is kept."""
    origin: VersionOrigin
    kept_at: datetime | None
    """UTC; None where the store does not tell."""
    same_as: str
    """Fingerprint of the first version of the same plaintext key: its own, unless it was re-encrypted."""
    current: bool
    """Whether it is the stored data key, and so what is delivered."""
    was_current: bool = False
    """Whether it is known to have been that once."""
    kept: bool = True
    """False for the stored one where it has no entry of its own yet: it gets one before anything replaces it."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` and 16 hex."""
        return self.wrapped.fingerprint


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """What is in the store, well formed or not: what a replacement is compared with right before it is made."""

    parameter: str
    version: int
    """Of the parameter; 0 where there is none. A secret's versions have no numbers: 1."""
    value: str = field(default="", repr=False)
    wrapped: WrappedDataKey | None = None
    """None where there is nothing, or nothing that could be a wrapped data key."""
    key_arn: str | None = None
    """The KMS key that wraps it, by the tags that fit its value; None where they do not say."""
    tagged: str | None = None
    """The fingerprint that its tags say it has; None where they say none."""

    @property
    def exists(self) -> bool:
        """Whether there is a value."""
        return self.version > 0

    @property
    def agrees(self) -> bool:
        """Whether the value is the wrapped key that the tags speak of."""
        return self.wrapped is not None and self.tagged == self.wrapped.fingerprint


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
