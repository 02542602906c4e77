"""What `doctor` reads of the application's permissions and of its variables: frozen facts.

Pure. They contain no text for people, and a value is in no repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Ruling(StrEnum):
    """What IAM's simulator decides (EvalDecision)."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


@dataclass(frozen=True, kw_only=True)
class StatementEvaluation:
    """The decision of IAM's simulator on one action of one principal; the key policy is not considered."""

    action: str
    ruling: Ruling
    by_boundary: bool | None = None
    """Whether the permissions boundary allows it; None: there is no boundary."""
    by_organization: bool | None = None
    """Whether the organization's service control policies allow it; None: no organization, or unknown."""
    depends_on: tuple[str, ...] = ()
    """Condition keys without a value: with one, the decision might be different."""


@dataclass(frozen=True, kw_only=True)
class ProviderFact:
    """An IAM OIDC provider (GetOpenIDConnectProvider)."""

    arn: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VariableEntry:
    """One of the application's variables: on Vercel, or in a store of the account."""

    name: str
    place: str
    """As text: `Vercel project eonpro/eonpro (id …)`, `Parameter Store /eonpro/production/AWS_REGION`."""
    in_production: bool = True
    elsewhere: tuple[str, ...] = ()
    """The other environments that read it too."""
    type: str = ""
    """Vercel's type: `sensitive`, `encrypted`; empty for a parameter."""
    claimed: str | None = None
    """The data key's fingerprint in its comment or tag."""
    value: str | None = field(default=None, repr=False)
    """None where it cannot be read; empty where it is empty."""
    id: str = ""
    """Vercel's, of the entry."""


@dataclass(frozen=True, kw_only=True)
class FormerText:
    """The value of one version of a parameter or secret."""

    version: str
    """A parameter's number, a secret's id."""
    text: str = field(repr=False)
