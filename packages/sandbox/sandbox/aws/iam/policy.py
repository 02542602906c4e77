"""AWS policy evaluation: whether policy documents allow a request.

Pure: documents, names and a request's context in, a decision out. It supports Effect, Principal, Action, Resource,
their Not- forms and IAM's condition operators for strings, ARNs, booleans, numbers and null; another operator is an
UnsupportedCondition. Rules: IAM User Guide, "Policy evaluation logic" and "JSON policy elements".

The product's evaluator (`components.policies.evaluation`) is not used here on purpose: the sandbox simulates AWS,
and the tests compare the two.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from sandbox.arns import fields_of

Statement = Mapping[str, Any]


class UnsupportedCondition(Exception):
    """A condition operator that is not implemented here."""


class Decision(StrEnum):
    """The words of SimulatePrincipalPolicy's EvalDecision."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, kw_only=True)
class Request:
    """An action on a resource, and the values of its condition keys (names in any case)."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a policy; a single one may come without a list."""
    entries = document.get("Statement", ())
    return tuple(entries) if isinstance(entries, (list, tuple)) else (entries,)


def as_tuple(value: object) -> tuple[str, ...]:
    """The values of an element that is one value or a list."""
    if value is None:
        return ()
    return tuple(map(_text, value)) if isinstance(value, (list, tuple)) else (_text(value),)


def evaluate(candidates: Iterable[Statement], request: Request) -> Decision:
    """The decision of identity policies, or of statements whose principal matches already."""
    decision = Decision.IMPLICIT_DENY
    for statement in candidates:
        if not applies(statement, request):
            continue
        if statement.get("Effect") == "Deny":
            return Decision.EXPLICIT_DENY
        decision = Decision.ALLOWED
    return decision


def applies(statement: Statement, request: Request) -> bool:
    """Whether a statement's action, resource and conditions match a request; its principal is ignored."""
    return (
        _element(statement, "Action", request.action, fold=True)
        # A role's trust policy has no Resource: it is about its own role.
        and (("Resource" not in statement and "NotResource" not in statement)
             or _element(statement, "Resource", request.resource, fold=False))
        and conditions_hold(statement.get("Condition") or {}, request.context)
    )  # fmt: skip


def names_principal(statement: Statement, kind: str, names: Iterable[str]) -> str | None:
    """The principal of a kind (AWS, Service, Federated) in a statement that is one of `names`; "*" is everyone."""
    principal = statement.get("Principal")
    if principal == "*":
        return "*"
    if not isinstance(principal, Mapping):
        return None
    expected = set(names)
    return next(
        (item for item in as_tuple(principal.get(kind)) if item in expected or (kind == "AWS" and item == "*")), None
    )


def conditions_hold(conditions: Mapping[str, Any], context: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every operator matches for every key; one matching value of a key is enough."""
    folded = {name.lower(): values for name, values in context.items()}
    return all(
        _holds(operator, folded.get(name.lower(), ()), as_tuple(expected))
        for operator, keys in conditions.items()
        for name, expected in keys.items()
    )


def without_resource(statement: Statement) -> Statement:
    """A key policy's statement without its Resource, which always means the policy's own key."""
    return {name: value for name, value in statement.items() if name not in ("Resource", "NotResource")}


def matches(pattern: str, value: str, *, fold: bool = False) -> bool:
    """Whether a value matches a pattern with `*` (any characters) and `?` (one character)."""
    return _pattern(pattern.lower() if fold else pattern).fullmatch(value.lower() if fold else value) is not None


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _element(statement: Statement, name: str, value: str, *, fold: bool) -> bool:
    refused = statement.get(f"Not{name}")
    if refused is not None:
        return not any(matches(pattern, value, fold=fold) for pattern in as_tuple(refused))
    return any(matches(pattern, value, fold=fold) for pattern in as_tuple(statement.get(name)))


def _holds(operator: str, actual: tuple[str, ...], expected: tuple[str, ...]) -> bool:
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return expected == (str(not actual).lower(),)
    if name not in _OPERATORS or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise UnsupportedCondition(operator)
    if not actual and (rest != name or quantifier == "ForAllValues"):
        return True
    test, negated = _OPERATORS[name]
    matches_call = [any(test(value, item) for item in expected) != negated for value in actual]
    if quantifier == "ForAllValues":
        return all(matches_call)
    # A negated operator matches when the request does not have the key.
    return any(matches_call) or (negated and not actual)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arn(actual: str, expected: str) -> bool:
    """Compare ARNs part by part: a wildcard does not match a colon."""
    actual_parts, expected_parts = fields_of(actual), fields_of(expected)
    return len(actual_parts) == len(expected_parts) and all(
        matches(part, value) for part, value in zip(expected_parts, actual_parts, strict=True)
    )


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda actual, expected: actual == expected, False),
    "StringNotEquals": (lambda actual, expected: actual == expected, True),
    "StringEqualsIgnoreCase": (lambda actual, expected: actual.lower() == expected.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda actual, expected: actual.lower() == expected.lower(), True),
    "StringLike": (lambda actual, expected: matches(expected, actual), False),
    "StringNotLike": (lambda actual, expected: matches(expected, actual), True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
    "Bool": (lambda actual, expected: actual.lower() == expected.lower(), False),
    "NumericEquals": (lambda actual, expected: float(actual) == float(expected), False),
    "NumericNotEquals": (lambda actual, expected: float(actual) == float(expected), True),
    "NumericLessThan": (lambda actual, expected: float(actual) < float(expected), False),
    "NumericLessThanEquals": (lambda actual, expected: float(actual) <= float(expected), False),
    "NumericGreaterThan": (lambda actual, expected: float(actual) > float(expected), False),
    "NumericGreaterThanEquals": (lambda actual, expected: float(actual) >= float(expected), False),
}
