"""Event patterns held against the table's: the same, or wider by a rule, passes, whatever events they match."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from guardrails.rules.patterns import Pattern, narrower

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"
CALL: dict[str, Any] = {"eventSource": ["iam.amazonaws.com"], "requestParameters": {"roleName": ["one", "two"]}}
POLICY: dict[str, Any] = {
    "eventSource": ["iam.amazonaws.com"],
    "eventName": ["A", {"prefix": "B"}],
    "requestParameters": {"policyArn": ["p"]},
}


def expected(ids: Sequence[str]) -> Pattern:
    key = {"requestParameters": {"keyId": [{"suffix": each} for each in ids]}}
    detail = {"readOnly": [False], "$or": [CALL, POLICY, *([key] if ids else [])]}
    return {"source": ["aws.iam"], "detail-type": ["call"], "detail": detail}


def with_detail(**detail: Any) -> Pattern:
    return {**expected(()), "detail": {**expected(())["detail"], **detail}}


def with_calls(*calls: Pattern) -> Pattern:
    return with_detail(**{"$or": list(calls)})


def request(**parameters: Any) -> Pattern:
    return {**CALL, "requestParameters": parameters}


@pytest.mark.parametrize(
    "pattern",
    [
        expected(()),
        with_calls(POLICY, CALL),
        {**expected(()), "source": ["aws.kms", "aws.iam"]},
        with_calls({**CALL, "eventSource": ["sts.amazonaws.com", "iam.amazonaws.com"]}, POLICY),
        # In two parts, with more values, with every call of the name.
        with_calls(request(roleName=["two"]), request(roleName=["one"]), POLICY),
        with_calls(request(roleName=["one", "two", {"prefix": "t"}]), POLICY),
        with_calls(CALL, {name: POLICY[name] for name in POLICY if name != "eventName"}),
        with_calls(CALL, POLICY, request(userName=["x"])),
    ],
)
def test_a_pattern_that_says_the_same_or_more_passes(pattern: Pattern) -> None:
    assert list(narrower(json.dumps(pattern), expected, 0)) == []


@pytest.mark.parametrize(
    "pattern",
    [
        with_calls(CALL),
        with_calls(request(roleName=["one"]), POLICY),
        with_calls(request(roleName=[{"wildcard": "on?"}, "two"]), POLICY),
        with_calls(request(roleName=[{"anything-but": "three"}]), POLICY),
        with_calls({**CALL, "eventName": ["UpdateAssumeRolePolicy"]}, POLICY),
        with_calls({**CALL, "userIdentity": {"type": ["Root"]}}, POLICY),
        with_calls({**CALL, "requestParameters": {"roleName": ["one", "two"], "x": [{"exists": False}]}}, POLICY),
        with_calls(CALL, {**POLICY, "eventName": ["A"]}),
        with_detail(errorCode=[{"exists": False}]),
        with_detail(readOnly=["false"]),
        with_detail(readOnly=[True]),
        with_detail(eventTime=[{"prefix": "2026"}]),
        {**expected(()), "account": ["111122223333"]},
        {**expected(()), "source": ["aws.kms"]},
        {name: value for name, value in expected(()).items() if name != "source"},
        {**expected(()), "detail": {"eventName": ["A"]}},
        {**expected(()), "detail": []},
        {},
    ],
)
def test_a_pattern_that_matches_less_in_any_part_is_refused(pattern: Pattern) -> None:
    """Also where it matches every event that a test would think of."""
    assert list(narrower(json.dumps(pattern), expected, 0))


@pytest.mark.parametrize("text", [None, 7, "no json", "[]", '{"source": ["aws.iam"], "source": ["x"]}'])
def test_what_is_no_pattern_is_refused(text: object) -> None:
    assert list(narrower(text, expected, 0))


@pytest.mark.parametrize(
    ("ids", "is_refused"),
    [
        ([KEY_ID], False),
        ([OTHER_ID], False),
        ([], True),
        ([KEY_ID, OTHER_ID], True),
        ([KEY_ID.upper()], True),
        ([f"x{KEY_ID}"], True),
        (["alias/key"], True),
    ],
)
def test_a_pattern_names_as_many_keys_as_the_table(ids: Sequence[str], is_refused: bool) -> None:
    assert bool(list(narrower(json.dumps(expected(ids)), expected, 1))) is is_refused


def test_a_key_is_named_in_every_part_of_the_table() -> None:
    def both(ids: Sequence[str]) -> Mapping[str, Any]:
        return {"detail": {"$or": [{"a": [{"suffix": each} for each in ids]}, {"b": list(ids)}]}}

    assert list(narrower(json.dumps(both([KEY_ID, OTHER_ID])), both, 2)) == []
    parts = {"detail": {"$or": [{"a": [{"suffix": KEY_ID}]}, {"b": [KEY_ID, OTHER_ID]}]}}
    [fault] = narrower(json.dumps(parts), both, 2)
    assert OTHER_ID in fault and "nobody would be told" in fault
