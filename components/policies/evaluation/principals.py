"""Principals in policies: users and roles, an account's root, other accounts, services, everybody.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from components.policies.evaluation.account import AccountIam, Document, IamPrincipal
from components.policies.evaluation.conditions import Context
from components.policies.statements import PolicyStatement, Principal, statements_of
from components.settings.arn import resource_name

EVERYBODY = "*"
ACCOUNT_ACCESS = "account-access.amazonaws.com"
"""The service principal by which AWS account access assumes a role for a person.
https://docs.aws.amazon.com/account-access/latest/APIReference/"""
_ROOT = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root|(\d{12})")
_OWNER = re.compile(r"arn:[a-z-]+:(?:iam|sts)::(\d{12}):.+")
_SESSION = re.compile(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")


class PrincipalKind(StrEnum):
    """The kind of principal that a name in a policy means."""

    PRINCIPAL = "principal"
    """A user or a role of the account."""
    ROOT = "root"
    """The account itself: its root user, and every principal that its IAM allows."""
    OTHER_ACCOUNT = "other account"
    """Another account, or a principal of it."""
    SERVICE = "service"
    ACCOUNT_ACCESS = "AWS account access"
    """The people of IAM Identity Center who are assigned to a role in AWS account access: it signs them in."""
    FEDERATED = "federated"
    EVERYBODY = "everybody"
    OTHER = "other"
    """A session, a federated user, or the id of a deleted principal."""


class PrincipalMatch(StrEnum):
    """The way in which a statement's principal element covers a caller."""

    NAMED = "named"
    ACCOUNT = "account"
    """It names the account: the account's IAM has to allow it too."""
    EVERYBODY = "everybody"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A principal that may send a request, and the known values of its requests."""

    arn: str
    kind: PrincipalKind
    context: Context
    iam: IamPrincipal | None = None
    """The facts of a user or role whose policies were read."""


def account_of(arn: str) -> str | None:
    """The account that an ARN, or an account's bare id, belongs to."""
    if match := _ROOT.fullmatch(arn):
        return match[1] or match[2]
    match = _OWNER.fullmatch(arn)
    return match[1] if match else None


def role_of_session(arn: str) -> tuple[str, str] | None:
    """`arn:aws:iam::123456789012:role` and the name of a session's role, whose path the session's ARN does not have."""
    match = _SESSION.fullmatch(arn)
    return (f"arn:{match[1]}:iam::{match[2]}:role", match[3]) if match else None


def kind_of(name: str, account: str, principal_type: str = "AWS") -> PrincipalKind:
    """The principal that a name in a policy of this account means."""
    if name == EVERYBODY:
        return PrincipalKind.EVERYBODY
    if principal_type == "Service":
        return PrincipalKind.ACCOUNT_ACCESS if name == ACCOUNT_ACCESS else PrincipalKind.SERVICE
    if principal_type == "Federated":
        return PrincipalKind.FEDERATED
    owner = account_of(name)
    if owner is not None and owner != account:
        return PrincipalKind.OTHER_ACCOUNT
    if _ROOT.fullmatch(name):
        return PrincipalKind.ROOT
    return PrincipalKind.PRINCIPAL if owner and re.search(r":(user|role)/", name) else PrincipalKind.OTHER


def caller_of(
    name: str,
    *,
    account: str,
    context: Context | None = None,
    iam: AccountIam | None = None,
    kind: PrincipalKind | None = None,
) -> Caller:
    """A caller by its name in a policy. `context`: the known values of the key and of every request.

    A session's ARN does not contain its role's path, so that `aws:PrincipalArn` is not known of a session.
    """
    kind = kind or kind_of(name, account)
    known = dict(context or {})
    owner = account_of(name)
    if owner is not None:
        known |= {"aws:principalaccount": (owner,), "kms:calleraccount": (owner,)}
    if kind in (PrincipalKind.PRINCIPAL, PrincipalKind.ROOT):
        root = kind is PrincipalKind.ROOT
        known |= {
            "aws:principalarn": (name,),
            "aws:principalisawsservice": ("false",),
            "aws:principaltype": ("Account" if root else "AssumedRole" if ":role/" in name else "User",),
        }
    if kind in (PrincipalKind.SERVICE, PrincipalKind.ACCOUNT_ACCESS):
        known |= {"aws:principalisawsservice": ("true",), "aws:principalservicename": (name,)}
    return Caller(arn=name, kind=kind, context=known, iam=iam.find(name) if iam else None)


def match_principal(statement: PolicyStatement, caller: Caller, account: str) -> PrincipalMatch | None:
    """The way in which a statement of a key policy or trust policy covers a caller; None if it does not."""
    if statement.not_principals is not None:
        excepted = _names(statement.not_principals)
        is_excepted = EVERYBODY in excepted or any(_is_same(name, caller.arn) for name in excepted)
        return None if is_excepted else PrincipalMatch.EVERYBODY
    names = _names(statement.principals)
    if any(_is_same(name, caller.arn) for name in names):
        return PrincipalMatch.NAMED
    is_of_account = account_of(caller.arn) == account and caller.kind in (
        PrincipalKind.ROOT,
        PrincipalKind.PRINCIPAL,
        PrincipalKind.OTHER,
    )
    if is_of_account and account in {account_of(name) for name in names if _ROOT.fullmatch(name)}:
        # The root user is the account: it needs no IAM policy.
        return PrincipalMatch.NAMED if caller.kind is PrincipalKind.ROOT else PrincipalMatch.ACCOUNT
    return PrincipalMatch.EVERYBODY if EVERYBODY in names else None


def _is_same(name: str, arn: str) -> bool:
    if name == arn:
        return True
    # A role name is unique in its account, whatever its path.
    session = role_of_session(arn)
    return session is not None and name.startswith(f"{session[0]}/") and resource_name(name) == session[1]


def allowed_principals(document: Document | None, account: str) -> Iterator[tuple[str, PrincipalKind]]:
    """Everybody that the Allow statements name, once; an account by its root's ARN."""
    names = set()
    for statement in statements_of(document):
        if not statement.allows:
            continue
        for name, kind in statement_principals(statement, account):
            if name not in names:
                names.add(name)
                yield name, kind


def statement_principals(statement: PolicyStatement, account: str) -> Iterator[tuple[str, PrincipalKind]]:
    """Everybody that one statement names."""
    if statement.not_principals is not None:
        # Everybody except a few includes principals that nobody considered.
        yield EVERYBODY, PrincipalKind.EVERYBODY
        return
    for kind, name in statement.principals:
        # A text that is no `*` is no principal.
        if kind != EVERYBODY or name == EVERYBODY:
            yield name, kind_of(name, account, kind)


def _names(principals: tuple[Principal, ...]) -> set[str]:
    return {name for kind, name in principals if kind != EVERYBODY or name == EVERYBODY}
