"""Policy evaluation against the rules of the IAM User Guide."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.aws.iam.policy import (
    Decision,
    Request,
    UnsupportedCondition,
    conditions_hold,
    evaluate,
    matches,
    names_principal,
    statements,
)

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234"
ALLOW = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}


def decision(*policy: dict[str, Any], action: str = "kms:Decrypt", resource: str = KEY) -> Decision:
    return evaluate(policy, Request(action=action, resource=resource))


def test_what_no_statement_allows_is_denied() -> None:
    assert decision() is Decision.IMPLICIT_DENY
    assert decision(ALLOW, action="kms:Encrypt") is Decision.IMPLICIT_DENY
    assert decision(ALLOW, resource=f"{KEY}5") is Decision.IMPLICIT_DENY


def test_a_deny_wins_wherever_it_stands() -> None:
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    assert decision(ALLOW, deny) is decision(deny, ALLOW) is Decision.EXPLICIT_DENY


def test_actions_match_in_any_case_and_resources_do_not() -> None:
    assert decision({**ALLOW, "Action": "KMS:decrypt"}) is Decision.ALLOWED
    assert decision({**ALLOW, "Resource": KEY.upper()}) is Decision.IMPLICIT_DENY


def test_a_not_action_and_a_not_resource_mean_all_others() -> None:
    others = {"Effect": "Allow", "NotAction": "kms:Decrypt", "Resource": "*"}
    assert decision(others) is Decision.IMPLICIT_DENY
    assert decision(others, action="kms:Encrypt") is Decision.ALLOWED
    elsewhere = {"Effect": "Allow", "Action": "kms:*", "NotResource": KEY}
    assert decision(elsewhere) is Decision.IMPLICIT_DENY


def test_a_single_statement_needs_no_list() -> None:
    assert statements({"Statement": ALLOW}) == statements({"Statement": [ALLOW]}) == (ALLOW,)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("kms:Generate*", "kms:GenerateDataKey", True),
        ("kms:Decrypt?", "kms:Decrypt", False),
        ("a.c", "abc", False),
        ("*", "", True),
    ],
)
def test_a_star_is_any_text_and_a_question_mark_one_character(pattern: str, value: str, expected: bool) -> None:
    assert matches(pattern, value) is expected


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"k": ["a", "b"]}}, True),
        ({"StringEquals": {"k": "b"}}, False),
        ({"StringEquals": {"K": "a"}}, True),
        ({"StringEquals": {"other": "a"}}, False),
        ({"StringEqualsIfExists": {"other": "a"}}, True),
        ({"StringEqualsIfExists": {"k": "b"}}, False),
        ({"StringNotEquals": {"k": "a"}}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, False),
        ({"StringNotEquals": {"k": "b"}}, True),
        ({"StringNotEquals": {"other": "a"}}, True),
        ({"StringLike": {"k": "?"}}, True),
        ({"Null": {"k": "true"}}, False),
        ({"Null": {"other": True}}, True),
        ({"Bool": {"secure": False}}, False),
        ({"Bool": {"secure": "true"}}, True),
        ({"NumericLessThan": {"days": "30"}}, True),
        ({"ArnLike": {"arn": "arn:aws:ecs:*:123456789012:*"}}, True),
        ({"ArnLike": {"arn": "arn:aws:*:task/a"}}, False),
        ({"ForAnyValue:StringEquals": {"many": "b"}}, True),
        ({"ForAllValues:StringEquals": {"many": "b"}}, False),
        ({"ForAllValues:StringEquals": {"many": ["b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"other": "b"}}, True),
        ({"StringEquals": {"k": "a", "days": "1"}}, False),
        ({"StringEquals": {"k": "a"}, "Bool": {"secure": "false"}}, False),
        ({}, True),
    ],
)
def test_conditions_hold_as_documented(condition: dict[str, Any], holds: bool) -> None:
    context = {
        "k": ("a",),
        "secure": ("true",),
        "days": ("7",),
        "many": ("b", "c"),
        "arn": ("arn:aws:ecs:us-east-1:123456789012:task/a",),
    }
    assert conditions_hold(condition, context) is holds


def test_an_operator_that_is_not_known_is_never_guessed() -> None:
    with pytest.raises(UnsupportedCondition, match="DateLessThan"):
        conditions_hold({"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}, {})


def test_a_service_is_not_a_user() -> None:
    service = {"Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    assert names_principal(service, "Service", ["ecs-tasks.amazonaws.com"]) == "ecs-tasks.amazonaws.com"
    assert names_principal(service, "AWS", ["ecs-tasks.amazonaws.com"]) is None


@pytest.mark.parametrize("everybody", ["*", {"AWS": "*"}, {"AWS": ["*"]}])
def test_a_star_is_everybody(everybody: Any) -> None:
    assert names_principal({"Principal": everybody}, "AWS", ["arn:aws:iam::123456789012:user/x"]) == "*"
