"""The types of the tables of authorizations: requests under a policy, and whether each is allowed.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from components.settings.arn import Arn

Policy = Mapping[str, Any]
Statement = Mapping[str, Any]

OWN_IAM = "IAM"
"""Instead of a Sid: the policy neither allows nor denies it, and an IAM policy of the caller allows it."""


class Kind(StrEnum):
    """The evaluation rules of a policy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """

    KEY = "key"
    """Policy of a KMS key: IAM policies count only where it delegates to them."""
    RESOURCE = "resource"
    """Policy of a bucket or a topic: in its own account an IAM policy is enough."""
    TRUST = "trust"
    """Trust policy of a role."""
    IDENTITY = "identity"
    """Identity policy of a role or user."""


@dataclass(frozen=True, kw_only=True)
class Who:
    """A caller: a principal of AWS, a service, or the holder of a token of an identity provider."""

    name: str
    """The name in the page."""
    identity: str
    """ARN of the user, role, root or identity provider; or the service's name."""
    kind: str = "AWS"
    """The element of a policy's Principal that names it: AWS, Service or Federated."""
    session: str | None = None
    """ARN of the role's session, if it is one."""
    iam: tuple[Statement, ...] = ()
    """The statements of the caller's own IAM policies."""
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The account; empty for a service."""
        return Arn.parse(self.identity).account if self.kind == "AWS" else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every ARN by which a policy can name exactly this caller."""
        return (self.identity, *((self.session,) if self.session else ()))

    @property
    def request_context(self) -> dict[str, str]:
        transport = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
        if self.kind != "AWS":
            return {**transport, **self.context}
        account = {"aws:PrincipalAccount": self.account, "kms:CallerAccount": self.account}
        return {**transport, **account, "aws:PrincipalArn": self.identity, **self.context}


@dataclass(frozen=True, kw_only=True)
class Row:
    who: Who
    action: str
    allowed: bool
    by: str | None = None
    """Sid of the statement that decides; OWN_IAM; None where no statement applies."""
    how: str = ""
    """The special condition of the request, as text."""
    resource: str | None = None
    """The resource of the request, where it is not the table's."""
    context: Mapping[str, str | None] = field(default_factory=dict)
    """Condition keys in addition to the caller's, or instead of them; None: without this key."""
    but: tuple[str, ...] = ()
    """The condition keys that cause a denial: without these conditions the request would be allowed."""

    @property
    def request_context(self) -> dict[str, tuple[str, ...]]:
        merged = {**self.who.request_context, **self.context}
        return {name: (value,) for name, value in merged.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A policy, and the requests that it allows and denies."""

    title: str
    about: str
    """The purpose of the policy, in one or two sentences."""
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
    context: Mapping[str, str | None] | None = None,
) -> list[Row]:
    """Rows of requests that the statement with this Sid allows; `context` has the condition keys of the request."""
    row = Row(who=who, action="", allowed=True, by=by, how=how, resource=on, context=context or {})
    return [replace(row, action=action) for action in actions]


def may_not(
    who: Who,
    *actions: str,
    by: str | None = None,
    how: str = "",
    on: str | None = None,
    but: tuple[str, ...] = (),
    context: Mapping[str, str | None] | None = None,
    because: Mapping[str, str | None] | None = None,
) -> list[Row]:
    """Rows of denied requests: `by` a statement, because of a condition (`but`), or because nothing allows them.

    `because`: a context in place of `context`, each of whose keys is such a condition.
    """
    context, but = because or context or {}, but or tuple(because or ())
    row = Row(who=who, action="", allowed=False, by=by, how=how, resource=on, context=context, but=but)
    return [replace(row, action=action) for action in actions]
