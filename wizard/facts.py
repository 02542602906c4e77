"""What the steps learn: frozen facts.

Pure. They carry no words for people; `plan` and `report` make those. What an edge can do stands in `wizard.protocols`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from components.contract import Outputs, Part, SecretStore, Thing
from wizard.datakey import WrappedDataKey

# --- the account ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the credentials belong to, as STS answers (GetCallerIdentity)."""

    account_id: str
    arn: str
    """As STS said it; for an assumed role the session's ARN."""
    principal_arn: str
    """The IAM user's or role's own ARN, the form a key policy takes."""
    account_alias: str | None
    source: str
    """Where the credentials came from, in words: `the profile clinic`, `environment variables`."""


@dataclass(frozen=True, kw_only=True)
class RegionFact:
    """A Region and whether the account may use it."""

    name: str
    enabled: bool


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An IAM user or role."""

    arn: str

    @property
    def kind(self) -> str:
        """`user`, `role` or `root`."""
        return self.arn.split(":", 5)[5].split("/")[0]

    @property
    def name(self) -> str:
        """The name, without path."""
        return self.arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class KeyFact:
    """A KMS key (DescribeKey, GetKeyRotationStatus, ListResourceTags)."""

    arn: str
    state: str
    """Enabled, Disabled, PendingDeletion, …"""
    spec: str
    usage: str
    description: str
    tags: Mapping[str, str]
    rotation_enabled: bool | None = None
    rotation_period_days: int | None = None
    """None where the service does not tell."""
    origin: str = "AWS_KMS"
    """Who made its material: AWS_KMS, EXTERNAL (imported), AWS_CLOUDHSM or EXTERNAL_KEY_STORE."""
    replica_of: str | None = None
    """The primary's ARN, where it is a replica."""


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
    """Whether the management events of KMS are recorded, reads and writes (GetEventSelectors); None: not known."""
    key_arn: str | None = None
    """The key the logs are encrypted under; None: S3's own."""
    prefix: str = ""
    """Under which the logs are in the bucket."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long a bucket keeps its objects, and whether it is shut to the public."""

    expires_after_days: int | None
    """None: nothing expires."""
    versioned: bool
    public_access_blocked: bool
    encrypted: bool
    lock: str | None = None
    """`GOVERNANCE` or `COMPLIANCE` where Object Lock keeps new objects by default; None where it does not."""
    lock_days: int | None = None
    tls_only: bool | None = None
    """Whether the bucket's policy denies plain HTTP; None: not known."""
    access_logged: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Existing:
    """What the account already has under the names that the stack would take. None or empty: free."""

    alias_target: KeyFact | None = None
    role_arn: str | None = None
    execution_role_arn: str | None = None
    app_policy_arn: str | None = None
    parameter_policy_arn: str | None = None
    trail: TrailFact | None = None
    bucket: str | None = None
    """`ours` when this account owns the bucket of that name, `foreign` when somebody else does."""
    oidc_provider_arn: str | None = None
    app_user_arn: str | None = None
    secrets_role_arn: str | None = None
    secret_policy_arn: str | None = None
    trail_key: KeyFact | None = None
    """The key that the alias of the trail's key points to."""
    access_log_bucket: str | None = None
    """`ours` or `foreign`, as with `bucket`."""
    log_group_arn: str | None = None
    log_role_arn: str | None = None
    alert_topic_arn: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """One thing of an account that was set up by hand, as the engine would import it."""

    thing: Thing
    id: str
    """The engine's import id."""
    arn: str
    """What a person calls it: its ARN or name."""


@dataclass(frozen=True, kw_only=True)
class HandMade:
    """What somebody set up by hand under the names that the stack would take; documents as AWS has them."""

    things: tuple[Found, ...] = ()
    key: KeyFact | None = None
    key_policy: Mapping[str, Any] | None = None
    role_arn: str | None = None
    role_trust: Mapping[str, Any] | None = None
    role_boundary: str | None = None
    """ARN of the policy that bounds the role's rights."""
    role_policies: tuple[str, ...] = ()
    """What the role has beside the application's policy: ARNs of managed policies, `inline NAME`."""
    policy_arn: str | None = None
    policy: Mapping[str, Any] | None = None
    trail: TrailFact | None = None
    retention: Retention | None = None
    bucket_policy: Mapping[str, Any] | None = None
    bucket_region: str | None = None
    """The bucket's Region, where it is not the stack's."""
    logs_key: KeyFact | None = None
    """The key that the alias of the logs' key points to, whoever made it."""
    data_key: FoundDataKey | None = None
    """What Parameter Store has under the guide's names, beside the key that was found."""

    @property
    def adopted(self) -> tuple[str, ...]:
        """As the settings take it."""
        return tuple(f"{found.thing}={found.id}" for found in self.things)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One way in which what was set up by hand is not as the stack would have it."""

    part: Part
    what: str
    """The thing and its property, in words."""
    found: str
    wanted: str


# --- the data key -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Escrow:
    """The wrapped data key as the parameter holds it."""

    parameter: str
    wrapped: WrappedDataKey
    key_arn: str | None
    """The key it is wrapped by, as the parameter's tags say; None where they do not."""
    version: int
    """Of the parameter; 1 for a secret, whose versions have no numbers."""
    made_now: bool = False
    store: SecretStore = SecretStore.PARAMETER_STORE


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The three variables of the application. They travel together."""

    region: str
    key_arn: str
    wrapped: WrappedDataKey

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """(name, value) of each, the data key first, so that no reader ever sees a key without it."""
        return (
            ("ENCRYPTED_PHI_KEY", self.wrapped.value),
            ("AWS_KMS_KEY_ID", self.key_arn),
            ("AWS_REGION", self.region),
        )


class DeliveryState(StrEnum):
    """What a delivery did."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """One target has the three variables; checked after writing."""

    target: str
    """`vercel` or `ecs`."""
    place: str
    """Where: `Vercel project eonpro/eonpro, production` or `Parameter Store /eonpro/production`."""
    state: DeliveryState
    fingerprint: str
    checked_by: str
    """How it was checked: `values read back` or `listing and fingerprint`."""
    kept: tuple[str, ...] = ()
    """Variables that were there already and were left as they are."""
    region: str = ""
    """The Region whose key the delivered values name; empty: the stack's own."""


