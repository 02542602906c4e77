"""What an account's IAM says, as it was read: users, groups, roles, their policies and whom a role trusts.

Pure: frozen facts. Documents are as IAM gives them; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class IamPolicy:
    """One policy of a principal's: its own, its group's, or a managed one."""

    name: str
    """The ARN of a managed policy, else `<name> of <ARN of its holder>`."""
    document: Document | None
    """None: it could not be read."""


@dataclass(frozen=True, kw_only=True)
class IamPrincipal:
    """A user or a role, with everything that gives or limits its rights within the account."""

    arn: str
    policies: tuple[IamPolicy, ...] = ()
    """All that give and deny: inline, attached, and its groups'."""
    boundary: IamPolicy | None = None
    trust: Document | None = None
    """Of a role: who may assume it."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_role(self) -> bool:
        """Whether it is a role; else a user."""
        return ":role/" in self.arn

    @property
    def is_service_linked(self) -> bool:
        """Whether it is a role that only one AWS service can assume, and nobody can change."""
        return ":role/aws-service-role/" in self.arn

    @property
    def name(self) -> str:
        """Without the path."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class AccountIam:
    """Every user and role of an account (GetAccountAuthorizationDetails)."""

    principals: tuple[IamPrincipal, ...]

    def find(self, arn: str) -> IamPrincipal | None:
        """The user or role of that very ARN."""
        return next((each for each in self.principals if each.arn == arn), None)


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
