"""The facts of an account for an evaluation: users, roles, their policies, trust, and grants on a key.

Pure: frozen facts. Documents are as IAM returns them; nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from components.policies.statements import PolicyStatement, statements_of
from components.settings.arn import Arn

Document = Mapping[str, Any]


class KeyPermission(StrEnum):
    """Whether a principal may do something."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """A document that decides it could not be read."""


@dataclass(frozen=True, kw_only=True)
class IamPolicy:
    """A policy of a principal: its own, its group's, or a managed one."""

    name: str
    """The ARN of a managed policy, else `<name> of <ARN of its holder>`."""
    document: Document | None
    """The policy document; None if it could not be read."""

    @cached_property
    def statements(self) -> tuple[PolicyStatement, ...]:
        return statements_of(self.document)


@dataclass(frozen=True, kw_only=True)
class IamPrincipal:
    """A user or a role, with everything that gives or limits its permissions within the account."""

    arn: str
    policies: tuple[IamPolicy, ...] = ()
    """All its policies: inline, attached, and those of its groups."""
    boundary: IamPolicy | None = None
    trust: Document | None = None
    """The trust policy of a role."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def trusting(self) -> tuple[PolicyStatement, ...]:
        """The statements of the role's trust policy."""
        return statements_of(self.trust)

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
        """The name without the path."""
        return Arn.parse(self.arn).name


@dataclass(frozen=True, kw_only=True)
class AccountIam:
    """Every user and role of an account (GetAccountAuthorizationDetails)."""

    principals: tuple[IamPrincipal, ...]

    def find(self, arn: str) -> IamPrincipal | None:
        """The user or role with exactly this ARN."""
        return self._by_arn.get(arn)

    @cached_property
    def _by_arn(self) -> Mapping[str, IamPrincipal]:
        return {principal.arn: principal for principal in self.principals}


@dataclass(frozen=True, kw_only=True)
class GrantFact:
    """A grant on the key (ListGrants)."""

    id: str
    grantee: str
    operations: tuple[str, ...]
    made: datetime | None
    retiring: str | None
    name: str = ""
    key_arn: str = ""
    """The key or the replica that it is on."""
    constraints: tuple[str, ...] = ()
    """The required encryption context, `EncryptionContextEquals name=value`; or the source's ARN."""
