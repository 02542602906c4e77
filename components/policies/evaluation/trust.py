"""Finds the principals that can assume a role, directly or through roles that it trusts.

Pure. Followed as far as MAX_CHAIN and MAX_PATHS allow; the answer says where it is not complete.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from components.policies.evaluation.account import AccountIam, IamPrincipal
from components.policies.evaluation.conditions import Context
from components.policies.evaluation.principals import (
    Caller,
    PrincipalKind,
    caller_of,
    match_principal,
    statement_principals,
)
from components.policies.evaluation.statements import (
    Request,
    actions_covered,
    evaluate_policies,
    match_statement,
)
from components.policies.statements import PolicyStatement
from components.settings.arn import resource_name

MAX_CHAIN = 4
"""Roles that are followed one after the other. Each session of a chain lasts an hour at most, so that few are long
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)."""

MAX_PATHS = 100
"""Principals that are listed for one role."""

_ASSUME_ACTIONS = {
    PrincipalKind.SERVICE: ("sts:AssumeRole",),
    PrincipalKind.FEDERATED: ("sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"),
}

_ASSUME = ("sts:AssumeRole",)
_CONTEXT: Context = {"aws:securetransport": ("true",)}


@dataclass(frozen=True, kw_only=True)
class AssumePath:
    """A principal that can assume a role."""

    principal: str
    kind: PrincipalKind
    terms: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    """The roles between, the nearest to it first; none where the role itself trusts it."""
    statement: PolicyStatement | None = None
    """The statement of the trust policy that names it."""

    @property
    def description(self) -> str:
        """The text for a person."""
        roles = ", then ".join(resource_name(arn) for arn in self.through)
        terms = " and ".join(self.terms)
        return f"{self.principal}{f' through {roles}' if roles else ''}{f' if {terms}' if terms else ''}"


@dataclass(frozen=True, kw_only=True)
class DirectPaths:
    """The principals that the trust policy of each role allows to assume it. Each role is evaluated once."""

    iam: AccountIam
    account: str
    _by_role: dict[str, tuple[AssumePath, ...]] = field(default_factory=dict)

    def of(self, role: IamPrincipal) -> tuple[AssumePath, ...]:
        if role.arn not in self._by_role:
            self._by_role[role.arn] = tuple(direct_paths(role, self))
        return self._by_role[role.arn]

    @cached_property
    def assuming(self) -> tuple[IamPrincipal, ...]:
        """The principals whose own policies may allow them to assume a role: few of the thousands of an account."""
        return tuple(each for each in self.iam.principals if not each.is_service_linked and _may_assume(each))


def _may_assume(principal: IamPrincipal) -> bool:
    return any(
        policy.document is None
        or any(
            statement.allows and actions_covered(statement.actions, statement.not_actions, _ASSUME)[0] is not False
            for statement in policy.statements
        )
        for policy in principal.policies
    )


def assume_paths(
    role: IamPrincipal, iam: AccountIam, *, account: str, direct: DirectPaths | None = None
) -> tuple[tuple[AssumePath, ...], bool]:
    """Every principal that can assume the role, each by its shortest path; and whether the list is incomplete.

    `direct`: of an earlier role of the account. Where roles trust one another, each is evaluated once.
    """
    direct = direct or DirectPaths(iam=iam, account=account)
    paths: dict[str, AssumePath] = {}
    visited, is_incomplete = {role.arn}, False
    level: list[tuple[IamPrincipal, tuple[str, ...]]] = [(role, ())]
    for _ in range(MAX_CHAIN):
        next_level: list[tuple[IamPrincipal, tuple[str, ...]]] = []
        for current, through in level:
            for path in direct.of(current):
                if path.principal == role.arn:
                    continue
                if path.principal not in paths:
                    if len(paths) >= MAX_PATHS:
                        is_incomplete = True
                        continue
                    paths[path.principal] = replace(path, through=through)
                previous = iam.find(path.principal) if path.principal not in visited else None
                if previous is not None and previous.is_role:
                    visited.add(previous.arn)
                    next_level.append((previous, (previous.arn, *through)))
        level = next_level
    return tuple(paths.values()), is_incomplete or bool(level)


def direct_paths(role: IamPrincipal, direct: DirectPaths) -> Iterator[AssumePath]:
    """Every principal that the role's own trust policy allows to assume it."""
    iam, account = direct.iam, direct.account
    for statement in role.trusting:
        if not statement.allows:
            continue
        for name, kind in statement_principals(statement, account):
            if kind is PrincipalKind.ROOT:
                yield from _through_iam(role, statement, direct)
                continue
            caller = caller_of(name, account=account, context=_CONTEXT, iam=iam, kind=kind)
            terms = _trust_terms(role, statement, caller, account)
            if terms is not None:
                yield AssumePath(principal=name, kind=kind, terms=terms, statement=statement)


def _through_iam(role: IamPrincipal, statement: PolicyStatement, direct: DirectPaths) -> Iterator[AssumePath]:
    """A role that trusts its account can be assumed by every principal that IAM allows."""
    for principal in direct.assuming:
        if principal.arn == role.arn:
            continue
        caller = caller_of(principal.arn, account=direct.account, context=_CONTEXT, iam=direct.iam)
        trusted = _trust_terms(role, statement, caller, direct.account)
        own = _identity_terms(principal, role, caller)
        if trusted is not None and own is not None:
            yield AssumePath(
                principal=principal.arn,
                kind=PrincipalKind.PRINCIPAL,
                terms=tuple(dict.fromkeys((*trusted, *own))),
                statement=statement,
            )


def _trust_terms(
    role: IamPrincipal, statement: PolicyStatement, caller: Caller, account: str
) -> tuple[str, ...] | None:
    """The terms on which a statement of the trust policy allows a caller; None where it does not."""
    for action in _ASSUME_ACTIONS.get(caller.kind, ("sts:AssumeRole",)):
        request = Request(action=action, resource=role.arn, context=caller.context)
        match = match_statement(statement, request, source="trust policy")
        if match is None:
            continue
        denies = [
            denial
            for deny in role.trusting
            if deny.denies and match_principal(deny, caller, account) is not None
            if (denial := match_statement(deny, request, source="trust policy")) is not None
        ]
        if caller.iam is not None and evaluate_policies(caller.iam.policies, request).is_denied:
            continue
        if all(denial.terms for denial in denies):
            return (*match.terms, *(f"not ({' and '.join(denial.terms)})" for denial in denies))
    return None


def _identity_terms(principal: IamPrincipal, role: IamPrincipal, caller: Caller) -> tuple[str, ...] | None:
    """The terms on which a principal's own policies let it assume the role; None where they do not."""
    request = Request(action="sts:AssumeRole", resource=role.arn, context=caller.context)
    own = evaluate_policies(principal.policies, request)
    limit = evaluate_policies((principal.boundary,), request) if principal.boundary else None
    if limit is not None and (limit.is_denied or not (limit.allows or limit.unread)):
        return None
    if own.is_denied:
        return None
    if not own.allows:
        return tuple(f"{name}, which could not be read, allows it" for name in own.unread) or None
    best = min(own.allows, key=lambda match: len(match.terms))
    return (*best.terms, *(f"not ({' and '.join(match.terms)}), by {match.source}" for match in own.denies))
