"""A key's rotations, the versions of the data key, and the objects of a backup: frozen facts.

Pure. No text for people.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from wizard.core.data_key import WrappedDataKey

S3 = "s3://"
"""The scheme of a place in S3: `s3://BUCKET/KEY`."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One completed rotation of a key's material (ListKeyRotations)."""

    at: datetime
    """UTC."""
    on_demand: bool


@dataclass(frozen=True, kw_only=True)
class KeyRotations:
    """The past and future rotations of a key (GetKeyRotationStatus, ListKeyRotations)."""

    enabled: bool
    period_days: int | None
    """Days between rotations; None if the service does not give it."""
    next_at: datetime | None
    """UTC; None where nothing is due or it is unknown."""
    rotations: tuple[Rotation, ...] = ()
    """The oldest first."""
    on_demand_limit: int | None = None
    """Most on-demand rotations of a key, by Service Quotas; None if unknown."""
    on_demand_started: datetime | None = None
    """UTC; the start of an on-demand rotation in progress; None for none."""

    @property
    def on_demand_left(self) -> int | None:
        """Remaining on-demand rotations; None if the limit is unknown."""
        if self.on_demand_limit is None:
            return None
        used = sum(rotation.on_demand for rotation in self.rotations) + (self.on_demand_started is not None)
        return max(0, self.on_demand_limit - used)


@dataclass(frozen=True, kw_only=True)
class LastBackup:
    """The place of the last backup of the data key, in the account's record. No secret."""

    at: datetime
    """UTC."""
    fingerprint: str
    """Fingerprint of the version that was current."""
    place: str
    """`s3://bucket/key`, `host:/path` of a file, `region:name` of a parameter."""
    versions: tuple[str, ...] = ()
    """The fingerprints of all versions in it."""

    @property
    def text(self) -> str:
        """The value of the record; its second line is of the versions."""
        first = f"{self.at.isoformat(timespec='seconds')} {self.fingerprint} {self.place}"
        return "\n".join((first, *filter(None, (" ".join(self.versions),))))

    @classmethod
    def read(cls, text: str) -> "LastBackup | None":
        """The record of that value; None for anything else."""
        first, _, second = text.partition("\n")
        at, _, rest = first.partition(" ")
        fingerprint, _, place = rest.partition(" ")
        versions = tuple(second.split())
        try:
            made = datetime.fromisoformat(at).astimezone(UTC)
            return cls(at=made, fingerprint=fingerprint, place=place, versions=versions)
        except ValueError:
            return None

    @property
    def place_text(self) -> str:
        """The place for a document that must not hold paths of a machine: of a file its name and its machine."""
        machine, _, path = self.place.partition(":")
        return f"{path.rpartition('/')[2]} on {machine}" if path.startswith("/") and machine != "s3" else self.place

    def age(self, now: datetime) -> str:
        """`today`, `1 day ago`, `12 days ago`."""
        days = (now - self.at).days
        return "today" if days < 1 else f"{days} day{'s' * (days > 1)} ago"


@dataclass(frozen=True, kw_only=True)
class RestoreDrill:
    """A rehearsal of the restore: a backup was opened as the application. No secret."""

    at: datetime
    """UTC."""
    fingerprint: str
    """Fingerprint of the backup's current version."""
    opened: bool
    seconds: float
    """Seconds from the first byte of the backup to the result of its last version."""
    versions: int
    """Number of its versions that were opened."""
    principal: str
    """The ARN that opened it."""
    place: str
    """The backup's, as `LastBackup` has it."""

    @property
    def text(self) -> str:
        verdict = "opened" if self.opened else "failed"
        at = self.at.isoformat(timespec="seconds")
        return f"{at} {self.fingerprint} {verdict} {self.seconds:.1f} {self.versions} {self.principal} {self.place}"

    @classmethod
    def read(cls, text: str) -> "RestoreDrill | None":
        """The record of that value; None for anything else."""
        try:
            at, fingerprint, verdict, seconds, versions, principal, place = text.split(" ", 6)
            return cls(
                at=datetime.fromisoformat(at).astimezone(UTC),
                fingerprint=fingerprint,
                opened={"opened": True, "failed": False}[verdict],
                seconds=float(seconds),
                versions=int(versions),
                principal=principal,
                place=place,
            )
        except (ValueError, KeyError):
            return None


