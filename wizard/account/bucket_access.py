"""Who the policy of a bucket lets read, change or delete the audit records in it, beyond another policy.

Pure. https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from components.policies.evaluation.principals import (
    Caller,
    PrincipalKind,
    caller_of,
    match_principal,
    statement_principals,
)
from components.policies.evaluation.statements import Request, match_statement
from components.policies.statements import PolicyStatement, normalized, statements_of, written_statements
from wizard.account.comparison.policies import DELETED, covers, rights, rights_of

Document = Mapping[str, Any]


class BucketRight(StrEnum):
    """What can be done to audit records, in words."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    GOVERN = "change the bucket that has"


_ACTIONS: Mapping[BucketRight, tuple[str, ...]] = {
    BucketRight.READ: ("GetObject", "GetObjectVersion", "ListBucket", "ListBucketVersions"),
    BucketRight.WRITE: ("PutObject", "ReplicateObject", "RestoreObject"),
    BucketRight.DELETE: (
        "DeleteObject",
        "DeleteObjectVersion",
        "BypassGovernanceRetention",
        "PutObjectRetention",
        "PutObjectLegalHold",
        "PutLifecycleConfiguration",
        "DeleteBucket",
        "ReplicateDelete",
    ),
    BucketRight.GOVERN: (
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        "PutBucketAcl",
        "PutObjectAcl",
        "PutObjectVersionAcl",
        "PutBucketVersioning",
        "PutBucketPublicAccessBlock",
        "PutBucketOwnershipControls",
        "PutBucketObjectLockConfiguration",
        "PutEncryptionConfiguration",
        "PutReplicationConfiguration",
        "PutBucketLogging",
        "ObjectOwnerOverrideToBucketOwner",
    ),
}
"""The names of the actions, without `s3:`; those of an object are in `_OF_OBJECTS`."""

_OF_OBJECTS = frozenset(
    "GetObject GetObjectVersion PutObject ReplicateObject RestoreObject DeleteObject DeleteObjectVersion "
    "BypassGovernanceRetention PutObjectRetention PutObjectLegalHold ReplicateDelete PutObjectAcl PutObjectVersionAcl "
    "ObjectOwnerOverrideToBucketOwner".split()
)


@dataclass(frozen=True, kw_only=True)
class BucketSurplus:
    """What one principal may do to the records beyond the other policy."""

    principal: str
    """An ARN, an account's root, a service, or `*`."""
    kind: PrincipalKind
    actions: tuple[str, ...]
    """Without `s3:`."""
    terms: tuple[str, ...] = ()
    """The conditions that it depends on, in words."""

    @property
    def rights(self) -> tuple[BucketRight, ...]:
        return tuple(right for right, actions in _ACTIONS.items() if {*actions} & {*self.actions})

    @property
    def what(self) -> str:
        """In words, without the policy: `lets the account 999988887777 read the records`."""
        who = "everybody" if self.kind is PrincipalKind.EVERYBODY else self.principal
        shown = ", ".join(self.actions[:4]) + (f" and {len(self.actions) - 4} more" if len(self.actions) > 4 else "")
        terms = f" if {' and '.join(self.terms)}" if self.terms else ""
        return f"lets {who} {', '.join(self.rights)} the records ({shown}){terms}"


def beyond(policy: Document | None, wanted: Document | None, *, bucket_arn: str, account: str) -> list[BucketSurplus]:
    """What the policy of the account's bucket gives, and the wanted one does not, and no Deny takes away for sure.

    The root of the account itself is left out: within the account IAM alone allows, with or without the policy.
    """
    given = [right for right in rights(wanted) if right.effect == "Allow"]
    statements = statements_of(policy)
    denials = [statement for statement in statements if statement.denies]
    found: dict[tuple[str, tuple[str, ...]], BucketSurplus] = {}
    for statement in statements:
        if not statement.allows:
            continue
        for part in _by_principal(statement):
            if all(any(covers(other, right) for other in given) for right in rights_of(part)):
                continue
            name, kind = next(statement_principals(part, account), ("", PrincipalKind.ROOT))
            if kind is PrincipalKind.ROOT or name.startswith(DELETED):
                continue
            caller = caller_of(name, account=account, kind=kind, context=_known(account))
            actions, terms = _allowed(part, denials, caller, bucket_arn, account)
            if actions:
                former = found.get((name, terms))
                names = tuple(dict.fromkeys((*(former.actions if former else ()), *actions)))
                found[name, terms] = BucketSurplus(principal=name, kind=kind, actions=names, terms=terms)
    return [*found.values()]


def _by_principal(statement: PolicyStatement) -> tuple[PolicyStatement, ...]:
    """The statement, once for each of its principals."""
    return tuple(replace(statement, principals=(principal,)) for principal in statement.principals) or (statement,)


def _known(account: str) -> Mapping[str, tuple[str, ...]]:
    return {"aws:securetransport": ("true",), "aws:resourceaccount": (account,)}


def _allowed(
    statement: PolicyStatement, denials: Sequence[PolicyStatement], caller: Caller, bucket_arn: str, account: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The actions that the statement allows the caller and no denial takes away, and the statement's conditions."""
    actions: list[str] = []
    terms: tuple[str, ...] = ()
    for action in (action for of_right in _ACTIONS.values() for action in of_right):
        for resource in _resources(statement, bucket_arn, is_object=action in _OF_OBJECTS):
            request = Request(action=f"s3:{action}", resource=resource, context=caller.context)
            match = match_statement(statement, request, source="")
            if match is not None and not any(_denies(denial, caller, request, account) for denial in denials):
                actions.append(action)
                terms = match.terms
                break
    return tuple(actions), terms


def _resources(statement: PolicyStatement, bucket_arn: str, *, is_object: bool) -> Iterator[str]:
    """Resources of the statement that an action of the bucket, or of an object in it, can be about.

    A pattern stands for itself: what a denial has to cover is all of it.
    """
    if statement.not_resources is not None:
        yield f"{bucket_arn}/AWSLogs/record" if is_object else bucket_arn
        return
    for pattern in statement.resources or ():
        if is_object and ("/" in pattern or pattern.endswith("*")):
            yield pattern if "/" in pattern else f"{bucket_arn}/*"
        elif not is_object and "/" not in pattern:
            yield bucket_arn


def _denies(denial: PolicyStatement, caller: Caller, request: Request, account: str) -> bool:
    """Whether it certainly denies this request of every such caller."""
    if caller.kind is PrincipalKind.EVERYBODY and denial.not_principals is not None:
        return False  # Those that it excepts are among everybody.
    match = match_statement(denial, request, source="")
    return match is not None and not match.terms and match_principal(denial, caller, account) is not None


def without(policy: Document | None, names: set[str]) -> Document:
    """The policy with these principals taken out of its Allow statements; `*` takes out NotPrincipal too."""
    kept = []
    for written in written_statements(policy):
        statement = normalized(written)
        parts = _by_principal(statement)
        others = [part for part in parts if not statement.allows or _name(part) not in names]
        if len(others) == len(parts):
            kept.append(written)
        elif others:
            principal: dict[str, list[str]] = {}
            for part in others:
                for kind, name in part.principals:
                    principal.setdefault(kind, []).append(name)
            kept.append({**written, "Principal": principal})
    return {"Version": "2012-10-17", **(policy or {}), "Statement": kept}


def _name(part: PolicyStatement) -> str:
    return next(statement_principals(part, ""), ("", None))[0]
