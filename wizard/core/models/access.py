"""Who can use and who can administer the key, and what can prevent the application: frozen facts.

Pure. No text for people. What could not be read is `unknown`, never no.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from components.policies.evaluation import AccountIam, Document, KeyAccessDocuments
from components.policies.evaluation.account import GrantFact, KeyPermission
from components.policies.evaluation.administrators import other_policy_changers
from components.policies.evaluation.key_access import key_context
from components.settings import Settings
from components.settings.arn import Arn
from wizard.core.errors import SetupError, known_or
from wizard.core.models.account import KeyFact


class PolicyFindingKind(StrEnum):
    """The kind of a statement of IAM Access Analyzer about a policy; the first two are types of ValidatePolicy's
    findings.
    """

    ERROR = "error"
    """Some of it is no valid policy."""
    SECURITY_WARNING = "security-warning"
    PUBLIC = "public-access"
    NEW = "new-access"
    """Something that the policy before it did not allow."""


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """A finding of IAM Access Analyzer about a policy of the plan."""

    policy: str
    """The `StackPolicy.name`."""
    kind: PolicyFindingKind
    text: str
    """AWS's words."""


@dataclass(frozen=True, kw_only=True)
class PolicyJudgement:
    """The findings of IAM Access Analyzer about the policies of a plan."""

    findings: tuple[PolicyFinding, ...] = ()
    not_asked: str = ""
    """Why nothing, or not everything, could be asked; empty where all was."""


@dataclass(frozen=True, kw_only=True)
class TokenSubject:
    """The name of a GitHub repository in the subject of its tokens: `repo:<repository>:<workflow>`."""

    repository: str
    """OWNER/NAME; with its immutable ids OWNER@OWNER_ID/NAME@REPOSITORY_ID."""
    is_default: bool = True
    """Whether the rest is GitHub's default; False for the repository's own template."""


@dataclass(frozen=True, kw_only=True)
class AccessKeyAge:
    """A long-lived access key of an IAM user."""

    id: str
    active: bool
    age_days: int
    last_used: datetime | None
    """UTC; None: never, or unknown."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """The sign-in of a principal that can use or administer the key."""

    arn: str
    """A user, the account's root user, or a role whose MFA another place decides."""
    mfa: bool | None = None
    """Whether an MFA device is assigned; None: not seen, and `why` says why."""
    has_password: bool = False
    """Whether it can sign in to the console."""
    password_age_days: int | None = None
    """Age of its password in days; None without one, or if AWS does not give it (root)."""
    access_keys: tuple[AccessKeyAge, ...] = ()
    has_root_keys: bool = False
    """Whether the root user has access keys; AWS tells neither their ids nor their age."""
    why: str = ""

    def is_in_iam(self, account: str) -> bool:
        """Whether IAM of this account knows how it signs in: a user, or the root user."""
        return self.arn.partition(f"::{account}:")[2].startswith(("user/", "root"))


@dataclass(frozen=True, kw_only=True)
class PrincipalAccess:
    """A principal and its rights on the key."""

    arn: str
    """An ARN, a pattern of ARNs, an account's root, a service, or `*`."""
    use: KeyPermission
    """Decrypt, or anything else that returns plaintext."""
    administer: KeyPermission
    delete: KeyPermission
    """Schedule the key's deletion."""
    ways: tuple[str, ...]
    """Sources of the rights: `key policy: <Sid>`, `grant <id>`, `IAM policy <arn or name>`, …"""
    assumed_by: tuple[str, ...] = ()
    """The principals that can assume it, if it is a role; chains of roles are followed."""
    open_to: tuple[str, ...] = ()
    """Of these the principals of another account, and everybody, each with its conditions as text."""
    last_use: datetime | None = None
    """UTC; of the key, by CloudTrail."""
    events: int | None = None
    """Its cryptographic calls on the key in the window; None: unknown. A lower bound where the history is cut off."""
    verifications: int | None = None
    """Number of uses by this product's verification; None: unknown."""
    refused: int | None = None
    """Its calls on the key that were refused in the window; None: unknown."""
    access_keys: tuple[AccessKeyAge, ...] = ()
    are_access_keys_known: bool = True
    """False where they could not be listed. Only a user has access keys."""
    is_expected: bool = True
    """Whether the stack's settings name it: an application principal, an administrator, the root statement."""
    beyond: tuple[str, ...] = ()
    """Rights of an expected principal that the settings do not give it, from every source."""

    @property
    def rights(self) -> frozenset[str]:
        """The principal's rights: `use`, `administer`, `delete`."""
        permissions = {"use": self.use, "administer": self.administer, "delete": self.delete}
        return frozenset(right for right, permission in permissions.items() if permission is KeyPermission.YES)

    @property
    def surplus(self) -> frozenset[str]:
        """The principal's rights that the settings do not give it."""
        return frozenset(self.beyond) if self.is_expected else self.rights

    @property
    def is_known(self) -> bool:
        """Whether every one of the three is a yes or a no."""
        return KeyPermission.UNKNOWN not in (self.use, self.administer, self.delete)


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """When the key was last used (GetKeyLastUsage)."""

    at: datetime | None
    """UTC; None: not since `tracked_since`."""
    operation: str | None
    tracked_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class ReplicaUse:
    """When a replica was last used."""

    arn: str
    use: KeyUse | None
    """None: it could not be read."""


