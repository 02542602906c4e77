"""Policy documents compared by their meaning: order, number of statements and Sids do not matter.

Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from components import policies
from components.policies.statements import PolicyStatement, Principal, Test, canonical_principal, statements_of

KEY_ACTIONS = tuple(
    sorted(
        {
            *policies.ADMINISTRATOR_ACTIONS,
            *policies.MULTI_REGION_ACTIONS,
            *policies.DELETION_ACTIONS,
            *policies.USE_ACTIONS,
            *policies.APPLICATION_ACTIONS,
            "kms:RetireGrant",
            "kms:SynchronizeMultiRegionKey",
        }
    )
)
"""The actions on a symmetric key with key material of KMS; a pattern means those that it matches.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
"""


@dataclass(frozen=True, kw_only=True)
class Right:
    """One action that a statement allows or denies to one principal on one resource."""

    effect: str
    principal: str
    """An ARN, an account's id, `*`, `Service: …`, `Federated: …`; `not …` for NotPrincipal; empty without any."""
    action: str
    """In IAM's spelling; in lower case if it is not an action of a key; `not …` for NotAction."""
    resource: str
    condition: tuple[Test, ...] = ()


def rights(document: Mapping[str, Any] | None) -> frozenset[Right]:
    """All rights in the document; patterns of KMS actions are expanded."""
    return frozenset(right for statement in statements_of(document) for right in rights_of(statement))


def same(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> bool:
    """Whether two documents allow and deny the same."""
    # Most are as the stack wrote them, and the rights of each of their actions take long.
    return first == second or rights(first) == rights(second)


@dataclass(frozen=True, kw_only=True)
class Widening:
    """What a policy allows beyond another one; both empty where it allows no more."""

    allowed: frozenset[Right] = frozenset()
    """The rights that only this policy gives."""
    undenied: frozenset[Right] = frozenset()
    """The denials of the other one that this policy lacks."""


def widening(
    actual: Mapping[str, Any] | None, desired: Mapping[str, Any] | None, *, resource: str, account: str
) -> Widening:
    """What a policy on the resource of this ARN allows beyond the desired policy of the account.

    A statement with more conditions than a desired one allows no more. The id of a deleted principal allows nobody.
    """
    has, wanted = rights(actual), rights(desired)
    given = {right for right in wanted if right.effect == "Allow"}
    delegated = any(right.principal == account and not right.condition for right in given)
    return Widening(
        allowed=frozenset(
            right
            for right in has
            if right.effect == "Allow"
            and can_mean(right.resource, resource)
            and not right.principal.startswith(DELETED)
            and not (delegated and right.principal == account)
            and not any(covers(other, right) for other in given)
        ),
        undenied=frozenset(
            right
            for right in wanted
            if right.effect == "Deny" and not any(covers(other, right) for other in has if other.effect == "Deny")
        ),
    )


DELETED = ("AIDA", "AROA")
"""The beginnings of the ids that IAM shows for a deleted user and a deleted role; no later one has the same id."""


def can_mean(pattern: str, resource: str) -> bool:
    """Whether the resource of a statement can be this one."""
    return pattern.startswith("not ") or "${" in pattern or fnmatchcase(resource, pattern)


def covers(right: Right, other: Right) -> bool:
    """Whether a right holds wherever another one holds: the same, of more resources, or with fewer conditions."""
    is_same = (right.principal, right.action) == (other.principal, other.action)
    is_resource = right.resource == other.resource or fnmatchcase(other.resource, right.resource)
    return is_same and is_resource and _is_narrower(other.condition, right.condition)


def _is_narrower(condition: tuple[Test, ...], than: tuple[Test, ...]) -> bool:
    """Whether a condition has every test of another one, each with the same values or with stricter ones."""
    values = {(operator, key): set(each) for operator, key, each in condition}

    def is_met(operator: str, key: str, allowed: tuple[str, ...]) -> bool:
        mine = values.get((operator, key))
        if mine is None:
            return False
        return mine >= set(allowed) if "Not" in operator else mine <= set(allowed)

    return all(is_met(*test) for test in than)


def names_of(principals: Iterable[Principal]) -> tuple[str, ...]:
    """The principals of a statement: ARNs and `*` as they are, the root as its account, others as `kind: name`."""
    return tuple(
        name if kind in ("AWS", "*") else f"{kind}: {name}" for kind, name in map(canonical_principal, principals)
    )


def rights_of(statement: PolicyStatement) -> Iterator[Right]:
    """The rights of one statement."""
    named = names_of(statement.principals) or ("",)
    if statement.not_principals is not None:
        named = (_all_but(names_of(statement.not_principals)),)
    actions = tuple(action for pattern in statement.actions for action in _expanded(pattern))
    if statement.not_actions is not None:
        actions = (_all_but(action.lower() for action in statement.not_actions),)
    resources = statement.resources or ("",)
    if statement.not_resources is not None:
        resources = (_all_but(statement.not_resources),)
    for principal, action, resource in product(named, actions, resources):
        yield Right(
            effect=statement.effect,
            principal=principal,
            action=action,
            resource=resource,
            condition=statement.tests,
        )


def _all_but(names: Iterable[str]) -> str:
    return f"not {', '.join(sorted(names))}"


def _expanded(pattern: str) -> tuple[str, ...]:
    matched = tuple(action for action in KEY_ACTIONS if fnmatchcase(action.lower(), pattern.lower()))
    # An action that no symmetric key has stays as it is.
    return matched or (pattern.lower(),)
