"""Matches patterns and conditions against a partly known request: yes, no, or unknown.

Pure. For a request that was not sent yet, only the caller and the key are known. A condition on the rest is None, never
a guess. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from components.settings.arn import fields_of

Truth = bool | None
"""None: it depends on unknown values."""

Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Operator, key, values: those of `components.policies.statements.PolicyStatement`."""

Context = Mapping[str, tuple[str, ...]]
"""The condition keys whose values are known, in lower case; one without a value is known to be absent."""


def all_of(truths: Iterable[Truth]) -> Truth:
    values = list(truths)
    return False if False in values else None if None in values else True


def any_of(truths: Iterable[Truth]) -> Truth:
    """Whether at least one is true."""
    values = list(truths)
    return True if True in values else None if None in values else False


def negate(truth: Truth) -> Truth:
    """The opposite; unknown stays unknown."""
    return None if truth is None else not truth


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> Truth:
    """Whether a value matches a pattern of `*` and `?`; a policy variable in it may have any value."""
    if ignore_case:
        pattern, value = pattern.lower(), value.lower()
    if not ("*" in pattern or "?" in pattern or "$" in pattern):
        # The name of a resource: most patterns of an account, and each is another one.
        return pattern == value
    if not _expression(pattern).fullmatch(value):
        return False
    return None if _VARIABLE.search(pattern) else True


_VARIABLE = re.compile(r"\$\{(?![*?$]\})[^}]*\}")
_PART = re.compile(r"\$\{([*?$])\}|\$\{[^}]*\}|\*|\?")


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    # `${*}`, `${?}` and `${$}` are the characters themselves; any other variable is unknown.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    expression, end = "", 0
    for part in _PART.finditer(pattern):
        expression += re.escape(pattern[end : part.start()])
        expression += re.escape(part[1]) if part[1] else "." if part[0] == "?" else ".*"
        end = part.end()
    return re.compile(expression + re.escape(pattern[end:]), re.DOTALL)


def conditions_hold(conditions: Conditions, context: Context) -> Truth:
    """Whether every condition of a statement holds."""
    return all_of(_holds(*condition, context) for condition in _flatten(conditions))


def unknown_conditions(conditions: Conditions, context: Context) -> tuple[str, ...]:
    """The conditions that depend on unknown values, as text."""
    return tuple(
        describe_condition(*condition) for condition in _flatten(conditions) if _holds(*condition, context) is None
    )


def describe_condition(operator: str, key: str, values: tuple[str, ...]) -> str:
    """A condition as text for a person."""
    name = operator.rpartition(":")[2].removesuffix("IfExists")
    if name == "Null":
        return f"{key} is {'absent' if values == ('true',) else 'present'}"
    text = " or ".join(values)
    if key.lower() == "kms:trailingdayswithoutkeyusage" and name == "NumericLessThan":
        return f"the key was used in the last {text} days"
    if name.startswith(("Numeric", "Date")):
        return f"{key} {name} {text}"
    return f"{key} is {'not ' if 'Not' in name else ''}{text}"


def _flatten(conditions: Conditions) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for operator, keys in conditions.items():
        for key, values in keys.items():
            yield operator, key, values


def _holds(operator: str, key: str, expected: tuple[str, ...], context: Context) -> Truth:
    actual = context.get(key.lower())
    if actual is None:
        return None
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return expected == (str(not actual).lower(),)
    if name not in _OPERATORS or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        return None
    if not actual and (rest != name or quantifier == "ForAllValues"):
        return True
    test, is_negated = _OPERATORS[name]
    results = [any_of(test(value, pattern) for pattern in expected) for value in actual]
    if is_negated:
        results = [negate(result) for result in results]
    if quantifier == "ForAllValues":
        return all_of(results)
    # A negated operator holds for a key that the request does not have.
    return any_of(results) if actual else is_negated


def _equals(actual: str, expected: str) -> Truth:
    return None if _VARIABLE.search(expected) else actual == expected


def _equals_ignoring_case(actual: str, expected: str) -> Truth:
    return _equals(actual.lower(), expected.lower())


def _like(actual: str, expected: str) -> Truth:
    return matches(expected, actual)


def _arn_like(actual: str, expected: str) -> Truth:
    # ARNs are compared part by part: a wildcard does not cross a colon.
    parts, patterns = fields_of(actual), fields_of(expected)
    if len(parts) != len(patterns):
        return None if _VARIABLE.search(expected) else False
    return all_of(matches(pattern, part) for pattern, part in zip(patterns, parts, strict=True))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], Truth]:
    def test(actual: str, expected: str) -> Truth:
        try:
            return compare(float(actual), float(expected))
        except ValueError:
            return None

    return test


_OPERATORS: dict[str, tuple[Callable[[str, str], Truth], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equals_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_equals_ignoring_case, False),
    "NumericEquals": (_number(float.__eq__), False),
    "NumericNotEquals": (_number(float.__eq__), True),
    "NumericLessThan": (_number(float.__lt__), False),
    "NumericLessThanEquals": (_number(float.__le__), False),
    "NumericGreaterThan": (_number(float.__gt__), False),
    "NumericGreaterThanEquals": (_number(float.__ge__), False),
}
"""For each operator: its test, and whether it is negated."""