@dataclass(frozen=True, kw_only=True)
class History:
    """CloudTrail's event history of the key and its replicas."""

    since: datetime
    """UTC; how far back it was read: the window, or the oldest event that was read where it is cut off."""
    events: int
    """The number that was read."""
    is_cut_off: bool = False
    """Whether there were more than are read: then every count is a lower bound."""


@dataclass(frozen=True, kw_only=True)
class KeyEvents:
    """The event history of one principal and the key."""

    principal: str
    """An IAM user's or role's ARN, sessions reduced to their role; an account's root; a service."""
    uses: int = 0
    """Cryptographic calls that succeeded."""
    verifications: int = 0
    """Those of them that this product's verification as the application made."""
    refused: int = 0
    """Calls of any kind that were denied."""
    last_use: datetime | None = None
    """UTC, of the successful ones."""


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A failed read, and its reason."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class AccessReview:
    """The users and administrators of the key, read at one time."""

    stack: str
    key_arn: str
    at: datetime
    """UTC."""
    window_days: int
    """Days of CloudTrail's event history that were read."""
    principals: tuple[PrincipalAccess, ...]
    grants: tuple[GrantFact, ...] | None
    """None: it could not be read."""
    last_use: KeyUse | None
    """Of the key itself. None: it could not be read."""
    replicas: tuple[ReplicaUse, ...] = ()
    """Each with its own last use."""
    elsewhere: tuple[str, ...] = ()
    """The ARNs of the replicas, and of a moved primary, in Regions that the settings do not name."""
    history: History | None = None
    """None: it could not be read."""
    unread: tuple[Unread, ...] = ()

    @property
    def unexpected(self) -> tuple[PrincipalAccess, ...]:
        """The principals that the settings do not name and that have a right on the key."""
        return tuple(principal for principal in self.principals if not principal.is_expected and principal.rights)

    @property
    def undecided(self) -> tuple[PrincipalAccess, ...]:
        """The principals with an unknown right."""
        return tuple(principal for principal in self.principals if not principal.is_known)


@dataclass(frozen=True, kw_only=True)
class SignOff:
    """The confirmation of a person that a review is correct."""

    signer: str
    """Name as typed, and the ARN of the credentials it was signed with."""
    signer_arn: str
    at: datetime
    """UTC."""
    review_digest: str
    """`sha256:` and 64 hex of the review's canonical JSON."""
    file: str
    """Its file."""


