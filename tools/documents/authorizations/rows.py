"""What a table of authorizations is: who asks for what under which policy, and the answer it has to give.

Pure: touches nothing but its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Policy = Mapping[str, Any]
Statement = Mapping[str, Any]

OWN_IAM = "IAM"
"""In the place of a statement: the policy is silent, and an IAM policy of the caller's own allows it."""


class Kind(StrEnum):
    """Which rules of evaluation a policy is under.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """

    KEY = "key"
    """Of a KMS key: IAM policies count only where it says so."""
    RESOURCE = "resource"
    """Of a bucket or a topic: in its own account an IAM policy alone is enough."""
    TRUST = "trust"
    """Of a role: who may take it."""
    IDENTITY = "identity"
    """Of a role or user: what its holder may do."""


@dataclass(frozen=True, kw_only=True)
class Who:
    """Somebody who asks: a principal of AWS, a service, or whoever bears a token of an identity provider."""

    name: str
    """In words."""
    identity: str
    """ARN of the user, role, root or identity provider; or the service's name."""
    kind: str = "AWS"
    """The element of a policy's Principal that names such a one: AWS, Service or Federated."""
    session: str | None = None
    """ARN of the role's session, if it is one."""
    iam: tuple[Statement, ...] = ()
    """What IAM policies of their own allow."""
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The account; empty for a service."""
        return self.identity.split(":")[4] if self.kind == "AWS" else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every way in which a policy may name exactly them."""
        return (self.identity, *((self.session,) if self.session else ()))

    @property
    def request_context(self) -> dict[str, str]:
        """The condition keys that each of their requests has."""
        transport = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
        if self.kind != "AWS":
            return {**transport, **self.context}
        account = {"aws:PrincipalAccount": self.account, "kms:CallerAccount": self.account}
        return {**transport, **account, "aws:PrincipalArn": self.identity, **self.context}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request and its answer."""

    who: Who
    action: str
    allowed: bool
    by: str | None = None
    """Sid of the statement that decides; OWN_IAM; None where no statement fits."""
    how: str = ""
    """In words, what is special about the request."""
    resource: str | None = None
    """What is asked for, where that is not what the table is about."""
    context: Mapping[str, str | None] = field(default_factory=dict)
    """Condition keys beside those of the one who asks, or instead of them; None: without this one."""
    but: tuple[str, ...] = ()
    """Condition keys that a refusal hangs on: without all of these conditions it would be allowed."""

    @property
    def request_context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys of the request."""
        told = {**self.who.request_context, **self.context}
        return {name: (value,) for name, value in told.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A policy, and who may and who may not do what by it."""

    title: str
    about: str
    """In a sentence or two: what it is and what it has to hold."""
    kind: Kind
    policy: Policy
    resource: str
    rows: tuple[Row, ...]


def may(
    who: Who,
    *actions: str,
    by: str,
    how: str = "",
    on: str | None = None,
    given: Mapping[str, str | None] | None = None,
) -> list[Row]:
    """Rows of what somebody may do, by the statement with this Sid; `given` are the condition keys of the request."""
    return [
        Row(who=who, action=action, allowed=True, by=by, how=how, resource=on, context=given or {})
        for action in actions
    ]


def may_not(
    who: Who,
    *actions: str,
    by: str | None = None,
    how: str = "",
    on: str | None = None,
    but: tuple[str, ...] = (),
    given: Mapping[str, str | None] | None = None,
) -> list[Row]:
    """Rows of what somebody may not do: denied `by` a statement, for want of a condition (`but`), or by silence."""
    return [
        Row(who=who, action=action, allowed=False, by=by, how=how, resource=on, context=given or {}, but=but)
        for action in actions
    ]
