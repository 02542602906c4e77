"""Facts of the account: profiles, the caller, permissions, quotas, Regions, keys, trails, and what was created
manually. Frozen.

Pure. No text for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from components.settings import ImportGroup, ResourceKind
from components.settings.arn import Arn
from wizard.core.data_key import WrappedDataKey


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The owner of the credentials (GetCallerIdentity)."""

    account_id: str
    arn: str
    """The ARN as STS returns it; for an assumed role the session's."""
    principal_arn: str
    """The ARN of the IAM user or role, as a key policy needs it."""
    account_alias: str | None
    source: str
    """The source of the credentials, in words: `the profile clinic`, `environment variables`."""

    @property
    def warning(self) -> str:
        """Why the caller should be another; empty for a user or a role."""
        if not self.principal_arn.endswith(":root"):
            return ""
        return (
            "these are the credentials of the account's root user, which no policy limits: use those of an IAM user or "
            "role. The evidence and the review show root as the account's IAM: it can use and administer the key"
        )


@dataclass(frozen=True, kw_only=True)
class RegionFact:
    name: str
    enabled: bool
    place: str = ""
    """The Region's place, in AWS's words: `Europe, Frankfurt`; empty where the SDK does not know the Region."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An IAM user or role."""

    arn: str

    @property
    def kind(self) -> str:
        """`user`, `role` or `root`."""
        return Arn.parse(self.arn).kind

    @property
    def name(self) -> str:
        """The name, without path."""
        return Arn.parse(self.arn).name


@dataclass(frozen=True, kw_only=True)
class KeyFact:
    """A KMS key (DescribeKey, GetKeyRotationStatus, ListResourceTags)."""

    arn: str
    state: str
    """Enabled, Disabled, PendingDeletion, …"""
    spec: str
    usage: str
    description: str
    tags: Mapping[str, str] | None
    """None: they were not read, as by `KmsKeys.describe_key`, or cannot be read."""
    rotation_enabled: bool | None = None
    rotation_period_days: int | None = None
    """Days between rotations; None if the service does not give it."""
    origin: str = "AWS_KMS"
    """The origin of its key material: AWS_KMS, EXTERNAL (imported), AWS_CLOUDHSM or EXTERNAL_KEY_STORE."""
    replica_of: str | None = None
    """The primary's ARN, where it is a replica."""
    replicas: tuple[str, ...] = ()
    """The ARNs of all replicas of a multi-Region key; a replica lists itself too."""

    @property
    def related(self) -> tuple[str, ...]:
        """The ARNs of the primary and of all replicas of this multi-Region key, except its own."""
        primary = () if self.replica_of is None or not Arn.find(self.replica_of) else (self.replica_of,)
        return tuple(arn for arn in dict.fromkeys((*primary, *self.replicas)) if arn != self.arn)


@dataclass(frozen=True, kw_only=True)
class TrailFact:
    """A trail and whether it is logging (DescribeTrails, GetTrailStatus)."""

    arn: str
    name: str
    bucket: str
    multi_region: bool
    global_events: bool
    validation: bool
    organization: bool
    logging: bool | None
    kms_events: bool | None = None
    """Whether the management events of KMS are recorded, reads and writes (GetEventSelectors); None: unknown."""
    key_arn: str | None = None
    """ARN of the KMS key that encrypts the logs. None: S3-managed key."""
    prefix: str = ""
    """The prefix of the logs in the bucket."""
    log_group: str | None = None
    """Name of the log group in CloudWatch Logs that gets a copy of its events; None: none."""
    delivery_error: str | None = None
    """The error of the last delivery to S3, from CloudTrail (`AccessDenied`); None: no error, or unknown."""
    last_digest: datetime | None = None
    """UTC; when CloudTrail last delivered a digest of the logs; None: not yet, or unknown."""

    @property
    def can_be_shared(self) -> bool:
        """Whether a stack may use it instead of a trail of its own: it records all Regions or a whole organization."""
        return self.multi_region or self.organization


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The retention and protection of a bucket."""

    expires_after_days: int | None
    """Days until an object expires; None: never."""
    versioned: bool
    public_access_blocked: bool
    encrypted: bool
    lock: str | None = None
    """`GOVERNANCE` or `COMPLIANCE` where Object Lock locks new objects by default; else None."""
    lock_days: int | None = None
    lock_known: bool = True
    """Whether the lock could be read."""
    tls_only: bool | None = None
    """Whether the bucket's policy denies plain HTTP and TLS older than 1.2; None: the policy is unknown."""
    policy: Mapping[str, Any] | None = None
    """The bucket's policy; None: it has none, or it is unknown."""
    access_logged: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Existing:
    """The account's resources under the stack's names."""

    alias_target: KeyFact | None = None
    other_keys: Mapping[str, KeyFact] = field(default_factory=dict)
    """By its alias: the key that the alias of a key besides the PHI key points to."""
    found: Mapping[str, str] = field(default_factory=dict)
    """By the field of `components.policies.named_resources`: the ARN; of a bucket `ours`, or `foreign` when another
    account owns it. A name that is free is not there."""


