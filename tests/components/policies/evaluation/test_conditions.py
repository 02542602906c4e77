"""Conditions and patterns where only part of the request is known: yes, no, or unknown."""

from __future__ import annotations

import itertools

import pytest

from components.policies.evaluation.conditions import (
    all_of,
    any_of,
    conditions_hold,
    describe_condition,
    matches,
    negate,
    unknown_conditions,
)
from components.policies.statements import normalized

KNOWN = {"aws:principalarn": ("arn:aws:iam::111122223333:role/app",), "aws:securetransport": ("true",), "absent": ()}
TRUTHS = (True, False, None)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(TRUTHS, TRUTHS)))
def test_what_is_unknown_decides_nothing_that_the_rest_does_not_decide(first, second):
    assert all_of((first, second)) == (False if False in (first, second) else None if None in (first, second) else True)
    assert any_of((first, second)) == (True if True in (first, second) else None if None in (first, second) else False)
    assert negate(negate(first)) == first


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("kms:*", "kms:Decrypt", True),
        ("kms:D?crypt", "kms:Decrypt", True),
        ("*", "anything", True),
        ("kms:Decrypt", "kms:Decrypt", True),
        ("kms:Encrypt*", "kms:Decrypt", False),
        ("kms:[D]ecrypt", "kms:Decrypt", False),
        ("kms:Decryp", "kms:Decrypt", False),
        ("kms:Decrypt?", "kms:Decrypt", False),
        ("key/${aws:username}", "key/1", None),
        ("alias/${aws:username}", "key/1", False),
        ("key/${*}", "key/1", False),
        ("key/${*}", "key/*", True),
    ],
)
def test_a_pattern_matches_or_not_and_a_variable_leaves_it_unknown(pattern, value, expected):
    assert matches(pattern, value) is expected


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/*", True),
        ("ArnEquals", "AWS:PRINCIPALARN", ["arn:aws:iam::111122223333:role/app", "other"], True),
        ("StringLike", "aws:PrincipalArn", "*:role/app", True),
        ("Bool", "aws:SecureTransport", True, True),
        ("Null", "aws:PrincipalArn", "false", True),
        ("Null", "absent", True, True),
        ("StringNotEquals", "absent", "x", True),
        ("StringEqualsIfExists", "absent", "x", True),
        ("ForAllValues:StringEquals", "absent", "x", True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", False),
        ("ArnLike", "aws:PrincipalArn", "arn:*", False),
        ("ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/app", False),
        ("StringEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/*", False),
        ("Bool", "aws:SecureTransport", "false", False),
        ("Null", "aws:PrincipalArn", "true", False),
        ("StringEquals", "absent", "x", False),
        ("ForAnyValue:StringEquals", "absent", "x", False),
        ("Bool", "aws:MultiFactorAuthPresent", "true", None),
        ("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com", None),
        ("Null", "kms:EncryptionContext:app", "true", None),
        ("IpAddress", "aws:PrincipalArn", "10.0.0.0/8", None),
        ("StringEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/${aws:username}", None),
        ("SomeNewOperator", "aws:PrincipalArn", "x", None),
    ],
)
def test_a_condition_holds_or_not_or_is_unknown(operator, key, values, expected):
    assert conditions_hold(normalized({"Condition": {operator: {key: values}}}).conditions, KNOWN) is expected


def test_one_condition_that_fails_is_enough_whatever_the_unknown_ones_are():
    conditions = {"Bool": {"aws:MultiFactorAuthPresent": "true", "aws:SecureTransport": "false"}}
    assert conditions_hold(normalized({"Condition": conditions}).conditions, KNOWN) is False


def test_the_unknown_conditions_are_listed_and_the_decided_ones_are_not():
    conditions = {
        "Bool": {"aws:MultiFactorAuthPresent": "true", "aws:SecureTransport": "true"},
        "StringNotEquals": {"kms:ViaService": ["a", "b"]},
        "Null": {"kms:EncryptionContext:app": "false"},
    }
    assert unknown_conditions(normalized({"Condition": conditions}).conditions, KNOWN) == (
        "aws:MultiFactorAuthPresent is true",
        "kms:ViaService is not a or b",
        "kms:EncryptionContext:app is present",
    )


def test_a_limit_is_described_with_its_operator():
    assert describe_condition("NumericLessThan", "aws:MultiFactorAuthAge", ("3600",)) == (
        "aws:MultiFactorAuthAge NumericLessThan 3600"
    )
