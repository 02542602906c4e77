"""What the steps learn and what the edges can do: frozen facts, and one Protocol for each edge.

Pure. Facts carry no words for people; `plan` and `report` make those. An edge implements a Protocol, knows no step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from components.contract import Outputs, Settings
from wizard.datakey import WrappedDataKey
from wizard.errors import Problem, SetupError

if TYPE_CHECKING:
    from wizard.questions import Question

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


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long a bucket keeps its objects, and whether it is shut to the public."""

    expires_after_days: int | None
    """None: nothing expires."""
    versioned: bool
    public_access_blocked: bool
    encrypted: bool


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


# --- the data key -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Escrow:
    """The wrapped data key as the parameter holds it."""

    parameter: str
    wrapped: WrappedDataKey
    key_arn: str | None
    """The key it is wrapped by, as the parameter's tags say; None where they do not."""
    version: int
    made_now: bool = False


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


# --- the edges --------------------------------------------------------------------------------------------------


class Cloud(Protocol):
    """AWS, as the wizard needs it (`wizard/aws`). Methods raise errors of `wizard.errors` only.

    `Unreachable` when the endpoint does not answer, `CredentialsError` for missing, expired or wrong credentials,
    `PermissionDenied` when the caller may not, `Unsupported` when the endpoint lacks the operation.
    """

    @property
    def region(self) -> str: ...
    @property
    def region_source(self) -> str | None:
        """Where the Region comes from, in words; None when nothing names one and `region` only stands in."""
        ...

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Sources of credentials or Region that contradict each other, in words."""
        ...

    @property
    def has_environment_credentials(self) -> bool: ...
    @property
    def profile(self) -> str | None:
        """The profile in use, where one is named."""
        ...

    def profiles(self) -> tuple[str, ...]: ...

    def with_region(self, region: str) -> Cloud: ...
    def environment(self) -> Mapping[str, str]:
        """What a child process needs in its environment to be the same caller in the same Region. Secret."""
        ...

    def identify(self) -> Identity: ...
    def list_regions(self) -> tuple[RegionFact, ...]: ...
    def list_principals(self) -> tuple[Principal, ...]:
        """Users and roles that could be administrators: no service-linked roles."""
        ...

    def find_principal(self, arn: str) -> Principal | None: ...
    def find_existing(self, settings: Settings) -> Existing: ...
    def list_trails(self) -> tuple[TrailFact, ...]: ...
    def describe_key(self, key: str) -> KeyFact | None:
        """A key by id, ARN or alias; None when there is none."""
        ...

    def key_policy(self, key_arn: str) -> Mapping[str, object]: ...
    def policy_document(self, policy_arn: str) -> Mapping[str, object]:
        """The default version of a managed IAM policy."""
        ...

    def find_keys(self, tags: Mapping[str, str]) -> tuple[KeyFact, ...]:
        """The customer managed keys that carry all these tags."""
        ...

    def bucket_retention(self, bucket: str) -> Retention | None: ...
    def read_escrow(self, parameter: str) -> Escrow | None: ...
    def make_data_key(self, key_arn: str) -> WrappedDataKey:
        """GenerateDataKeyWithoutPlaintext, AES_256, no encryption context."""
        ...

    def write_escrow(self, parameter: str, wrapped: WrappedDataKey, *, key_arn: str, tags: Mapping[str, str]) -> bool:
        """Create-only. False when the parameter was there already; it is then untouched."""
        ...

    def deliver_parameters(self, prefix: str, batch: Batch, *, tags: Mapping[str, str]) -> Delivered:
        """The other two variables beside the escrow; read back and compared."""
        ...

    def check_parameters(self, prefix: str, batch: Batch) -> bool:
        """Whether the parameters under the prefix are the batch, read back with decryption."""
        ...

    def app_credentials(self, principal_arn: str, *, target: str) -> CredentialsSearch:
        """Credentials of the application's principal, as it has them where it is deployed, where they can be had."""
        ...

    def check_permissions(self, settings: Settings) -> tuple[str, ...]:
        """The actions of the set-up that IAM's simulator says the caller lacks; empty where it cannot be asked."""
        ...

    def simulate(self, principal_arn: str, actions: Sequence[str], resource: str) -> Simulation: ...


class Hosting(Protocol):
    """Vercel, as the wizard needs it (`wizard/vercel.py`)."""

    def find_project(self, team: str, project: str) -> VercelProject:
        """Raises CredentialsError for a bad token or scope, SetupError when there is no such team or project."""
        ...

    def list_variables(self, project: VercelProject) -> tuple[VercelVariable, ...]: ...
    def conflict(
        self,
        project: VercelProject,
        escrowed: WrappedDataKey | None,
        *,
        region: str | None = None,
        key_arn: str | None = None,
    ) -> str | None:
        """Why `deliver` would be refused, in words: above all, another data key than the escrowed one is there.

        Without `region` or `key_arn`, what stands under their names is not looked at.
        """
        ...

    def check(self, project: VercelProject, batch: Batch) -> str | None:
        """What production lacks of the batch, in words; None when all three are there and right. Reads only."""
        ...

    def deliver(self, project: VercelProject, batch: Batch) -> Delivered:
        """The batch to `production` in one POST; unchanged when it is there; never overwrites another data key."""
        ...


class Engine(Protocol):
    """Pulumi, as the wizard needs it (`wizard/engine.py`)."""

    def check(self) -> str:
        """The engine's version. Raises SetupError when there is none that fits."""
        ...

    def alone(self, stack: str) -> AbstractContextManager[None]:
        """Holds the stack in this folder: a second wizard waits."""
        ...

    def saved_config(self, stack: str) -> Mapping[str, str]:
        """The stack's configuration file, by full key; empty when there is none. Asks no backend."""
        ...

    def state(self, stack: str) -> StackState: ...
    def prepare(self, stack: str, settings: Settings) -> None:
        """The stack, made where missing, with its configuration."""
        ...

    def recover(self, stack: str, found: Mapping[str, str]) -> None:
        """Resolve what a crashed run left pending: `found` maps the URN of each creation that happened to its id."""
        ...

    def preview(self, stack: str, on_progress: OnProgress) -> tuple[Step, ...]: ...
    def up(self, stack: str, on_progress: OnProgress) -> Outputs: ...


class Prover(Protocol):
    """The application, as a child process with its own credentials (`wizard/proof.py`)."""

    def stand_by(self) -> None:
        """Get ready; a proof is going to be asked for."""
        ...

    def prove(self, credentials: AppCredentials, batch: Batch) -> Verdict: ...


# --- the person -------------------------------------------------------------------------------------------------


class Mark(StrEnum):
    """How a line went; shown as a sign, never by colour alone."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"
    RUN = "run"


class Talk(Protocol):
    """The terminal, as the steps need it (`wizard/terminal.py`). Ctrl-C at a prompt is KeyboardInterrupt."""

    interactive: bool

    def ask(self, question: Question) -> Any: ...
    def confirm(self, prompt: str, *, default: bool = True, why: str = "") -> bool: ...
    def title(self, text: str) -> None: ...
    def section(self, text: str, note: str = "") -> None: ...
    def line(self, text: str = "", *, mark: Mark | None = None) -> None: ...
    def verbatim(self, text: str) -> None: ...
    def table(self, rows: Sequence[tuple[str, ...]], *, headings: tuple[str, ...] = ()) -> None: ...
    def problems(self, problems: Sequence[Problem]) -> None: ...
    def error(self, error: SetupError) -> None: ...
    def working(self, text: str) -> None: ...
    def progress(self, progress: Progress, elapsed: float) -> None: ...
