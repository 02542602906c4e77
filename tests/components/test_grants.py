"""What a key policy gives to whom: the judgement that stands between the wizard and a lockout."""

from __future__ import annotations

from typing import Any

import pytest

from components import policies
from components.policies import Grant, grants

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
OTHER = f"arn:aws:iam::{ACCOUNT}:user/other"
STRANGER = "arn:aws:iam::999999999999:role/admin"
APP = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
PUT = "kms:PutKeyPolicy"


def _statement(effect: str = "Allow", principal: Any = None, **others: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal or {"AWS": ADMIN}, "Action": PUT, "Resource": "*"}
    return {**statement, **others}


def _judged(*statements: dict[str, Any], principal: str = ADMIN, action: str = PUT) -> Grant:
    return grants({"Version": "2012-10-17", "Statement": list(statements)}, principal, action)


@pytest.mark.parametrize(
    ("principal", "action", "grant"),
    [
        (ADMIN, "kms:PutKeyPolicy", Grant.NAMED),
        (ADMIN, "kms:GenerateDataKeyWithoutPlaintext", Grant.NAMED),
        (ADMIN, "kms:ScheduleKeyDeletion", Grant.NAMED),
        (ADMIN, "kms:Decrypt", Grant.THROUGH_ROOT),
        (ADMIN, "kms:GenerateDataKey", Grant.THROUGH_ROOT),
        (ADMIN, "kms:CreateGrant", Grant.THROUGH_ROOT),
        (APP, "kms:Decrypt", Grant.NAMED),
        (APP, "kms:GenerateDataKey", Grant.NAMED),
        (APP, "kms:DescribeKey", Grant.NAMED),
        (APP, "kms:ScheduleKeyDeletion", Grant.THROUGH_ROOT),
        (APP, "kms:PutKeyPolicy", Grant.THROUGH_ROOT),
        (OTHER, "kms:PutKeyPolicy", Grant.THROUGH_ROOT),
        (ROOT, "kms:PutKeyPolicy", Grant.NAMED),
        (STRANGER, "kms:Decrypt", Grant.NONE),
        (STRANGER, "kms:PutKeyPolicy", Grant.NONE),
    ],
)
def test_who_may_do_what_by_the_product_s_own_policy(principal: str, action: str, grant: Grant) -> None:
    policy = policies.key_policy(account_id=ACCOUNT, administrators=(ADMIN,), app_principal_arn=APP)
    assert grants(policy, principal, action) is grant


def test_without_the_root_statement_who_is_not_named_is_locked_out() -> None:
    statements = [policies.administration_statement(administrators=(ADMIN,))]
    assert _judged(*statements, principal=ADMIN) is Grant.NAMED
    assert _judged(*statements, principal=OTHER) is Grant.NONE
    assert _judged(*statements, principal=ROOT) is Grant.NONE


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ADMIN}, {"AWS": [OTHER, ADMIN]}])
def test_a_principal_is_named_as_a_string_in_a_list_or_with_everybody(principal: Any) -> None:
    assert _judged(_statement(principal=principal)) is Grant.NAMED


@pytest.mark.parametrize("principal", [{"AWS": ROOT}, {"AWS": ACCOUNT}, {"AWS": [STRANGER, ROOT]}])
def test_the_account_is_named_by_its_root_or_its_number(principal: Any) -> None:
    assert _judged(_statement(principal=principal)) is Grant.THROUGH_ROOT


def test_being_named_outweighs_the_way_through_the_account() -> None:
    through, named = _statement(principal={"AWS": ROOT}), _statement()
    assert _judged(through, named) is Grant.NAMED
    assert _judged(named, through) is Grant.NAMED


@pytest.mark.parametrize("principal", [{"AWS": "arn:aws:iam::999999999999:root"}, {"Service": "ecs"}, {}])
def test_somebody_else_s_grant_is_none(principal: Any) -> None:
    assert _judged({"Effect": "Allow", "Principal": principal, "Action": PUT, "Resource": "*"}) is Grant.NONE


@pytest.mark.parametrize("action", ["kms:*", "*", "KMS:putkeypolicy", "kms:Put*", ["kms:Get*", "kms:?utKeyPolicy"]])
def test_an_action_is_matched_by_wildcards_and_in_any_case(action: Any) -> None:
    assert _judged(_statement(Action=action)) is Grant.NAMED


@pytest.mark.parametrize("action", ["kms:Put", "kms:PutKey", "s3:*", [], ["kms:Decrypt"]])
def test_an_action_that_does_not_match_is_not_granted(action: Any) -> None:
    assert _judged(_statement(Action=action)) is Grant.NONE


def test_a_deny_wins_wherever_it_stands() -> None:
    assert _judged(_statement("Deny"), _statement()) is Grant.DENIED
    assert _judged(_statement(), _statement("Deny", principal="*")) is Grant.DENIED
    assert _judged(_statement(), _statement("Deny", principal={"AWS": ROOT})) is Grant.DENIED


def test_a_deny_of_somebody_or_something_else_does_not_matter() -> None:
    assert _judged(_statement(), _statement("Deny", principal={"AWS": OTHER})) is Grant.NAMED
    assert _judged(_statement(), _statement("Deny", Action="kms:Decrypt")) is Grant.NAMED


def test_under_a_condition_an_allow_counts_for_nothing_and_a_deny_in_full() -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    assert _judged(_statement(Condition=condition)) is Grant.NONE
    assert _judged(_statement(), _statement("Deny", Condition=condition)) is Grant.DENIED


def test_what_a_statement_excepts_is_judged_to_be_on_the_safe_side() -> None:
    everybody_but_other = {"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}, "Action": PUT, "Resource": "*"}
    assert _judged(everybody_but_other) is Grant.NONE
    assert _judged(_statement(), {**everybody_but_other, "Effect": "Deny"}) is Grant.DENIED
    spared = {**everybody_but_other, "Effect": "Deny", "NotPrincipal": {"AWS": ADMIN}}
    assert _judged(_statement(), spared) is Grant.NAMED
    everything_but = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Resource": "*"}
    assert _judged({**everything_but, "NotAction": "kms:Decrypt"}) is Grant.NAMED
    assert _judged({**everything_but, "NotAction": PUT}) is Grant.NONE


def test_a_statement_on_another_resource_grants_nothing() -> None:
    assert _judged(_statement(Resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/other")) is Grant.NONE


@pytest.mark.parametrize(
    ("session", "grant"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice", Grant.NAMED),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/administrator/alice", Grant.THROUGH_ROOT),
        ("arn:aws:sts::999999999999:assumed-role/admin/alice", Grant.NONE),
        ("arn:aws-us-gov:sts::999999999999:assumed-role/admin/alice", Grant.NONE),
    ],
)
def test_a_role_s_session_has_what_the_role_has(session: str, grant: Grant) -> None:
    statements = [_statement(), _statement(principal={"AWS": ROOT})]
    assert _judged(*statements, principal=session) is grant


@pytest.mark.parametrize("policy", [{}, {"Statement": []}, {"Statement": {"Effect": "Allow"}}])
def test_an_empty_policy_grants_nothing(policy: dict[str, Any]) -> None:
    assert grants(policy, ADMIN, PUT) is Grant.NONE
