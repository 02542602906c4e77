"""Whether an event pattern of EventBridge matches the events that have to cause an alert.

Pure. A pattern with an operator that is not known here matches nothing.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.policies.evaluation.conditions import matches


def missed(pattern: Any, events: Mapping[str, tuple[Mapping[str, Any], ...]]) -> Iterator[str]:
    """The calls, by name, of which the pattern misses an event. The pattern is JSON."""
    try:
        parsed = json.loads(pattern)
    except (TypeError, ValueError):
        parsed = None
    for name, each in events.items():
        try:
            is_matched = isinstance(parsed, Mapping) and all(_fits(parsed, event) for event in each)
        except ValueError:
            is_matched = False
        if not is_matched:
            yield name


def call(service: str, operation: str, **detail: Any) -> Mapping[str, Any]:
    """The event of a call that CloudTrail recorded."""
    return {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventSource": f"{service}.amazonaws.com", "eventName": operation, "readOnly": False, **detail},
    }


def _fits(pattern: Mapping[str, Any], event: Any) -> bool:
    if isinstance(event, list):
        return any(_fits(pattern, each) for each in event)
    if not isinstance(event, Mapping):
        return False
    return all(
        any(_fits(each, event) for each in expected)
        if name == "$or"
        else _fits(expected, event.get(name))
        if isinstance(expected, Mapping)
        else any(_value(each, actual) for each in expected for actual in _values(event.get(name)))
        for name, expected in pattern.items()
    )


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _value(expected: Any, actual: Any) -> bool:
    if not isinstance(expected, Mapping):
        return bool(expected == actual)
    [(operator, text)] = expected.items()
    if operator == "anything-but":
        return not any(_value(each, actual) for each in (text if isinstance(text, list) else [text]))
    if operator not in _TESTS:
        raise ValueError(f"the operator {operator!r} is not known")
    return isinstance(actual, str) and _TESTS[operator](actual, text)


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "prefix": str.startswith,
    "suffix": str.endswith,
    "wildcard": lambda actual, text: matches(text, actual) is True,
}
