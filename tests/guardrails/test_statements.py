"""Policy documents held against the lines of a table: what says the same or is stricter passes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from guardrails.rules import statements
from guardrails.rules.row import Bound, Denied, Document, May
from tests.components.configurations import ACCOUNT
from tests.guardrails.planned import allow, document
from tests.guardrails.test_rules import key, messages

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
SECOND = f"arn:aws:iam::{ACCOUNT}:role/second"


def read(*elements: Mapping[str, Any]) -> tuple[statements.Statement, ...]:
    return statements.read(document(*elements))


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"statement": []}',
        '{"Statement": ["x"]}',
        '{"Statement": [], "Extra": 1}',
        '{"Statement": {"Effect": "Perhaps"}}',
        '{"Statement": {"Effect": "Allow", "principal": "*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Principal": "*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x"}}',
        '{"Statement": {"Effect": "Allow", "Principal": {}, "Action": "x:Y"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Action": []}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Action": [["kms:*"]]}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Action": "x:Y", "Condition": "y"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Action": "x:Y", "Condition": {"Bool": "y"}}}',
        '{"Statement": {"Effect": "Allow", "Action": "x:Y", "Condition": {"Bool": {"aws:X": "y", "AWS:x": "z"}}}}',
        '{"Statement": {"Effect": "Deny", "Action": "x:Y", "Condition": {"Bool": {"x:X": "y"}, "bool": {"x:X": ""}}}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Action": "x:Y", "Condition": {"Bool": {"aws:X": []}}}}',
        # The sign of Kelvin is a small k to Python, and nothing to KMS.
        '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "\u212ams:Decrypt"}}',
        r'{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "\u212ams:Decrypt"}}',
    ],
)
def test_a_document_that_two_could_read_differently_is_refused(text: str) -> None:
    [message] = messages(key(text), "listed-access")
    assert message.startswith("The Key phi-key: its policy ")
    assert message.endswith("so that it cannot be checked: write it as the table has it.")


def test_a_policy_in_other_words_that_says_the_same_passes() -> None:
    """No Sid, no list, an account by its bare id, a condition key in other letters."""
    assert messages(key()) == []


TRUST = Document(
    may=(
        May(
            who=(("Federated", "arn:provider"),),
            actions=("sts:AssumeRoleWithWebIdentity",),
            when={"StringEquals": {"issuer:sub": ("one", "two"), "issuer:aud": ("me",)}},
        ),
    )
)


@pytest.mark.parametrize(
    ("condition", "is_refused"),
    [
        ({"StringEquals": {"issuer:sub": "one", "issuer:aud": "me"}}, False),
        ({"StringEquals": {"Issuer:SUB": ["one", "two"], "issuer:aud": ["me"]}}, False),
        ({"StringLike": {"issuer:sub": "one"}, "StringEquals": {"issuer:aud": "me"}}, False),
        ({"StringEquals": {"issuer:sub": "one", "issuer:aud": "me", "aws:x": "y"}}, False),
        ({"StringEquals": {"issuer:sub": ["one", "three"], "issuer:aud": "me"}}, True),
        ({"StringEquals": {"issuer:sub": "ONE", "issuer:aud": "me"}}, True),
        ({"StringEqualsIgnoreCase": {"issuer:sub": "one"}, "StringEquals": {"issuer:aud": "me"}}, True),
        ({"StringLike": {"issuer:sub": "on*"}, "StringEquals": {"issuer:aud": "me"}}, True),
        ({"StringEqualsIfExists": {"issuer:sub": "one"}, "StringEquals": {"issuer:aud": "me"}}, True),
        ({"ForAllValues:StringEquals": {"issuer:sub": "one"}, "StringEquals": {"issuer:aud": "me"}}, True),
        ({"StringNotEquals": {"issuer:sub": "three"}, "StringEquals": {"issuer:aud": "me"}}, True),
        ({"StringEquals": {"issuer:sub": "${aws:username}", "issuer:aud": "me"}}, True),
        ({"StringEquals": {"issuer:aud": "me"}}, True),
        ({}, True),
    ],
)
def test_a_condition_has_to_be_at_least_as_narrow(condition: Mapping[str, Any], is_refused: bool) -> None:
    statement = allow(
        Principal={"Federated": "arn:provider"}, Action="sts:AssumeRoleWithWebIdentity", Condition=condition
    )
    assert bool(list(statements.excess(read(statement), TRUST))) is is_refused


TOPICS = Document(
    may=(
        May(
            who=(("Service", "events.amazonaws.com"),),
            actions=("kms:GenerateDataKey*",),
            on=("*",),
            when={"ArnLike": {"kms:context": ("arn:aws:sns:*:111122223333:*",)}},
        ),
    )
)


@pytest.mark.parametrize(
    ("action", "operator", "value", "is_refused"),
    [
        ("kms:GenerateDataKey*", "ArnLike", "arn:aws:sns:*:111122223333:*", False),
        ("KMS:generatedatakey", "ArnEquals", "arn:aws:sns:us-east-1:111122223333:alerts", False),
        ("kms:GenerateDataKeyPair", "StringEquals", "arn:aws:sns:*:111122223333:*", False),
        ("kms:GenerateDataKey?", "ArnLike", "arn:aws:sns:*:111122223333:*", True),
        ("kms:Generate*", "ArnLike", "arn:aws:sns:*:111122223333:*", True),
        ("kms:GenerateDataKey*", "StringLike", "arn:aws:sns:*:111122223333:a*", True),
        # In the first fields of an ARN a star ends at a colon.
        ("kms:GenerateDataKey*", "StringEquals", "arn:aws:sns:x:999999999999:y:111122223333:z", True),
        ("kms:GenerateDataKey*", "ArnLike", "arn:aws:sns:*:*:*", True),
    ],
)
def test_a_wildcard_has_to_be_one_of_the_table(action: str, operator: str, value: str, is_refused: bool) -> None:
    statement = allow(
        Principal={"Service": "events.amazonaws.com"},
        Action=action,
        Resource="*",
        Condition={operator: {"kms:context": value}},
    )
    assert bool(list(statements.excess(read(statement), TOPICS))) is is_refused


@pytest.mark.parametrize(
    ("resources", "is_refused"),
    [
        (["arn:key/1"], False),
        (["arn:key/1", "arn:key/2"], False),
        (["arn:key/*"], True),
        (["arn:key/?"], True),
        (["arn:key/1", "*"], True),
        ("arn:key/${aws:username}", True),
        ("arn:keys/1", True),
    ],
)
def test_a_resource_that_has_to_be_named_in_full_has_no_wildcard(resources: Any, is_refused: bool) -> None:
    table = Document(may=(May(actions=("kms:Decrypt",), on=("arn:key/*",), in_full=True),))
    statement = allow(Action="kms:Decrypt", Resource=resources)
    assert bool(list(statements.excess(read(statement), table))) is is_refused


@pytest.mark.parametrize(
    "more",
    [
        {"NotAction": "kms:Decrypt", "Resource": "*"},
        {"Action": "kms:Decrypt", "NotResource": "arn:key/1"},
        {"NotPrincipal": {"AWS": ADMIN}, "Action": "kms:Decrypt", "Resource": "*"},
    ],
)
def test_all_but_some_is_in_no_line(more: Mapping[str, Any]) -> None:
    table = Document(may=(May(actions=("kms:*",), on=("*",)),))
    assert list(statements.excess(read(allow(**more)), table))


# --- denials

DELETION = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": ["kms:ScheduleKeyDeletion"], "Resource": "*"}
BUT = {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": ADMIN}}}
LEAST = Denied(actions=("kms:ScheduleKeyDeletion",), but=(ADMIN,), is_least=True, what="deletion")
EXACT = Denied(actions=("kms:ScheduleKeyDeletion",), but=(ADMIN,), what="deletion")


def refused(denial: Mapping[str, Any], denied: Denied) -> tuple[bool, bool]:
    """Whether the table's denial is missed, and whether the document's is one too many."""
    read_ = read(denial)
    lacking = list(statements.undenied(read_, denied))
    return bool(lacking), bool(list(statements.overdone(read_, Document(may=(), denied=(denied,)))))


@pytest.mark.parametrize(
    "denial",
    [
        DELETION | BUT,
        DELETION | BUT | {"Principal": "*", "Action": "KMS:scheduleKEYdeletion"},
        DELETION | {"Condition": {"StringNotEquals": {"AWS:principalarn": [ADMIN]}}},
        DELETION | {"Condition": {"ArnNotLike": {"aws:PrincipalArn": [ADMIN]}}},
    ],
)
def test_a_denial_in_other_words_passes(denial: Mapping[str, Any]) -> None:
    assert refused(denial, LEAST) == refused(denial, EXACT) == (False, False)


def test_fewer_exempted_pass_where_less_is_no_harm() -> None:
    assert refused(DELETION, LEAST) == (False, False)
    assert refused(DELETION, EXACT) == (True, True)


@pytest.mark.parametrize(
    "denial",
    [
        DELETION | {"Effect": "Allow"},
        DELETION | {"Principal": {"AWS": ROOT}},
        DELETION | {"Principal": {"AWS": ["*", ROOT]}},
        DELETION | {"Principal": {"Service": "*"}},
        DELETION | {"Action": "kms:*"},
        DELETION | {"Action": "kms:ScheduleKey*"},
        DELETION | {"Resource": "?"},
        DELETION | {"Resource": "arn:aws:kms:us-east-1:1:key/1"},
        *(
            DELETION | {"Condition": condition}
            for condition in (
                {"ArnNotEquals": {"aws:PrincipalArn": [ADMIN, SECOND]}},
                {"ArnNotEquals": {"aws:PrincipalArn": ADMIN.upper()}},
                {"ArnNotEquals": {"aws:PrincipalArn": ADMIN}, "StringNotEquals": {"aws:PrincipalArn": SECOND}},
                {"ArnNotLike": {"aws:PrincipalArn": f"{ADMIN}*"}},
                {"StringNotLike": {"aws:PrincipalArn": "*:role/evil"}},
                {"StringNotLike": {"aws:PrincipalArn": ADMIN}},
                {"StringNotEqualsIgnoreCase": {"aws:PrincipalArn": ADMIN}},
                {"ForAnyValue:ArnNotEquals": {"aws:PrincipalArn": ADMIN}},
                {"ForAllValues:StringNotEquals": {"aws:PrincipalArn": ADMIN}},
                {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}},
                {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
                {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
                {"Null": {"aws:MultiFactorAuthAge": "true"}},
                {"ArnNotEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}},
                {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
            )
        ),
        {**{name: DELETION[name] for name in DELETION if name != "Principal"}, "NotPrincipal": {"AWS": ADMIN}},
        {**{name: DELETION[name] for name in DELETION if name != "Action"}, "NotAction": "kms:Decrypt"},
    ],
)
def test_any_other_denial_is_none(denial: Mapping[str, Any]) -> None:
    """Each of these lets somebody delete the key, or denies more than the table: to whom it is not sampled."""
    assert refused(denial, LEAST)[0] and refused(denial, EXACT)[0]


IN_USE = Denied(
    actions=("kms:DisableKey",),
    bound=Bound(operator="NumericLessThan", key="kms:TrailingDaysWithoutKeyUsage", value="90"),
    is_least=True,
    what="a key in use",
)


@pytest.mark.parametrize(
    ("condition", "is_missed"),
    [
        ({"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90"}}, False),
        ({"numericlessthan": {"kms:trailingdayswithoutkeyusage": 91}}, False),
        ({}, False),
        ({"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "89"}}, True),
        ({"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": ["90", "91"]}}, True),
        ({"NumericEquals": {"kms:TrailingDaysWithoutKeyUsage": ["0", "89"]}}, True),
        ({"NumericLessThanEquals": {"kms:TrailingDaysWithoutKeyUsage": "90"}}, True),
        ({"NumericLessThanIfExists": {"kms:TrailingDaysWithoutKeyUsage": "90"}}, True),
        ({"StringLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90"}}, True),
        ({"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "9e9"}}, True),
        ({"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "90", "aws:EpochTime": "1"}}, True),
    ],
)
def test_a_bound_is_the_tables_or_further(condition: Mapping[str, Any], is_missed: bool) -> None:
    denial = {**DELETION, "Action": "kms:DisableKey", "Condition": condition}
    assert refused(denial, IN_USE) == (is_missed, is_missed)


def test_a_bound_that_could_stop_the_records_is_exactly_the_tables() -> None:
    bound = Bound(operator="NumericLessThan", key="s3:TlsVersion", value="1.2")
    tls = Denied(actions=("s3:*",), on=("arn:b", "arn:b/*"), bound=bound, what="old TLS")
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:b/*", "arn:b"]}

    def says(**condition: Any) -> tuple[bool, bool]:
        return refused({**denial, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}, **condition}}, tls)

    assert says() == (False, False)
    assert says(NumericLessThan={"s3:TlsVersion": "1.3"}) == (True, True)
    assert says(NumericEquals={"s3:TlsVersion": ["1.0", "1.1"]}) == (True, True)
    assert refused(denial, tls) == (True, True)
    assert refused({**denial, "Resource": "arn:b"}, tls)[0]


def test_a_denial_that_the_table_does_not_have_can_lock_out() -> None:
    use = DELETION | {"Action": ["kms:Decrypt", "kms:ScheduleKeyDeletion"]} | BUT
    [fault] = statements.overdone(read(use), Document(may=(), denied=(LEAST,)))
    assert "denies kms:Decrypt where ArnNotEquals aws:PrincipalArn" in fault and "wanted no such denial" in fault


# --- what has to be there


@pytest.mark.parametrize(
    ("changes", "is_absent"),
    [
        ({}, False),
        ({"Principal": {"AWS": [ACCOUNT, ADMIN]}}, False),
        ({"Action": "kms:Decrypt"}, True),
        ({"Effect": "Deny"}, True),
        ({"Resource": "arn:aws:kms:us-east-1:1:key/1"}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, True),
        ({"Principal": {"AWS": ADMIN}}, True),
    ],
)
def test_what_locks_out_where_it_is_missing_has_to_be_there_as_it_is(
    changes: Mapping[str, Any], is_absent: bool
) -> None:
    line = May(who=(("AWS", ROOT),), actions=("kms:*",), on=("*",), without="nobody can manage the key")
    statement = {**allow(Principal={"AWS": ROOT}, Action="kms:*", Resource="*"), **changes}
    assert bool(list(statements.absent(read(statement), Document(may=(line,))))) is is_absent


def test_a_difference_is_said_in_words() -> None:
    policy = json.loads(document(allow(Principal={"AWS": ACCOUNT}, Action="kms:*", Resource="*"), DELETION))
    policy["Statement"][1]["Condition"] = {"StringNotLike": {"aws:PrincipalArn": "*:role/evil"}}
    found = " ".join(messages(key(json.dumps(policy)), "listed-access"))
    assert (
        "does not deny the deletion of the key; found a statement without a Sid where StringNotLike aws:PrincipalArn "
        "*:role/evil; wanted Deny kms:ScheduleKeyDeletion on * to everybody; to change that: pulumi config set" in found
    )
