"""Whom policies name: users and roles, an account's root, other accounts, services, everybody.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from wizard.commands.review.conditions import Known, listed
from wizard.commands.review.statements import Statement, statements_of
from wizard.core.models.iam import AccountIam, Document, IamPrincipal

EVERYBODY = "*"
_ROOT = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root|(\d{12})")
_OWNER = re.compile(r"arn:[a-z-]+:(?:iam|sts)::(\d{12}):.+")


class PrincipalKind(StrEnum):
    """What a name in a policy stands for."""

    PRINCIPAL = "principal"
    """A user or a role of the account."""
    ROOT = "root"
    """The account itself: its root user, and whomever its IAM lets."""
    STRANGER = "stranger"
    """Another account, or somebody of it."""
    SERVICE = "service"
    FEDERATED = "federated"
    EVERYBODY = "everybody"
    OTHER = "other"
    """A session, a user of a federation, or the id of what was deleted."""


class Reach(StrEnum):
    """How a statement reaches somebody."""

    NAMED = "named"
    ACCOUNT = "account"
    """By naming the account, so that its IAM has to allow it too."""
    EVERYBODY = "everybody"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Somebody a policy may speak of, and what is known of every request of theirs."""

    arn: str
    kind: PrincipalKind
    known: Known
    iam: IamPrincipal | None = None
    """Of a user or role whose policies could be read."""


def account_of(arn: str) -> str | None:
    """The account that an ARN, or an account's bare id, belongs to."""
    if match := _ROOT.fullmatch(arn):
        return match[1] or match[2]
    match = _OWNER.fullmatch(arn)
    return match[1] if match else None


def kind_of(name: str, account: str, principal_type: str = "AWS") -> PrincipalKind:
    """What a name of a policy of this account stands for."""
    if name == EVERYBODY:
        return PrincipalKind.EVERYBODY
    if principal_type in ("Service", "Federated"):
        return PrincipalKind.SERVICE if principal_type == "Service" else PrincipalKind.FEDERATED
    owner = account_of(name)
    if owner is not None and owner != account:
        return PrincipalKind.STRANGER
    if _ROOT.fullmatch(name):
        return PrincipalKind.ROOT
    return PrincipalKind.PRINCIPAL if owner and re.search(r":(user|role)/", name) else PrincipalKind.OTHER


def subject(
    name: str, *, account: str, facts: Known, iam: AccountIam | None = None, kind: PrincipalKind | None = None
) -> Subject:
    """Somebody by the name that a policy has for them; `facts` is what is known of the key and every request."""
    kind = kind or kind_of(name, account)
    known = dict(facts)
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
    if kind is PrincipalKind.SERVICE:
        known |= {"aws:principalisawsservice": ("true",), "aws:principalservicename": (name,)}
    return Subject(arn=name, kind=kind, known=known, iam=iam.find(name) if iam else None)


def reach(statement: Statement, who: Subject, account: str) -> Reach | None:
    """How a key policy's or trust policy's statement reaches somebody; None where it does not."""
    if "NotPrincipal" in statement:
        excepted = set(_names(statement["NotPrincipal"]))
        return None if {who.arn, EVERYBODY} & excepted else Reach.EVERYBODY
    names = set(_names(statement.get("Principal")))
    if who.arn in names:
        return Reach.NAMED
    if who.kind is PrincipalKind.ROOT or who.kind is PrincipalKind.PRINCIPAL:
        owners = {account_of(name) for name in names if _ROOT.fullmatch(name)}
        if account in owners:
            return Reach.NAMED if who.kind is PrincipalKind.ROOT else Reach.ACCOUNT
    return Reach.EVERYBODY if EVERYBODY in names else None


def named_in(document: Document | None, account: str) -> Iterator[tuple[str, PrincipalKind]]:
    """Everybody that the statements which allow something name, once; an account by its root's ARN."""
    seen = set()
    for statement in statements_of(document):
        if statement.get("Effect") != "Allow":
            continue
        for name, kind in principals_of(statement, account):
            if name not in seen:
                seen.add(name)
                yield name, kind


def principals_of(statement: Statement, account: str) -> Iterator[tuple[str, PrincipalKind]]:
    """Everybody that one statement names."""
    principal = statement.get("Principal")
    if "NotPrincipal" in statement or principal == EVERYBODY:
        # Allowing all but some allows everybody whom nobody thought of.
        yield EVERYBODY, PrincipalKind.EVERYBODY
        return
    for principal_type, names in principal.items() if isinstance(principal, Mapping) else ():
        for name in listed(names):
            yield name, kind_of(name, account, principal_type)


def _names(principal: object) -> Iterator[str]:
    if principal == EVERYBODY:
        yield EVERYBODY
    elif isinstance(principal, Mapping):
        for names in principal.values():
            yield from listed(names)
