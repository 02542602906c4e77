"""Whether a pattern fits and a condition holds, where only a part of the request is known: yes, no, or it depends.

Pure. Of a request that nobody has made yet, the caller and the key are known and all else is open: what hangs on that
is None, never a guess.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

Truth = bool | None
"""None: it depends on what is not known."""

Known = Mapping[str, tuple[str, ...]]
"""The condition keys whose values are known, in lower case; one without a value is known to be absent."""


def every(truths: Iterable[Truth]) -> Truth:
    """Whether all hold."""
    found = list(truths)
    return False if False in found else None if None in found else True


def some(truths: Iterable[Truth]) -> Truth:
    """Whether one of them holds."""
    found = list(truths)
    return True if True in found else None if None in found else False


def opposite(truth: Truth) -> Truth:
    """The contrary; what is open stays open."""
    return None if truth is None else not truth


def listed(value: Any) -> tuple[str, ...]:
    """The values of an element that may be one value or a list of them."""
    if value is None:
        return ()
    return tuple(map(_text, value)) if isinstance(value, list | tuple) else (_text(value),)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def fits(pattern: str, value: str, *, fold: bool = False) -> Truth:
    """Whether a value fits a pattern of `*` and `?`; a policy's variable in it may stand for anything."""
    if not _pattern(pattern.lower() if fold else pattern).fullmatch(value.lower() if fold else value):
        return False
    return None if _VARIABLE.search(pattern) else True


_VARIABLE = re.compile(r"\$\{(?![*?$]\})[^}]*\}")
_PART = re.compile(r"\$\{([*?$])\}|\$\{[^}]*\}|\*|\?")


@cache
def _pattern(text: str) -> re.Pattern[str]:
    # `${*}`, `${?}` and `${$}` are the characters themselves; any other variable is open.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    made, end = "", 0
    for part in _PART.finditer(text):
        made += re.escape(text[end : part.start()])
        made += re.escape(part[1]) if part[1] else "." if part[0] == "?" else ".*"
        end = part.end()
    return re.compile(made + re.escape(text[end:]), re.DOTALL)


def hold(conditions: Mapping[str, Any] | None, known: Known) -> Truth:
    """Whether every condition of a statement holds."""
    return every(_holds(operator, key, wanted, known) for operator, key, wanted in _each(conditions))


def open_ones(conditions: Mapping[str, Any] | None, known: Known) -> tuple[str, ...]:
    """The conditions that depend on what is not known, in words."""
    return tuple(
        in_words(operator, key, wanted)
        for operator, key, wanted in _each(conditions)
        if _holds(operator, key, wanted, known) is None
    )


def in_words(operator: str, key: str, wanted: tuple[str, ...]) -> str:
    """One condition as a person reads it."""
    name = operator.rpartition(":")[2].removesuffix("IfExists")
    if name == "Null":
        return f"{key} is {'absent' if wanted == ('true',) else 'present'}"
    values = " or ".join(wanted)
    if name.startswith("Numeric") or name.startswith("Date"):
        return f"{key} {name} {values}"
    return f"{key} is {'not ' if 'Not' in name else ''}{values}"


def _each(conditions: Mapping[str, Any] | None) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (operator, key, listed(wanted))
        for operator, keys in (conditions or {}).items()
        for key, wanted in (keys.items() if isinstance(keys, Mapping) else ())
    ]


def _holds(operator: str, key: str, wanted: tuple[str, ...], known: Known) -> Truth:
    given = known.get(key.lower())
    if given is None:
        return None
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return wanted == (str(not given).lower(),)
    if name not in _OPERATORS or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        return None
    if not given and (rest != name or quantifier == "ForAllValues"):
        return True
    test, negated = _OPERATORS[name]
    results = [_answered(some(test(value, one) for one in wanted), negated) for value in given]
    if quantifier == "ForAllValues":
        return every(results)
    # A negated operator holds for a key that the request does not have.
    return some(results) if given else negated


def _answered(truth: Truth, negated: bool) -> Truth:
    return opposite(truth) if negated else truth


def _equal(given: str, wanted: str) -> Truth:
    return None if _VARIABLE.search(wanted) else given == wanted


def _equal_folded(given: str, wanted: str) -> Truth:
    return _equal(given.lower(), wanted.lower())


def _like(given: str, wanted: str) -> Truth:
    return fits(wanted, given)


def _arn(given: str, wanted: str) -> Truth:
    # ARNs are compared part by part: a wildcard does not reach over a colon.
    ours, theirs = given.split(":", 5), wanted.split(":", 5)
    if len(ours) != len(theirs):
        return None if _VARIABLE.search(wanted) else False
    return every(fits(part, own) for part, own in zip(theirs, ours, strict=True))


def _compared(compare: Callable[[float, float], bool]) -> Callable[[str, str], Truth]:
    def test(given: str, wanted: str) -> Truth:
        try:
            return compare(float(given), float(wanted))
        except ValueError:
            return None

    return test


_OPERATORS: dict[str, tuple[Callable[[str, str], Truth], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_folded, False),
    "StringNotEqualsIgnoreCase": (_equal_folded, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
    "Bool": (_equal_folded, False),
    "NumericEquals": (_compared(float.__eq__), False),
    "NumericNotEquals": (_compared(float.__eq__), True),
    "NumericLessThan": (_compared(float.__lt__), False),
    "NumericLessThanEquals": (_compared(float.__le__), False),
    "NumericGreaterThan": (_compared(float.__gt__), False),
    "NumericGreaterThanEquals": (_compared(float.__ge__), False),
}
