"""Facts that are detected before the first question: profiles, permissions, quotas, the state backend.

Pure. No text for people.
"""

from dataclasses import dataclass
from enum import StrEnum


class ProfileKind(StrEnum):
    """The source of a profile's credentials."""

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
    """How many more the set-up creates."""
    next: str
    """The command that requests a higher limit, or that lists the current resources."""

    @property
    def exceeded(self) -> bool:
        """Whether the set-up would exceed it."""
        return self.used + self.needed > self.limit
