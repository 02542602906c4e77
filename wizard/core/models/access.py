"""What is known of who can use and who can administer the key: frozen facts, for the review and the report.

Pure. They carry no words for people. What was denied is `unknown`, and never taken for no.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from components.policies.evaluation.account import GrantFact, KeyPermission


@dataclass(frozen=True, kw_only=True)
class AccessKeyAge:
    """A long-lived access key of an IAM user."""

    id: str
    active: bool
    age_days: int
    last_used: datetime | None
    """UTC; None: never, or not known."""


@dataclass(frozen=True, kw_only=True)
class PrincipalAccess:
    """One principal and what it may do with the key."""

    arn: str
    """An ARN, a pattern of ARNs, an account's root, a service, or `*`."""
    use: KeyPermission
    """Decrypt, or anything else that gives plaintext."""
    administer: KeyPermission
    delete: KeyPermission
    """Schedule the key's deletion."""
    ways: tuple[str, ...]
    """By what: `key policy: <Sid>`, `grant <id>`, `IAM policy <arn or name>`, …"""
    assumed_by: tuple[str, ...] = ()
    """Who may become it: the principals of a role's trust policy, chains followed."""
    last_use: datetime | None = None
    """UTC; of the key, by CloudTrail."""
    events: int | None = None
    """Its cryptographic calls on the key in the window; None: not known. A lower bound where the history is cut off."""
    refused: int | None = None
    """Its calls on the key that were refused in the window; None: not known."""
    access_keys: tuple[AccessKeyAge, ...] = ()
    are_access_keys_known: bool = True
    """False where they could not be listed; there are none of what is no user."""
    is_expected: bool = True
    """Whether the stack's settings name it: an application principal, an administrator, the root statement."""
    beyond: tuple[str, ...] = ()
    """Of one that the settings name: rights that they do not give it, and that do not come through IAM either."""

    @property
    def rights(self) -> frozenset[str]:
        """What it may do: `use`, `administer`, `delete`."""
        found = {"use": self.use, "administer": self.administer, "delete": self.delete}
        return frozenset(name for name, may in found.items() if may is KeyPermission.YES)

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
    """None: could not be read."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What CloudTrail's event history told of the key and its replicas."""

    since: datetime
    """UTC; how far back it was read: the window, or the oldest event that was read where it is cut off."""
    events: int
    """All that were read."""
    is_cut_off: bool = False
    """Whether there were more than are read at once: then every count is a lower bound."""


@dataclass(frozen=True, kw_only=True)
class KeyEvents:
    """What the event history tells of one principal and the key."""

    principal: str
    """An IAM user's or role's ARN, sessions reduced to their role; an account's root; a service."""
    uses: int = 0
    """Cryptographic calls that succeeded."""
    refused: int = 0
    """Calls of any kind that were denied."""
    last_use: datetime | None = None
    """UTC, of the successful ones."""


@dataclass(frozen=True, kw_only=True)
class Unread:
    """One thing that could not be read, and why: what it would have told is unknown."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class AccessReview:
    """Who can use and who can administer the key, as read at one time."""

    stack: str
    key_arn: str
    at: datetime
    """UTC."""
    window_days: int
    """How far back CloudTrail was asked."""
    principals: tuple[PrincipalAccess, ...]
    grants: tuple[GrantFact, ...] | None
    """None: could not be read."""
    last_use: KeyUse | None
    """Of the key itself. None: could not be read."""
    replicas: tuple[ReplicaUse, ...] = ()
    """They count their uses apart."""
    history: History | None = None
    """None: could not be read."""
    unread: tuple[Unread, ...] = ()

    @property
    def unexpected(self) -> tuple[PrincipalAccess, ...]:
        """Who the settings do not name, and has some right on the key."""
        return tuple(each for each in self.principals if not each.is_expected and each.rights)

    @property
    def undecided(self) -> tuple[PrincipalAccess, ...]:
        """Of whom something is unknown."""
        return tuple(each for each in self.principals if not each.is_known)


@dataclass(frozen=True, kw_only=True)
class SignOff:
    """Somebody's word that a review was looked at."""

    signer: str
    """Name as typed, and the ARN of the credentials it was signed with."""
    signer_arn: str
    at: datetime
    """UTC."""
    review_digest: str
    """`sha256:` and 64 hex of the review's canonical JSON."""
    file: str
    """Where it is kept."""
