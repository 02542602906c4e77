"""Every principal with a right on a key, and the sources of the right.

Pure: calls the evaluator (`components.policies.evaluation`) for each principal and each right.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.policies.evaluation import AccessDecision, KeyAccessDocuments, KeyPermission, evaluate_access
from components.policies.evaluation.key_access import RIGHTS
from components.policies.evaluation.principals import (
    Caller,
    PrincipalKind,
    allowed_principals,
    caller_of,
    kind_of,
)
from components.policies.evaluation.statements import Request, evaluate_policies

_BY_STRENGTH = (KeyPermission.NO, KeyPermission.UNKNOWN, KeyPermission.YES)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The rights of one principal on the key and its replicas together."""

    arn: str
    kind: PrincipalKind
    permissions: Mapping[str, KeyPermission]
    """By right: use, administer, delete."""
    ways: tuple[str, ...] = ()

    @property
    def certain(self) -> frozenset[str]:
        return frozenset(right for right, permission in self.permissions.items() if permission is KeyPermission.YES)

    def merged_with(self, rights: "Rights") -> "Rights":
        """Both together; the stronger permission wins."""
        return Rights(
            arn=self.arn,
            kind=self.kind,
            permissions={
                right: max(self.permissions[right], rights.permissions[right], key=_BY_STRENGTH.index)
                for right in RIGHTS
            },
            ways=tuple(dict.fromkeys((*self.ways, *rights.ways))),
        )


def everybody_else(account: str, partition: str) -> str:
    """The pattern for the principals that could not be read."""
    return f"arn:{partition}:iam::{account}:*"


def rights_on(documents: KeyAccessDocuments, *, expected: Collection[str], region: str = "") -> Iterator[Rights]:
    """Every principal with a right or an unknown right on one key, and every `expected` one.

    `region` is added to each source if there are several keys.
    """
    for caller in _callers(documents, expected):
        rights = _rights(documents, caller, region)
        if rights.certain or caller.arn in expected or _is_uncertain(documents, caller, rights):
            yield rights
    if None in (documents.policy, documents.grants, documents.iam):
        # The unread documents may allow principals that no other document names.
        name = everybody_else(documents.account, documents.arn.split(":")[1])
        unnamed = caller_of(name, account=documents.account, context=documents.context, kind=PrincipalKind.PRINCIPAL)
        context = {key: values for key, values in unnamed.context.items() if key != "aws:principalarn"}
        others = _rights(documents, Caller(arn=name, kind=PrincipalKind.PRINCIPAL, context=context), region)
        if KeyPermission.UNKNOWN in others.permissions.values():
            yield Rights(
                arn=name,
                kind=PrincipalKind.OTHER,
                permissions=others.permissions,
                ways=tuple(_unread(documents, region)),
            )


def _callers(documents: KeyAccessDocuments, expected: Collection[str]) -> Iterator[Caller]:
    kinds: dict[str, PrincipalKind] = {}
    principals = documents.iam.principals if documents.iam else ()
    for arn in (*expected, *(principal.arn for principal in principals)):
        kinds.setdefault(arn, kind_of(arn, documents.account))
    kinds |= dict(allowed_principals(documents.policy, documents.account))
    for grant in documents.grants or ():
        principal_type = "Service" if grant.grantee.endswith(".amazonaws.com") else "AWS"
        kinds.setdefault(grant.grantee, kind_of(grant.grantee, documents.account, principal_type))
    for name in sorted(kinds):
        yield caller_of(name, account=documents.account, context=documents.context, iam=documents.iam, kind=kinds[name])


def _rights(documents: KeyAccessDocuments, caller: Caller, region: str) -> Rights:
    decisions = {
        (right, action): evaluate_access(documents, caller, action, include_everybody=False)
        for right in RIGHTS
        for action in RIGHTS[right]
    }
    permissions = {
        right: max((decisions[right, action].permission for action in RIGHTS[right]), key=_BY_STRENGTH.index)
        for right in RIGHTS
    }
    return Rights(
        arn=caller.arn,
        kind=caller.kind,
        permissions=permissions,
        ways=tuple(_ways(decisions, caller, region)),
    )


def _ways(decisions: Mapping[tuple[str, str], AccessDecision], caller: Caller, region: str) -> Iterator[str]:
    """Each source once, with the rights that it gives and its terms."""
    actions_by_source: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for (right, action), decision in decisions.items():
        for source in decision.sources:
            actions = actions_by_source.setdefault((source.source, source.terms), {})
            actions.setdefault(right, []).append(action)
    # Another account has to allow it, too, which cannot be read from here.
    other_account = ("their own account allows it",) if caller.kind is PrincipalKind.OTHER_ACCOUNT else ()
    in_region = f" in {region}" if region else ""
    for (name, terms), by_right in actions_by_source.items():
        rights = "; ".join(_right_text(right, actions) for right, actions in by_right.items())
        conditions = " and ".join((*terms, *other_account))
        yield f"{name} ({rights}){in_region}{f' if {conditions}' if conditions else ''}"


def _right_text(right: str, actions: Collection[str]) -> str:
    # The name of the right if the actions include its main one, else the actions.
    names = ", ".join(action.removeprefix("kms:") for action in actions)
    return right if RIGHTS[right][0] in actions else f"{right}: {names}"


def _is_uncertain(documents: KeyAccessDocuments, caller: Caller, rights: Rights) -> bool:
    """Whether something is unknown for this caller that is known for others."""
    if KeyPermission.UNKNOWN not in rights.permissions.values() or caller.kind is PrincipalKind.EVERYBODY:
        return False
    if caller.iam is None:
        return False
    boundary = caller.iam.boundary
    if documents.policy is None or (boundary is not None and boundary.document is None):
        return _is_allowed_by_iam(documents, caller)
    return any(policy.document is None for policy in caller.iam.policies)


def _is_allowed_by_iam(documents: KeyAccessDocuments, caller: Caller) -> bool:
    policies = caller.iam.policies if caller.iam else ()
    return any(
        evaluate_policies(policies, Request(action=action, resource=documents.arn, context=caller.context)).is_allowed
        for actions in RIGHTS.values()
        for action in actions
    )


def _unread(documents: KeyAccessDocuments, region: str) -> Iterator[str]:
    in_region = f" in {region}" if region else ""
    if documents.policy is None:
        yield f"the key policy could not be read{in_region}"
    if documents.iam is None:
        yield "the account's IAM could not be read"
    if documents.grants is None:
        yield f"the grants could not be read{in_region}"


def merge(rights: Iterable[Rights]) -> dict[str, Rights]:
    """The rights on several keys together, by ARN."""
    merged: dict[str, Rights] = {}
    for entry in rights:
        merged[entry.arn] = merged[entry.arn].merged_with(entry) if entry.arn in merged else entry
    return merged