class VersionOrigin(StrEnum):
    """The origin of a version of the data key."""

    FIRST = "first"
    """The data key that was stored before any other version: created or imported by the set-up."""
    MADE = "made"
    """Made by GenerateDataKeyWithoutPlaintext."""
    REENCRYPTED = "rewrapped"
    """The same data key, re-encrypted under another KMS key (ReEncrypt). The value is a tag on stored versions."""
    ADOPTED = "adopted"
    """Encrypted from an ENCRYPTION_KEY that was used before."""
    RESTORED = "restored"
    """Restored from a backup."""
    UNKNOWN = "unknown"
    """Its tags cannot be read, or do not say."""


@dataclass(frozen=True, kw_only=True)
class DataKeyVersion:
    """A version of the wrapped data key. No version is ever overwritten or deleted."""

    wrapped: WrappedDataKey
    key_arn: str | None
    """The KMS key that wraps it; None where it is unknown."""
    parameter: str
    """Name of its entry in the store."""
    origin: VersionOrigin
    kept_at: datetime | None
    """UTC; None where the store does not say."""
    same_as: str
    """Fingerprint of the first version of the same plaintext key: its own, unless it was re-encrypted."""
    current: bool
    """Whether it is the stored data key, which is delivered."""
    was_current: bool = False
    """Whether it is known to have been the stored data key."""
    kept: bool = True
    """False for a stored or new data key that has no entry yet: a run ended before it got one."""
    overwrites: int = field(default=0, compare=False)
    """How often somebody has stored a value in its entry since this program did, at least."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` and 16 hex."""
        return self.wrapped.fingerprint


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """The stored value, well formed or not; compared right before a replacement."""

    parameter: str
    version: int
    """Version of the parameter; 0 without one. A secret's versions have no numbers: 1."""
    value: str = field(default="", repr=False)
    wrapped: WrappedDataKey | None = None
    """The wrapped data key; None without a value, or for any other value."""
    key_arn: str | None = None
    """The KMS key that wraps it, by tags that fit the value; None where they do not say."""
    tagged: str | None = None
    """The fingerprint in its tags; None where they have none."""
    at: datetime | None = None
    """UTC; when the store got the value."""
    overwrites: int | None = 0
    """How often somebody else has stored a value there since this program did, at least; None: not recorded."""

    @property
    def exists(self) -> bool:
        return self.version > 0

    @property
    def agrees(self) -> bool:
        """Whether the value is the wrapped key that the tags name."""
        return self.wrapped is not None and self.tagged == self.wrapped.fingerprint


@dataclass(frozen=True, kw_only=True)
class BucketLock:
    region: str
    """The bucket's."""
    mode: str | None = None
    """GOVERNANCE or COMPLIANCE, for every new object; None where nothing is locked by default."""


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """A version of an object, as it was read back."""

    body: bytes = field(repr=False)
    version: str | None = None
    encryption: str | None = None
    """`AES256` or `aws:kms`, as the answer says."""
    lock_mode: str | None = None
    """None where it is not locked, or the caller is not allowed to know."""
    locked_until: datetime | None = None
    """UTC."""


def fingerprint_in(entry: str) -> str:
    """The fingerprint in the name of a version's entry."""
    return f"sha256:{entry.rpartition('/')[2]}"


def file_name_of(application: str, environment: str, fingerprint: str) -> str:
    """The name that `backup` gives to a backup of that data key in a folder or a bucket."""
    return f"{application}-{environment}-{fingerprint.removeprefix('sha256:')}.backup.json"
