"""What the doctor sees of the application's rights and of its variables: frozen facts.

Pure. They carry no words for people, and a value is in no repr.
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
    """One action of one principal on one resource, as IAM's simulator weighs it; the key's own policy has no part."""

    action: str
    ruling: Ruling
    by_boundary: bool | None = None
    """Whether the permissions boundary lets it pass; None: there is none."""
    by_organization: bool | None = None
    """Whether the organization's service control policies do; None: the account is in none, or it is not told."""
    depends_on: tuple[str, ...] = ()
    """Condition keys that nobody gave a value for: with one, the ruling might be another."""


@dataclass(frozen=True, kw_only=True)
class ProviderFact:
    """An IAM OIDC provider (GetOpenIDConnectProvider)."""

    arn: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VariableEntry:
    """One of the application's variables where it is set: on Vercel, or in a store of the account."""

    name: str
    place: str
    """In words: `Vercel project eonpro/eonpro (id …)`, `Parameter Store /eonpro/production/AWS_REGION`."""
    in_production: bool = True
    elsewhere: tuple[str, ...] = ()
    """The environments beside production that see it too."""
    type: str = ""
    """As Vercel names it: `sensitive`, `encrypted`; of a parameter nothing."""
    claimed: str | None = None
    """The data key's fingerprint that its comment or tag names."""
    value: str | None = field(default=None, repr=False)
    """None where it is not told; empty where it is empty."""
    id: str = ""
    """Vercel's, of the entry."""


@dataclass(frozen=True, kw_only=True)
class FormerText:
    """What a parameter or secret held, or holds, in one of its versions."""

    version: str
    """A parameter's number, a secret's id."""
    text: str = field(repr=False)
