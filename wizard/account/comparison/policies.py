"""Policy documents compared by their meaning: order, number of statements and Sids do not matter.

Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from components import policies
from components.settings.arn import Arn

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

Condition = tuple[tuple[str, str, tuple[str, ...]], ...]
"""(operator, key, values) of each test, sorted."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """One action that a statement allows or denies to one principal on one resource."""

    effect: str
    principal: str
    """An ARN, an account's id, `*`, `Service: …`, `Federated: …`; `not …` for NotPrincipal; empty without any."""
    action: str
    """In IAM's spelling; in lower case if it is not an action of a key; `not …` for NotAction."""
    resource: str
    condition: Condition = ()


def rights(document: Mapping[str, Any] | None) -> frozenset[Right]:
    """All rights in the document; patterns of KMS actions are expanded."""
    return frozenset(right for statement in statements(document) for right in _of(statement))


def statements(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ...]:
    return tuple(statement for statement in listed((document or {}).get("Statement")) if isinstance(statement, Mapping))


def listed(value: Any) -> list[Any]:
    """A single value or a list of a policy, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def same(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> bool:
    """Whether two documents allow and deny the same."""
    return rights(first) == rights(second)


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


def _is_narrower(condition: Condition, than: Condition) -> bool:
    """Whether a condition has every test of another one, each with the same values or with stricter ones."""
    values = {(operator, key): set(each) for operator, key, each in condition}

    def is_met(operator: str, key: str, allowed: tuple[str, ...]) -> bool:
        mine = values.get((operator, key))
        if mine is None:
            return False
        return mine >= set(allowed) if "Not" in operator else mine <= set(allowed)

    return all(is_met(*test) for test in than)


def condition_of(statement: Mapping[str, Any]) -> Condition:
    """A statement's condition in its normal form."""
    return tuple(
        sorted(
            (str(operator), str(key).lower(), tuple(sorted(_text(value) for value in listed(values))))
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, values in keys.items()
        )
    )


def principals(value: Any) -> tuple[str, ...]:
    """The principals of a statement: ARNs and `*` as they are, the root as its account, others as `kind: name`."""
    if value is None:
        return ("",)
    if isinstance(value, str):
        return (value,)
    return tuple(
        _account(str(name)) if kind == "AWS" else f"{kind}: {name}"
        for kind, names in value.items()
        for name in listed(names)
    )


def _of(statement: Mapping[str, Any]) -> Iterator[Right]:
    named = principals(statement.get("Principal"))
    if "NotPrincipal" in statement:
        named = ("not " + ", ".join(sorted(principals(statement["NotPrincipal"]))),)
    if "NotAction" in statement:
        actions = ["not " + ", ".join(sorted(str(action).lower() for action in listed(statement["NotAction"])))]
    else:
        actions = [action for pattern in listed(statement.get("Action")) for action in _expanded(str(pattern))]
    resources = [str(resource) for resource in listed(statement.get("Resource"))] or [""]
    if "NotResource" in statement:
        resources = ["not " + ", ".join(sorted(str(resource) for resource in listed(statement["NotResource"])))]
    condition = condition_of(statement)
    for principal in named:
        for action in actions:
            for resource in resources:
                yield Right(
                    effect=str(statement.get("Effect", "")),
                    principal=principal,
                    action=action,
                    resource=resource,
                    condition=condition,
                )


def _expanded(pattern: str) -> tuple[str, ...]:
    matched = tuple(action for action in KEY_ACTIONS if fnmatchcase(action.lower(), pattern.lower()))
    # An action that no symmetric key has stays as it is.
    return matched or (pattern.lower(),)


def _account(name: str) -> str:
    # A bare account id and the ARN of its root are the same.
    arn = Arn.find(name)
    return arn.account if arn and arn.resource == "root" else name


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
