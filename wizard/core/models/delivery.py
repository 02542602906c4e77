"""Facts of a delivery: its scope, the data key, the variables, the verification, Vercel's projects, the stack's state.

Pure. One delivery is for one environment, with variables of its own, so none is ever extended or restricted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from components.settings import (
    DATA_KEY_VARIABLE,
    KEY_ID_VARIABLE,
    REGION_VARIABLE,
    Outputs,
    SecretStore,
    Settings,
    VariableNames,
    VercelIssuerMode,
)
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.account import UnrecordedResource
from wizard.core.models.stack import StateResource, Step
from wizard.core.next_command import Command, chain, shell
from wizard.core.variable_ownership import OwnValues

_PRODUCTION, _PREVIEW = "production", "preview"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """An environment, or the deployments of one git branch in preview."""

    environment: str
    """`production`, `preview`, or the slug of a custom environment."""
    custom_id: str | None = None
    """The custom environment's id."""
    branch: str | None = None
    """The git branch, of preview only."""

    @classmethod
    def of(cls, settings: Settings) -> Scope:
        """The environment that a stack is for."""
        return cls(environment=settings.vercel_environment)

    @property
    def is_custom(self) -> bool:
        """Whether it is a custom environment, whose variables name it by its id."""
        return self.environment not in (_PRODUCTION, _PREVIEW)

    @property
    def place(self) -> str:
        return self.custom_id or (f"the branch {self.branch}" if self.branch else self.environment)

    @property
    def words(self) -> str:
        if self.branch:
            return f"the branch {self.branch} of preview"
        return f"the custom environment {self.environment}" if self.is_custom else self.environment

    @property
    def typed(self) -> tuple[str, ...]:
        """The scope as arguments of the Vercel CLI: `vercel env rm NAME preview feature`."""
        return (self.environment, self.branch) if self.branch else (self.environment,)

    def removal(self, names: Iterable[str]) -> Command:
        """The commands that remove the variables there."""
        return chain(*(shell("vercel", "env", "rm", name, *self.typed) for name in names))

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a variable that is set for it."""
        if self.custom_id:
            return {"customEnvironmentIds": [self.custom_id]}
        return {"target": [self.environment], **({"gitBranch": self.branch} if self.branch else {})}

    def sees(self, variable: VercelVariable) -> bool:
        """Whether deployments there see the variable."""
        environments = places(variable)
        # An endpoint that lists no environment at all must not make a data key look absent.
        return self.place in environments or not environments

    def beside(self, variable: VercelVariable) -> tuple[str, ...]:
        """The other environments of the variable."""
        return tuple(place for place in places(variable) if place != self.place)


PRODUCTION = Scope(environment=_PRODUCTION)


def places(variable: VercelVariable) -> tuple[str, ...]:
    """The places of a variable: environments, a branch as `the branch NAME`, ids of custom environments."""
    branch = (f"the branch {variable.git_branch}",) if variable.git_branch else ()
    # A branch means only its deployments in preview, not all of preview.
    targets = [target for target in variable.targets if not (branch and target == _PREVIEW)]
    return (*targets, *branch, *variable.custom_environments)


# --- the data key -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StoredDataKey:
    """The wrapped data key as the parameter holds it."""

    parameter: str
    wrapped: WrappedDataKey
    key_arn: str | None
    """The key that wraps it, by the parameter's tags; None where they do not say."""
    version: int
    """Version of the parameter; 1 for a secret, whose versions have no numbers."""
    overwrites: int | None = 0
    """How often somebody else has stored a value there since this program did, at least; None: not recorded."""
    is_new: bool = False
    store: SecretStore = SecretStore.PARAMETER_STORE
    type: str = ""
    """Type of the parameter, `SecureString` unless somebody else created it; a secret has none."""


