"""Who may become a role: its trust policy, and whoever may become those that it trusts.

Pure. Followed as far as CHAIN and MOST allow, and told where that is not to the end.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wizard.commands.review.conditions import Known
from wizard.commands.review.principals import PrincipalKind, Subject, principals_of, reach, subject
from wizard.commands.review.statements import Asked, Statement, hit_of, statements_of, weigh
from wizard.core.models.iam import AccountIam, IamPrincipal

CHAIN = 4
"""Roles that are followed one after the other. Each session of a chain lasts an hour at the most, so that few are long
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)."""

MOST = 100
"""Ways into one role that are told."""

_BECOMING = {
    PrincipalKind.SERVICE: ("sts:AssumeRole",),
    PrincipalKind.FEDERATED: ("sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"),
}


@dataclass(frozen=True, kw_only=True)
class AssumePath:
    """One that may become a role."""

    principal: str
    kind: PrincipalKind
    terms: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    """The roles between, the nearest to it first; none where the role itself trusts it."""
    statement: Statement | None = None
    """Of the trust policy, that names it."""

    @property
    def told(self) -> str:
        """In words."""
        roles = ", then ".join(arn.rpartition("/")[2] for arn in self.through)
        terms = " and ".join(self.terms)
        return f"{self.principal}{f' through {roles}' if roles else ''}{f' if {terms}' if terms else ''}"


def entrances(role: IamPrincipal, iam: AccountIam, *, account: str) -> tuple[tuple[AssumePath, ...], bool]:
    """Everybody who may become the role, each by the shortest way; and whether that is not all."""
    found: dict[str, AssumePath] = {}
    reached, is_cut_off = {role.arn}, False
    ring: list[tuple[IamPrincipal, tuple[str, ...]]] = [(role, ())]
    for _ in range(CHAIN):
        further: list[tuple[IamPrincipal, tuple[str, ...]]] = []
        for one, through in ring:
            for entrance in direct(one, iam, account=account):
                if entrance.principal == role.arn:
                    continue
                if len(found) >= MOST and entrance.principal not in found:
                    is_cut_off = True
                    continue
                found.setdefault(entrance.principal, replace(entrance, through=through))
                before = iam.find(entrance.principal)
                if before is not None and before.is_role and before.arn not in reached:
                    reached.add(before.arn)
                    further.append((before, (before.arn, *through)))
        ring = further
    return tuple(found.values()), is_cut_off or bool(ring)


def direct(role: IamPrincipal, iam: AccountIam, *, account: str) -> Iterator[AssumePath]:
    """Everybody whom the role's own trust policy lets become it."""
    for statement in statements_of(role.trust):
        if statement.get("Effect") != "Allow":
            continue
        for name, kind in principals_of(statement, account):
            if kind is PrincipalKind.ROOT:
                yield from _of_the_account(role, statement, iam, account)
                continue
            who = subject(name, account=account, facts=_FACTS, iam=iam, kind=kind)
            terms = _allowed(role, statement, who, account)
            if terms is not None:
                yield AssumePath(principal=name, kind=kind, terms=terms, statement=statement)


def _of_the_account(role: IamPrincipal, statement: Statement, iam: AccountIam, account: str) -> Iterator[AssumePath]:
    """A role that trusts its account is open to whomever IAM lets assume it."""
    for one in iam.principals:
        if one.arn == role.arn or one.is_service_linked:
            continue
        who = subject(one.arn, account=account, facts=_FACTS, iam=iam)
        trusted = _allowed(role, statement, who, account)
        mine = _may_assume(one, role, who)
        if trusted is not None and mine is not None:
            yield AssumePath(
                principal=one.arn,
                kind=PrincipalKind.PRINCIPAL,
                terms=tuple(dict.fromkeys((*trusted, *mine))),
                statement=statement,
            )


def _allowed(role: IamPrincipal, statement: Statement, who: Subject, account: str) -> tuple[str, ...] | None:
    """On what terms the trust policy lets somebody in by a statement; None where it does not."""
    for action in _BECOMING.get(who.kind, ("sts:AssumeRole",)):
        asked = Asked(action=action, resource=role.arn, known=who.known)
        hit = hit_of(statement, asked, source="trust policy")
        if hit is None:
            continue
        denies = [
            denial
            for each in statements_of(role.trust)
            if each.get("Effect") == "Deny" and reach(each, who, account) is not None
            if (denial := hit_of(each, asked, source="trust policy")) is not None
        ]
        if who.iam is not None and weigh(who.iam.policies, asked).is_denied:
            continue
        if all(denial.terms for denial in denies):
            return (*hit.terms, *(f"not ({' and '.join(denial.terms)})" for denial in denies))
    return None


def _may_assume(one: IamPrincipal, role: IamPrincipal, who: Subject) -> tuple[str, ...] | None:
    """On what terms somebody's own policies let them assume the role; None where they do not."""
    asked = Asked(action="sts:AssumeRole", resource=role.arn, known=who.known)
    mine = weigh(one.policies, asked)
    limit = weigh((one.boundary,), asked) if one.boundary else None
    if limit is not None and (limit.is_denied or not (limit.allows or limit.unread)):
        return None
    if mine.is_denied:
        return None
    if not mine.allows:
        return tuple(f"{name}, which could not be read, allows it" for name in mine.unread) or None
    best = min(mine.allows, key=lambda hit: len(hit.terms))
    return (*best.terms, *(f"not ({' and '.join(hit.terms)}), by {hit.source}" for hit in mine.denies))


_FACTS: Known = {"aws:securetransport": ("true",)}