@dataclass(frozen=True, kw_only=True)
class DiscoveredResource:
    """An existing resource of the account, in the form of an import by the engine."""

    thing: ResourceKind
    id: str
    """The engine's import id."""
    arn: str
    """Its name for people: the ARN or the name."""


@dataclass(frozen=True, kw_only=True)
class UnrecordedResource:
    """A resource that the stack made, and that its state lacks: the run ended before AWS's answer was recorded."""

    type: str
    """Pulumi's token: `aws:kms/alias:Alias`."""
    name: str
    """The value by which its inputs identify it: name, bucket, URL without scheme; for a key its tag `Purpose`, or
    nothing.
    """
    region: str
    id: str
    """The engine's import id."""
    arn: str
    """Its name for people, and for the checks: the ARN or the name."""


@dataclass(frozen=True, kw_only=True)
class DiscoveredDataKey:
    """The data key of a manual set-up, on Vercel or in Parameter Store."""

    wrapped: WrappedDataKey | None
    """The wrapped data key; None without one, or if Vercel does not show it (a sensitive variable)."""
    exists: bool
    """Whether ENCRYPTED_PHI_KEY exists, readable or not."""
    key_arn: str | None
    """AWS_KMS_KEY_ID, where it can be read."""
    claimed: str | None = None
    """The fingerprint that an earlier run wrote in the comment of a hidden value."""
    check_value: str | None = None
    """The key check value that was delivered beside it, if any."""

    @property
    def hidden(self) -> bool:
        """Whether it exists and its value is not shown."""
        return self.exists and self.wrapped is None


@dataclass(frozen=True, kw_only=True)
class DiscoveredSetup:
    """The resources under the stack's names, for an import; policy documents as AWS returns them."""

    things: tuple[DiscoveredResource, ...] = ()
    key: KeyFact | None = None
    key_policy: Mapping[str, Any] | None = None
    role_arn: str | None = None
    role_trust: Mapping[str, Any] | None = None
    role_boundary: str | None = None
    """ARN of the role's permissions boundary."""
    role_policies: tuple[str, ...] = ()
    """The role's other policies: ARNs of managed policies, `inline NAME`."""
    policy_arn: str | None = None
    policy: Mapping[str, Any] | None = None
    trail: TrailFact | None = None
    retention: Retention | None = None
    bucket_policy: Mapping[str, Any] | None = None
    bucket_region: str | None = None
    """The bucket's Region, where it is not the stack's."""
    logs_key: KeyFact | None = None
    documents_key: KeyFact | None = None
    """The key that the alias of the documents' key points to."""
    data_key: DiscoveredDataKey | None = None
    """The data key in Parameter Store under the guide's names."""

    @property
    def adopted(self) -> tuple[str, ...]:
        """The resources as `Settings.adopted` has them."""
        return tuple(f"{resource.thing}={resource.id}" for resource in self.things)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference between a manual set-up and the stack's settings."""

    part: ImportGroup
    what: str
    """The resource and its property, for a person."""
    actual: str
    desired: str
    widens: bool = False
    """Whether a key policy allows more than the settings, or lacks one of their denials."""


class ProfileKind(StrEnum):
    KEYS = "access key"
    SIGN_IN = "IAM Identity Center"
    ROLE = "assumed role"
    PROCESS = "credential process"
    WEB_IDENTITY = "web identity"
    NONE = "no credentials"


@dataclass(frozen=True, kw_only=True)
class ProfileFact:
    """A profile of the AWS configuration files; read from these files only."""

    name: str
    kind: ProfileKind
    role_arn: str | None = None
    """The role that it assumes."""
    mfa_serial: str | None = None
    """The MFA device."""
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class PermissionsFact:
    """The caller's permissions for the set-up."""

    denied: tuple[str, ...] = ()
    """Actions that IAM's simulator, or KMS itself by a dry run, refuses."""
    unknown: tuple[str, ...] = ()
    """Actions that could not be checked."""
    why_unknown: str = ""
    """In words; empty when all is known."""


@dataclass(frozen=True, kw_only=True)
class QuotaFact:
    """A quota of the account that the set-up needs a part of (Service Quotas, or the service's own summary)."""

    what: str
    """In words, in the plural: `trails in us-east-1`."""
    used: int
    limit: int
    needed: int
    """Number of further ones that the set-up creates."""
    next: str
    """The command that requests a higher limit, or that lists the current resources."""

    @property
    def exceeded(self) -> bool:
        """Whether the set-up would exceed it."""
        return self.used + self.needed > self.limit
