"""The normal form of a policy statement: what is the same however it is written, and what is not.

Pure.
"""

from typing import Any

import pytest

from components.policies.statements import normalized, statements_of

ACCOUNT = "123456789012"
ALLOW: dict[str, Any] = {
    "Sid": "Use",
    "Effect": "Allow",
    "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/a", f"arn:aws:iam::{ACCOUNT}:role/b"]},
    "Action": ["kms:Decrypt", "kms:DescribeKey"],
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:SourceAccount": ["1", "2"]}, "Bool": {"aws:SecureTransport": True}},
}


@pytest.mark.parametrize(
    "written",
    [
        {"Sid": "Another"},
        {"Principal": {"AWS": [*reversed(ALLOW["Principal"]["AWS"])]}},
        {"Action": ["KMS:DescribeKey", "kms:decrypt"]},
        {"Resource": ["*"]},
        {"Condition": {"bool": {"aws:securetransport": "true"}, "StringEquals": {"AWS:SourceAccount": ["2", "1"]}}},
    ],
)
def test_a_statement_is_the_same_however_it_is_written(written: dict[str, Any]) -> None:
    assert normalized({**ALLOW, **written}) == normalized(ALLOW)
    assert len({normalized({**ALLOW, **written}), normalized(ALLOW)}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Principal": "*"}, {"Principal": {"AWS": "*"}}),
        ({"Principal": {"AWS": ACCOUNT}}, {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}),
    ],
)
def test_aws_takes_two_spellings_of_a_principal_for_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert normalized(one) == normalized(other)


@pytest.mark.parametrize(
    "written",
    [
        {"Effect": "Deny"},
        {"Effect": "allow"},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a"}},
        {"Principal": {"Service": ALLOW["Principal"]["AWS"]}},
        {"NotPrincipal": {"AWS": "*"}},
        {"NotPrincipal": {}},
        {"Action": "kms:*"},
        {"NotAction": []},
        {"Resource": "arn:aws:kms:us-east-1:123456789012:key/A"},
        {"NotResource": "*"},
        {"Condition": {}},
        {"Condition": {**ALLOW["Condition"], "Null": {"kms:ViaService": "true"}}},
        {"Condition": {"StringLike": {"aws:SourceAccount": ["1", "2"]}, "Bool": {"aws:SecureTransport": True}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": ["1"]}, "Bool": {"aws:SecureTransport": True}}},
    ],
)
def test_what_allows_or_denies_something_else_is_not_the_same(written: dict[str, Any]) -> None:
    assert normalized({**ALLOW, **written}) != normalized(ALLOW)


def test_resources_are_told_apart_by_their_case() -> None:
    key = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
    assert normalized({"Resource": key}) != normalized({"Resource": key.upper()})


def test_a_statement_without_a_resource_is_about_the_role_that_has_the_policy() -> None:
    assert normalized({"Effect": "Allow"}).resources is None
    assert normalized({"Resource": []}).resources == ()


@pytest.mark.parametrize("document", [None, {}, {"Statement": []}, {"Statement": None}, {"Statement": ["text", 1]}])
def test_a_document_without_statements_has_none(document: dict[str, Any] | None) -> None:
    assert statements_of(document) == ()


def test_one_statement_needs_no_list() -> None:
    assert statements_of({"Statement": ALLOW}) == statements_of({"Statement": [ALLOW]}) == (normalized(ALLOW),)
