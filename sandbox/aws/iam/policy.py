"""AWS policy evaluation: may this principal do this, by these documents.

PURE: documents, names and a request's context in, a decision out. It knows Effect, Principal, Action, Resource,
their Not- forms and IAM's condition operators for strings, ARNs, booleans, numbers and null; another operator is an
UnsupportedCondition, never a guess. Rules: IAM User Guide, "Policy evaluation logic" and "JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

Statement = Mapping[str, Any]


class UnsupportedCondition(Exception):
    """A condition operator that this evaluation does not know."""


class Decision(StrEnum):
    """The words of SimulatePrincipalPolicy's EvalDecision."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked: an action on a resource, and the context that conditions look at (names in any case)."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a policy, of which a single one may stand without a list."""
    found = document.get("Statement", ())
    return tuple(found) if isinstance(found, (list, tuple)) else (found,)


def each(value: object) -> tuple[str, ...]:
    """The values of an element that may be one value or a list of them."""
    if value is None:
        return ()
    return tuple(map(_text, value)) if isinstance(value, (list, tuple)) else (_text(value),)


def evaluate(asked: Iterable[Statement], request: Request) -> Decision:
    """The decision of identity policies, or of statements whose principal was matched already."""
    decision = Decision.IMPLICIT_DENY
    for statement in asked:
        if not applies(statement, request):
            continue
        if statement.get("Effect") == "Deny":
            return Decision.EXPLICIT_DENY
        decision = Decision.ALLOWED
    return decision


def applies(statement: Statement, request: Request) -> bool:
    """Whether a statement's action, resource and conditions all fit a request; its principal is not looked at."""
    return (
        _element(statement, "Action", request.action, fold=True)
        # A role's trust policy has no Resource: it speaks of the role it belongs to.
        and (("Resource" not in statement and "NotResource" not in statement)
             or _element(statement, "Resource", request.resource, fold=False))
        and conditions_hold(statement.get("Condition") or {}, request.context)
    )  # fmt: skip


def names_principal(statement: Statement, kind: str, names: Iterable[str]) -> str | None:
    """Which of a statement's principals of a kind (AWS, Service, Federated) is one of `names`; "*" is everybody."""
    principal = statement.get("Principal")
    if principal == "*":
        return "*"
    if not isinstance(principal, Mapping):
        return None
    wanted = set(names)
    return next((one for one in each(principal.get(kind)) if one in wanted or (kind == "AWS" and one == "*")), None)


def conditions_hold(conditions: Mapping[str, Any], context: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every operator holds for every key: all must, and one of a key's values is enough."""
    folded = {name.lower(): values for name, values in context.items()}
    return all(
        _holds(operator, folded.get(name.lower(), ()), each(wanted))
        for operator, keys in conditions.items()
        for name, wanted in keys.items()
    )


def of_its_own_key(statement: Statement) -> Statement:
    """A key policy's statement without its Resource, which is the policy's own key however it is written ("*")."""
    return {name: value for name, value in statement.items() if name not in ("Resource", "NotResource")}


def matches(pattern: str, value: str, *, fold: bool = False) -> bool:
    """Whether a value fits a pattern of `*` (any characters) and `?` (one character)."""
    return _pattern(pattern.lower() if fold else pattern).fullmatch(value.lower() if fold else value) is not None


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _element(statement: Statement, name: str, value: str, *, fold: bool) -> bool:
    refused = statement.get(f"Not{name}")
    if refused is not None:
        return not any(matches(pattern, value, fold=fold) for pattern in each(refused))
    return any(matches(pattern, value, fold=fold) for pattern in each(statement.get(name)))


def _holds(operator: str, given: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return wanted == (str(not given).lower(),)
    if name not in _OPERATORS or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise UnsupportedCondition(operator)
    if not given and (rest != name or quantifier == "ForAllValues"):
        return True
    test, negated = _OPERATORS[name]
    fits = [any(test(value, one) for one in wanted) != negated for value in given]
    if quantifier == "ForAllValues":
        return all(fits)
    # A negated operator holds for a key that the request does not have.
    return any(fits) or (negated and not given)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arn(given: str, wanted: str) -> bool:
    """ARNs are compared part by part: a wildcard does not reach over a colon."""
    ours, theirs = given.split(":", 5), wanted.split(":", 5)
    return len(ours) == len(theirs) and all(matches(part, own) for part, own in zip(theirs, ours, strict=True))


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda given, wanted: given == wanted, False),
    "StringNotEquals": (lambda given, wanted: given == wanted, True),
    "StringEqualsIgnoreCase": (lambda given, wanted: given.lower() == wanted.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda given, wanted: given.lower() == wanted.lower(), True),
    "StringLike": (lambda given, wanted: matches(wanted, given), False),
    "StringNotLike": (lambda given, wanted: matches(wanted, given), True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
    "Bool": (lambda given, wanted: given.lower() == wanted.lower(), False),
    "NumericEquals": (lambda given, wanted: float(given) == float(wanted), False),
    "NumericNotEquals": (lambda given, wanted: float(given) == float(wanted), True),
    "NumericLessThan": (lambda given, wanted: float(given) < float(wanted), False),
    "NumericLessThanEquals": (lambda given, wanted: float(given) <= float(wanted), False),
    "NumericGreaterThan": (lambda given, wanted: float(given) > float(wanted), False),
    "NumericGreaterThanEquals": (lambda given, wanted: float(given) >= float(wanted), False),
}