# --- the application's credentials and the proof ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AppCredentials:
    """Credentials of the application's principal. Never printed."""

    how: str
    """How they were had: `a Vercel OIDC token`, `sts:AssumeRole`, …"""
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key as IAM gives it, once. Its secret goes to the application's platform, and nowhere else."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AccessKeyFact:
    """An access key of an IAM user (ListAccessKeys, GetAccessKeyLastUsed)."""

    id: str
    active: bool
    made: datetime
    """UTC."""
    last_used: datetime | None = None
    """UTC; None: never, or not known."""


@dataclass(frozen=True, kw_only=True)
class CredentialsSearch:
    """The application's credentials, if they could be had, and how each way that was tried ended."""

    found: AppCredentials | None
    tried: tuple[str, ...] = ()
    """In words, without secrets."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the child process of `phi` said, as the application (`python -m phi prove`)."""

    proved: bool
    principal: str
    fingerprint: str
    cause: str = ""
    message: str = ""


class ProofState(StrEnum):
    """What a proof says."""

    PROVED = "proved"
    SIMULATED = "simulated"
    """Not run as the application, whose credentials could not be had; its policies were evaluated instead."""
    UNPROVEN = "unproven"
    """Neither could be had: said plainly."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Whether the application can open what was delivered to one target."""

    target: str
    state: ProofState
    principal: str
    detail: str
    at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What IAM's policy simulator says of one principal (SimulatePrincipalPolicy), or that it could not be asked."""

    allowed: bool | None
    """None: the simulator is not to be had here."""
    detail: str


# --- Vercel -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class VercelProject:
    """A project the token can reach."""

    id: str
    name: str
    team_id: str | None
    team_slug: str | None


@dataclass(frozen=True, kw_only=True)
class VercelVariable:
    """An environment variable as Vercel lists it."""

    id: str
    key: str
    type: str
    """`plain`, `encrypted`, `sensitive`, …"""
    targets: tuple[str, ...]
    comment: str
    git_branch: str | None = None
    value: str | None = field(default=None, repr=False)
    """Only where Vercel tells it: never for a sensitive variable."""


@dataclass(frozen=True, kw_only=True)
class Linked:
    """The project that a folder is linked to (`vercel link`)."""

    project_id: str
    team_id: str | None
    """`team_…`; None when the project belongs to a person's own account."""
    project_name: str | None = None
    """Only newer versions of the CLI write it."""


@dataclass(frozen=True, kw_only=True)
class FoundDataKey:
    """What a project's production environment has under the three names, set there by hand."""

    wrapped: WrappedDataKey | None
    """None where there is none, or where Vercel does not tell it (a sensitive variable)."""
    there: bool
    """Whether ENCRYPTED_PHI_KEY is there, readable or not."""
    key_arn: str | None
    """AWS_KMS_KEY_ID, where it can be read."""
    claimed: str | None = None
    """The fingerprint in the comment of one that is not told: what an earlier run put there."""

    @property
    def hidden(self) -> bool:
        """Whether it is there and not told."""
        return self.there and self.wrapped is None


# --- the engine -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Step:
    """One resource as the engine plans or makes it."""

    urn: str
    op: str
    """The engine's word: `create`, `update`, `replace`, `delete`, `same`, …"""
    type: str
    name: str
    changed: tuple[str, ...] = ()
    """Names of the properties that differ."""
    physical_name: str = ""
    """The name it has in the account, where its inputs give one."""


class StepState(StrEnum):
    """Where a resource stands during `up`."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One line of a running `up` or `preview`."""

    step: Step
    state: StepState
    message: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class StackState:
    """What the backend knows of a stack before this run."""

    exists: bool
    has_key: bool
    """Whether the PHI key is in the stack's state."""
    owned: tuple[str, ...] = ()
    """Ids and ARNs of all resources in the state."""
    pending: tuple[Step, ...] = ()
    """Operations that a crashed run left behind."""
    outputs: Outputs | None = None


# --- words to a person --------------------------------------------------------------------------------------------


class Mark(StrEnum):
    """How a line went; shown as a sign, never by colour alone."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"
    RUN = "run"