class Ruling(StrEnum):
    """The decision of IAM's simulator (EvalDecision)."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


@dataclass(frozen=True, kw_only=True)
class StatementEvaluation:
    """The decision of IAM's simulator on one action of one principal; the key policy is not considered."""

    action: str
    ruling: Ruling | None
    """None: the simulator returned no decision on this action, or one that is not known here."""
    by_boundary: bool | None = None
    """Whether the permissions boundary allows it; None: there is no boundary."""
    by_organization: bool | None = None
    """Whether the organization's service control policies allow it; None: no organization, or unknown."""
    depends_on: tuple[str, ...] = ()
    """Conditions of a denial whose values are not known: with them, the decision might be different."""

    @property
    def allowed(self) -> bool | None:
        """Whether the action is allowed; None: unknown."""
        if self.ruling is None or self.depends_on:
            return None
        return self.ruling is Ruling.ALLOWED


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The decisions of IAM's simulator on some actions of one principal on one resource (SimulatePrincipalPolicy)."""

    principal: str
    resource: str
    evaluations: tuple[StatementEvaluation, ...]

    @property
    def denied(self) -> tuple[str, ...]:
        """The actions that are denied whatever the unknown values are."""
        return tuple(evaluation.action for evaluation in self.evaluations if evaluation.allowed is False)

    @property
    def unknown(self) -> tuple[str, ...]:
        return tuple(evaluation.action for evaluation in self.evaluations if evaluation.allowed is None)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The conditions on which the unknown decisions depend."""
        return tuple(sorted({term for evaluation in self.evaluations for term in evaluation.depends_on}))

    @property
    def allowed(self) -> bool | None:
        """Whether all the actions are allowed; None: unknown."""
        return False if self.denied else None if self.unknown else True

    @property
    def detail(self) -> str:
        """The decision in words."""
        if self.denied:
            return f"the policies of {self.principal} do not allow {', '.join(self.denied)} on {self.resource}"
        if self.unknown:
            terms = ", ".join(self.depends_on) or "what the simulator did not answer"
            return f"whether {self.principal} is allowed {', '.join(self.unknown)} depends on {terms}"
        actions = ", ".join(evaluation.action for evaluation in self.evaluations)
        return f"the policies of {self.principal} allow {actions} on {self.resource}"


@dataclass(frozen=True, kw_only=True)
class VariableEntry:
    """A variable of the application: on Vercel, or in a store of the account."""

    name: str
    place: str
    """The place as text: `Vercel project eonpro/eonpro (id …)`, `Parameter Store /eonpro/production/AWS_REGION`."""
    in_scope: bool = True
    """Whether the deployments of the stack's own environment read it."""
    elsewhere: tuple[str, ...] = ()
    """The other environments that read it too."""
    type: str = ""
    """Vercel's type: `sensitive`, `encrypted`; empty for a parameter."""
    claimed: str | None = None
    """The data key's fingerprint in its comment or tag."""
    value: str | None = field(default=None, repr=False)
    """The value; None if it cannot be read."""
    is_changed: bool = False
    """Whether somebody changed it since it was delivered; only of a value that cannot be read."""
    is_marked: bool = False
    """Whether its comment says that this program wrote it."""
    recorded: str | None = None
    """The fingerprint of the value that this program wrote, by the comment; None where that does not say it."""
    id: str = ""
    """Vercel's, of the entry."""


@dataclass(frozen=True, kw_only=True)
class FormerText:
    """The value of one version of a parameter or secret."""

    version: str
    """A parameter's number, a secret's id."""
    text: str = field(repr=False)
    at: datetime | None = None
    """UTC; when it was written; None: unknown."""


def documents_of(
    arn: str,
    *,
    policy: Document | SetupError | None,
    grants: tuple[GrantFact, ...] | SetupError | None,
    iam: AccountIam | SetupError | None,
    key: KeyFact | SetupError | None,
    aliases: tuple[str, ...] | SetupError | None = None,
) -> KeyAccessDocuments:
    """Everything that was read about the access to the key of this ARN."""
    return KeyAccessDocuments(
        arn=arn,
        account=Arn.parse(arn).account,
        policy=known_or(policy, None),
        grants=known_or(grants, None),
        iam=known_or(iam, None),
        context=key_context(
            arn,
            tags=key.tags if isinstance(key, KeyFact) else None,
            aliases=known_or(aliases, None),
        ),
    )


def not_strict(documents: KeyAccessDocuments, settings: Settings) -> str | None:
    """Principals that can change the strict key policy, in words; empty for none, None if unknown."""
    if not settings.strict_key_policy:
        return ""
    able, is_certain = other_policy_changers(
        documents, administrators=settings.administrators, patterns=settings.administrator_patterns
    )
    if able:
        more = f" and {len(able) - 2} more" if len(able) > 2 else ""
        return f"lets {' and '.join(able[:2])}{more} change it, although it is strict"
    return "" if is_certain else None