@dataclass(frozen=True, kw_only=True)
class AppVariables:
    """The variables of the application: three, one more for each optional stored value, and those that go with them.
    They travel together.
    """

    region: str
    key_arn: str
    wrapped: WrappedDataKey
    beside: tuple[tuple[str, WrappedDataKey], ...] = ()
    """(the guide's name, wrapped key) of each stored value beside the data key."""
    optional: tuple[tuple[str, str], ...] = ()
    """(the guide's name, value) of the key check values and the keys for reading, where the settings ask for them."""
    names: VariableNames = VariableNames()
    """The names of the variables where the application runs."""
    own: OwnValues | None = field(default=None, compare=False)
    """The stack's values, to recognize its own variables; None: these alone."""
    replaces: frozenset[str] = field(default=frozenset(), compare=False)
    """The names whose value may be replaced although it is somebody else's: a person agreed to it."""

    @property
    def own_values(self) -> OwnValues:
        """The stack's values, in this Region."""
        return self.own or OwnValues(region=self.region, key_arns=(self.key_arn,))

    @property
    def wrapped_keys(self) -> tuple[tuple[str, WrappedDataKey], ...]:
        """(the guide's name, wrapped key) of each, the data key first."""
        return ((DATA_KEY_VARIABLE, self.wrapped), *self.beside)

    @property
    def stored_values(self) -> tuple[tuple[str, str], ...]:
        """(the guide's name, which its parameter has, value) of each; the data key first, as `values`."""
        return (
            *((name, key.value) for name, key in self.wrapped_keys),
            (KEY_ID_VARIABLE, self.key_arn),
            (REGION_VARIABLE, self.region),
            *self.optional,
        )

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """(name, value) of each, the data key first, so that no reader sees a key without it."""
        return tuple((self.names[variable], value) for variable, value in self.stored_values)

    @property
    def delivered_keys(self) -> tuple[tuple[str, WrappedDataKey], ...]:
        """(name, wrapped key) of each, the data key first."""
        return tuple((self.names[variable], key) for variable, key in self.wrapped_keys)


FORMER_KEY_VARIABLE = "ENCRYPTION_KEY"
"""The variable with the application's key before it had a wrapped one: 64 hex digits, in the clear."""

FORMER_KEY_VARIABLES = (FORMER_KEY_VARIABLE, "PHI_ENCRYPTION_KEY")
"""The names under which an application reads such a key."""


class FormerKey(StrEnum):
    """The treatment of the application's ENCRYPTION_KEY at its first wrapped data key."""

    WRAP = "wrap"
    """KMS wraps it: it is the data key from then on, and every record stays readable."""
    NEW = "new"
    """Another data key is generated, which decrypts no earlier record."""


class DeliveryState(StrEnum):
    """The result of a delivery."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A target has the three variables; checked after writing."""

    target: str
    """`vercel` or `ecs`."""
    place: str
    """The place: `Vercel project eonpro/eonpro, production` or `Parameter Store /eonpro/production`."""
    state: DeliveryState
    fingerprint: str
    checked_by: str
    """The evidence: `values read back` or `listing and fingerprint`."""
    region: str = ""
    """The Region whose key the delivered values name; empty: the stack's own."""
    plain: str = ""
    """The type of the data key's parameter, where it is not SecureString; the type of a parameter cannot be changed."""
    environment: str = ""
    """On Vercel, the environment in words; empty elsewhere."""


# --- the application's credentials and the proof ---------------------------------------------------------------

VERIFICATION_NAME = "eonpro-proof"
"""Name of the sessions, and application id in the user agent, of this product's verifications as the application."""


@dataclass(frozen=True, kw_only=True)
class AppCredentials:
    """Credentials of the application's principal. Never printed."""

    how: str
    """Their source: `a Vercel OIDC token`, `sts:AssumeRole`, …"""
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key as IAM returns it, once. Its secret goes only to the application's platform."""

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
    """UTC; None: never, or unknown."""


@dataclass(frozen=True, kw_only=True)
class CredentialsSearch:
    """The application's credentials, if they are available, and the result of each way that was tried."""

    credentials: AppCredentials | None
    tried: tuple[str, ...] = ()
    """For a person, without secrets."""


class Proof(StrEnum):
    """The kind of a verification as the application. The value is the output of `python -m eonpro_phi prove`."""

    ROUND_TRIP = "round trip"
    """The child process decrypted the data key, encrypted a record and decrypted it."""
    DRY_RUN = "dry run"
    """KMS evaluated the decryption of this very wrapped key, and returned no plaintext."""
    DECRYPTED = "dry run ignored"
    """The endpoint ignores DryRun: the child process got the data key, and dropped it."""
    PERMISSION = "permission"
    """KMS evaluated a decryption with the key, without a wrapped data key: none was at hand."""


BUSY = ("Throttled",)
SILENT = ("Unreachable", "InvalidResponse")
"""Causes of `eonpro_phi.errors` that say nothing about the data key."""


