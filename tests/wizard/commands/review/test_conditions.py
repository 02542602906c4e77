"""Conditions and patterns where only a part of the request is known: yes, no, or it depends."""

from __future__ import annotations

import itertools

import pytest

from wizard.commands.review.conditions import every, fits, hold, in_words, open_ones, opposite, some

KNOWN = {"aws:principalarn": ("arn:aws:iam::111122223333:role/app",), "aws:securetransport": ("true",), "absent": ()}
TRUTHS = (True, False, None)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(TRUTHS, TRUTHS)))
def test_what_is_open_decides_nothing_that_the_rest_does_not_decide(one, other):
    assert every((one, other)) == (False if False in (one, other) else None if None in (one, other) else True)
    assert some((one, other)) == (True if True in (one, other) else None if None in (one, other) else False)
    assert opposite(opposite(one)) == one


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
def test_a_pattern_fits_or_not_and_a_variable_leaves_it_open(pattern, value, expected):
    assert fits(pattern, value) is expected


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "expected"),
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
def test_a_condition_holds_or_not_or_it_depends(operator, key, wanted, expected):
    assert hold({operator: {key: wanted}}, KNOWN) is expected


def test_one_condition_that_fails_is_enough_whatever_the_open_ones_are():
    conditions = {"Bool": {"aws:MultiFactorAuthPresent": "true", "aws:SecureTransport": "false"}}
    assert hold(conditions, KNOWN) is False


def test_the_open_conditions_are_told_and_the_decided_ones_are_not():
    conditions = {
        "Bool": {"aws:MultiFactorAuthPresent": "true", "aws:SecureTransport": "true"},
        "StringNotEquals": {"kms:ViaService": ["a", "b"]},
        "Null": {"kms:EncryptionContext:app": "false"},
    }
    assert open_ones(conditions, KNOWN) == (
        "aws:MultiFactorAuthPresent is true",
        "kms:ViaService is not a or b",
        "kms:EncryptionContext:app is present",
    )


def test_a_limit_is_told_with_its_operator():
    assert in_words("NumericLessThan", "aws:MultiFactorAuthAge", ("3600",)) == (
        "aws:MultiFactorAuthAge NumericLessThan 3600"
    )