@dataclass(frozen=True, kw_only=True)
class ChildResult:
    """The answer of the child process that acts as the application (`python -m eonpro_phi prove`)."""

    proved: bool
    principal: str
    fingerprint: str
    cause: str = ""
    message: str = ""
    how: Proof | None = None
    """The kind of the proof; None without one."""
    key_material: str = ""
    """Id of the key material of the KMS key that opened the data key; empty after a dry run, or if not known."""
    same: tuple[str, ...] = ()
    """Fingerprints of the keys for reading that open to the same data key; none after a dry run."""
    check_values: Mapping[str, str] = field(default_factory=dict)
    """The key check value of each wrapped key that was opened, by fingerprint; none after a dry run."""

    @property
    def is_answer(self) -> bool:
        """Whether KMS said yes or no: False where it did not answer, or its answer could not be read."""
        return self.cause not in (*BUSY, *SILENT)


class VerificationState(StrEnum):
    """The result of a verification."""

    PROVED = "proved"
    SIMULATED = "simulated"
    """Without the application's credentials: its policies were evaluated instead."""
    UNPROVEN = "unproven"
    """Neither was possible."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Whether the application can decrypt the data key that was delivered to one target."""

    target: str
    state: VerificationState
    principal: str
    detail: str
    at: str
    """UTC, ISO 8601."""
    key_material: str = ""
    """The key material of the KMS key, as in ChildResult."""
    brief: str = ""
    """Of a proof, what was done, for a screen."""


# --- Vercel -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class VercelProject:
    """A project the token can reach."""

    id: str
    name: str
    team_id: str | None
    team_slug: str | None
    framework: str | None = None
    """The framework that Vercel detected: `nextjs`; None without one."""
    gives_tokens: bool | None = None
    """Whether its deployments get OIDC tokens; None: the endpoint does not say."""
    issuer_mode: VercelIssuerMode | None = None
    """The issuer of the tokens; None: the endpoint does not give it."""
    has_rolling_releases: bool = False
    """Whether a new deployment gets production's traffic in stages."""
    scope: Scope = PRODUCTION
    """The environment whose variables and deployments are meant: by default that of the stack."""
    variable_names: VariableNames = VariableNames()
    """The names that the stack's variables have there."""

    @classmethod
    def named(cls, team: str, project: str, environment: str = _PRODUCTION) -> VercelProject:
        """The project by name or id, of the team with that slug or id, before Vercel is asked about it."""
        is_id = team.startswith("team_")
        team_id, slug = (team, None) if is_id else (None, team or None)
        return cls(id=project, name=project, team_id=team_id, team_slug=slug, scope=Scope(environment=environment))

    def at(self, scope: Scope) -> VercelProject:
        """The project with another of its environments."""
        return replace(self, scope=scope)

    def with_names(self, names: VariableNames) -> VercelProject:
        """The project with variables of these names."""
        return replace(self, variable_names=names)


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
    custom_environments: tuple[str, ...] = ()
    """Ids of the custom environments it is for."""
    value: str | None = field(default=None, repr=False)
    """The value, where Vercel shows it: never for a sensitive variable."""


@dataclass(frozen=True, kw_only=True)
class Linked:
    """The project that a folder is linked to (`vercel link`)."""

    project_id: str
    team_id: str | None
    """`team_…`; None when the project belongs to a person's own account."""


# --- the engine -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The stack in the backend before this run."""

    exists: bool
    has_key: bool
    """Whether the PHI key is in the stack's state."""
    owned: tuple[str, ...] = ()
    """Ids and ARNs of all resources in the state."""
    pending: tuple[Step, ...] = ()
    """The remains of an earlier run: operations, and resources to be read from the account before the next plan."""
    outputs: Outputs | None = None
    resources: tuple[StateResource, ...] = ()
    """All resources of the state, in its order."""
    digest: str = ""
    """`sha256:` and 16 hex of the state's resources (URNs, ids, inputs); empty for none. Changes with any update."""
    stale_lock: str = ""
    """The owner of an abandoned lock, in words; empty for none. Known for a backend of local files."""

    @property
    def has_begun(self) -> bool:
        """Whether an update of it has begun: it is not new, and no removal of it has ended."""
        return any(resource.type == "pulumi:providers:aws" for resource in self.resources)

    def with_unrecorded(self, unrecorded: Iterable[UnrecordedResource]) -> StackState:
        """The state as it will be when these are imported: they are the stack's own."""
        own = tuple(unrecorded)
        if not own:
            return self
        has_key = self.has_key or any((each.type, each.name) == ("aws:kms/key:Key", "") for each in own)
        owned = (*self.owned, *(text for each in own for text in (each.id, each.arn)))
        return replace(self, has_key=has_key, owned=tuple(dict.fromkeys(owned)))
