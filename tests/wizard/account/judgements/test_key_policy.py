"""Who is let in beyond the settings, by the key itself: each stranger alone is found by doctor and fails verify.

Over fakes.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from components.policies.evaluation.account import AccountIam, GrantFact, IamPolicy, IamPrincipal
from components.policies.stack import key_policy_of
from tests.wizard.account.stacks import CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    KEY,
    MULTI_KEY,
    REPLICA,
    REPLICA_REGION,
    SECOND,
    key_fact,
    multi_region,
    settings,
)
from wizard.account.judgements import RIGHTS_CHECKS
from wizard.account.judgements.key_policy import (
    check_grants,
    check_key_policies,
    check_key_surplus,
    check_regions_of_key,
)
from wizard.account.judgements.others import check_others
from wizard.account.notices import Judgement, State, worst
from wizard.core.errors import PermissionDenied

DENIED = PermissionDenied("you may not", "have it allowed")
FOREIGN = "arn:aws:iam::999988887777:root"
FOREIGN_ROLE = "arn:aws:iam::999988887777:role/backup"
OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/reporting"
ELSEWHERE = "eu-north-1"
STRAY = MULTI_KEY.replace("us-east-1", ELSEWHERE)


def allow(principal: Any, action: Any = "kms:Decrypt", **more: Any) -> dict[str, Any]:
    return {"Sid": "x", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **more}


STRANGERS: dict[str, tuple[dict[str, Any], str]] = {
    "another account": (allow({"AWS": FOREIGN}), "999988887777"),
    "another account by its id": (allow({"AWS": "999988887777"}), "999988887777"),
    "a role of another account": (allow({"AWS": FOREIGN_ROLE}), "role/backup"),
    "another role of the account": (allow({"AWS": OTHER_ROLE}), "role/reporting"),
    "everybody under a weak condition": (allow("*", Condition={"StringLike": {"aws:PrincipalArn": "*"}}), "everybody"),
    "everybody through a service": (
        allow({"AWS": "*"}, Condition={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}),
        "everybody",
    ),
    "everybody but one": (
        {"Effect": "Allow", "NotPrincipal": {"AWS": ADMIN}, "Action": "kms:Decrypt", "Resource": "*"},
        "not ",
    ),
    "a service": (allow({"Service": "lambda.amazonaws.com"}), "lambda.amazonaws.com"),
    "a session": (allow({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/reporting/ada"}), "reporting"),
    "whoever gives grants": (allow({"AWS": OTHER_ROLE}, "kms:CreateGrant"), "CreateGrant"),
    "whoever changes the policy": (allow({"AWS": FOREIGN}, "kms:PutKeyPolicy"), "PutKeyPolicy"),
    "whoever re-encrypts": (allow({"AWS": FOREIGN}, "kms:ReEncryptFrom"), "ReEncryptFrom"),
    "whoever deletes": (allow({"AWS": OTHER_ROLE}, "kms:ScheduleKeyDeletion"), "ScheduleKeyDeletion"),
    "all but a few actions": (
        {"Effect": "Allow", "Principal": {"AWS": OTHER_ROLE}, "NotAction": "kms:Sign", "Resource": "*"},
        "role/reporting",
    ),
    "in other letters": (allow({"AWS": FOREIGN}, "KMS:decrypt"), "Decrypt"),
    "by the key's own ARN": (allow({"AWS": FOREIGN}, Resource=KEY), "999988887777"),
    "on everything but something": (
        {
            "Effect": "Allow",
            "Principal": {"AWS": FOREIGN},
            "Action": "kms:Decrypt",
            "NotResource": "arn:aws:kms:*:*:key/none",
        },
        "999988887777",
    ),
    "an administrator who decrypts": (allow({"AWS": ADMIN}), "Decrypt"),
    "the application that administers": (allow({"AWS": APP}, "kms:PutKeyPolicy"), "PutKeyPolicy"),
    "a federation": (allow({"Federated": "cognito-identity.amazonaws.com"}), "cognito"),
}


@pytest.fixture
def stand() -> CheckedStack:
    return CheckedStack()


def with_statement(stand: CheckedStack, *statements: dict[str, Any], key: str = KEY) -> None:
    policy = key_policy_of(stand.settings)
    stand.aws.key_policies[key] = {**policy, "Statement": [*policy["Statement"], *statements]}


def rights(stand: CheckedStack) -> list[str]:
    """The causes for which verify fails."""
    context = stand.context()
    return causes([notice for check in RIGHTS_CHECKS for notice in check(context) if notice.state is State.WRONG])


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_statement_beyond_the_settings_is_a_finding_of_doctor_and_of_verify(stand: CheckedStack, stranger: str):
    statement, named = STRANGERS[stranger]
    with_statement(stand, statement)
    for check in (check_key_policies, check_key_surplus):
        found = finding(stand.notices(check), "key-policy-changed")
        assert named in found.what
        assert shlex.split(found.command)[-1].endswith("$aws:kms/key:Key::phi-key")
    assert rights(stand) == ["key-policy-changed"]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_the_policy_of_each_replica_is_judged_like_the_primarys(stranger: str):
    stand = CheckedStack(settings=multi_region())
    statement, named = STRANGERS[stranger]
    with_statement(
        stand, {**statement, **({"Resource": REPLICA} if statement.get("Resource") == KEY else {})}, key=REPLICA
    )
    found = finding(stand.notices(check_key_surplus)[1:], "key-policy-changed")
    assert REPLICA_REGION in found.what and named in found.what


@pytest.mark.parametrize(
    ("sid", "cause", "fails"),
    [
        ("Deny deletion of the key", "deletion-unguarded", True),
        ("Deny use of the key to all but EONPRO", "key-policy-changed", True),
        # What these delay is denied to everybody else by the first.
        ("Deny a short waiting period of a deletion", "deletion-unguarded", False),
        ("Deny deletion of a key in use", "deletion-unguarded", False),
        ("Deny disabling of a key in use", "deletion-unguarded", False),
    ],
)
def test_a_denial_that_is_gone_is_for_doctor_and_fails_verify_where_somebody_gains_a_right(
    sid: str, cause: str, fails: bool
):
    stand = CheckedStack(settings=settings(exclusive_use=True, deletion_administrators=(SECOND,)))
    policy = key_policy_of(stand.settings)
    kept = [each for each in policy["Statement"] if each["Sid"] != sid]
    assert len(kept) == len(policy["Statement"]) - 1
    stand.aws.key_policies[KEY] = {**policy, "Statement": kept}
    finding(stand.notices(check_key_policies), cause)
    assert causes(stand.notices(check_key_surplus)) == ([cause] if fails else [])


def test_a_denial_with_one_more_exception_fails_verify():
    stand = CheckedStack(settings=settings(exclusive_use=True))
    policy = key_policy_of(stand.settings)
    denial = policy["Statement"][-1]
    denial["Condition"]["ArnNotEquals"]["aws:PrincipalArn"].append(OTHER_ROLE)
    stand.aws.key_policies[KEY] = policy
    assert causes(stand.notices(check_key_surplus)) == ["key-policy-changed"]


@pytest.mark.parametrize("method", ["key_policy", "describe_key"])
def test_what_cannot_be_read_is_unknown_and_never_passed(stand: CheckedStack, method: str):
    stand.aws.failures[method] = DENIED
    assert [each.is_denied for each in not_checked(stand.notices(check_key_surplus))] == [True]


# --- grants


def grant(grantee: str, *operations: str, **more: Any) -> GrantFact:
    return GrantFact(id="g1", grantee=grantee, operations=operations, made=None, retiring=None, **more)


GRANTS = {
    "to a stranger": grant(FOREIGN, "Decrypt"),
    "to a stranger, in one encryption context": replace(
        grant(FOREIGN_ROLE, "Decrypt"), constraints=("EncryptionContextEquals a=b",)
    ),
    "to a stranger, without decryption": grant(FOREIGN, "ReEncryptFrom"),
    "to a stranger who passes it on": grant(OTHER_ROLE, "CreateGrant", "DescribeKey"),
    "to a service": grant("rds.us-east-1.amazonaws.com", "Decrypt"),
    "to an administrator": grant(ADMIN, "Decrypt"),
    "to the application, retired by a stranger": replace(grant(APP, "Decrypt"), retiring=FOREIGN),
    "metadata to a stranger": grant(FOREIGN, "DescribeKey"),
}


@pytest.mark.parametrize("name", GRANTS)
def test_a_grant_beyond_the_settings_is_found_with_the_command_that_revokes_it(stand: CheckedStack, name: str):
    stand.aws.who_has_access.granted = {KEY: (GRANTS[name],)}
    found = finding(stand.notices(check_grants), "grant-foreign")
    assert GRANTS[name].grantee in found.what and all(each in found.what for each in GRANTS[name].operations)
    assert all(each in found.what for each in GRANTS[name].constraints)
    assert found.command == f"aws kms revoke-grant --key-id {KEY} --grant-id g1 --region us-east-1"
    assert rights(stand) == ["grant-foreign"]


def test_a_grant_that_gives_the_application_more_has_a_cause_of_its_own(stand: CheckedStack):
    stand.aws.who_has_access.granted = {KEY: (grant(APP, "Decrypt", "CreateGrant"),)}
    assert "CreateGrant" in finding(stand.notices(check_grants), "grant-widened").what


@pytest.mark.parametrize("harmless", [grant(APP, "Decrypt", "DescribeKey"), grant(ADMIN, "DescribeKey")])
def test_a_grant_of_what_the_settings_give_is_well(stand: CheckedStack, harmless: GrantFact):
    stand.aws.who_has_access.granted = {KEY: (replace(harmless, retiring=ADMIN),)}
    assert all_passed(stand.notices(check_grants))


# --- the Regions of the key


def replicated(**changes: Any) -> CheckedStack:
    """A multi-Region key with a replica in a Region that the settings do not name."""
    stand = CheckedStack(settings=multi_region())
    listed = (REPLICA, STRAY)
    stand.aws.keys[MULTI_KEY] = replace(stand.aws.keys[MULTI_KEY], replicas=listed)
    stand.aws.keys[REPLICA] = replace(stand.aws.keys[REPLICA], replicas=listed, replica_of=MULTI_KEY)
    stand.aws.keys[STRAY] = key_fact(STRAY, replicas=listed, replica_of=MULTI_KEY, **changes)
    stand.aws.key_policies[STRAY] = {
        "Statement": [allow({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "kms:*"), allow({"AWS": FOREIGN})]
    }
    return stand


def test_a_replica_elsewhere_is_found_with_what_its_own_policy_and_grants_give():
    stand = replicated()
    stand.aws.who_has_access.granted = {STRAY: (grant(FOREIGN_ROLE, "Decrypt"),)}
    found = finding(stand.notices(check_regions_of_key), "replica-foreign")
    assert STRAY in found.what and "999988887777 may Decrypt" in found.what and FOREIGN_ROLE in found.what
    command = f"aws kms schedule-key-deletion --key-id {STRAY} --pending-window-in-days 7 --region {ELSEWHERE}"
    assert found.command == command
    assert f"--replica-regions {REPLICA_REGION},{ELSEWHERE}" in found.advice
    assert rights(stand) == ["replica-foreign"]


def test_a_replica_whose_policy_denies_its_deletion_is_deleted_by_one_command():
    stand = replicated()
    stand.aws.key_policies[STRAY] = key_policy_of(stand.settings)
    found = finding(stand.notices(check_regions_of_key), "replica-foreign")
    put, schedule = found.command.split(" && ")
    assert put.startswith(f"aws kms put-key-policy --key-id {STRAY}") and "ScheduleKeyDeletion" not in put
    assert schedule.startswith("aws kms schedule-key-deletion")


def test_a_replica_that_is_going_to_be_deleted_is_well():
    stand = replicated(state="PendingDeletion")
    assert all_passed(stand.notices(check_regions_of_key))


def test_a_primary_that_was_moved_is_moved_back():
    stand = CheckedStack(settings=multi_region())
    listed = (MULTI_KEY,)
    stand.aws.keys[MULTI_KEY] = replace(stand.aws.keys[MULTI_KEY], replicas=listed, replica_of=REPLICA)
    stand.aws.keys[REPLICA] = replace(stand.aws.keys[REPLICA], replicas=listed)
    found = finding(stand.notices(check_regions_of_key)[:1], "primary-moved")
    assert found.command == (
        f"aws kms update-primary-region --key-id {REPLICA} --primary-region us-east-1 --region {REPLICA_REGION}"
    )
    assert rights(stand) == ["primary-moved"]


# --- roles of the account that another account can become

USE = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
VENDOR = f"arn:aws:iam::{ACCOUNT}:role/vendor"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trusting(principal: Any, **more: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


def role(arn: str, trust: dict[str, Any], *statements: dict[str, Any], **more: Any) -> IamPrincipal:
    policies = (IamPolicy(name=f"own of {arn}", document=document(*statements)),)
    return IamPrincipal(arn=arn, policies=policies, trust=trust, **more)


def with_roles(stand: CheckedStack, *roles: IamPrincipal) -> CheckedStack:
    stand.aws.who_has_access.account = AccountIam(principals=roles)
    return stand


@pytest.mark.parametrize(
    ("principal", "more"),
    [
        ({"AWS": FOREIGN}, {}),
        ({"AWS": FOREIGN_ROLE}, {"Condition": {"StringEquals": {"sts:ExternalId": "42"}}}),
        ("*", {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}}),
        ({"AWS": "999988887777"}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:*", "*", "kms:CreateGrant", "kms:ReEncrypt*"])
def test_a_role_that_can_decrypt_and_that_another_account_can_become_is_found(
    stand: CheckedStack, principal: Any, more: dict[str, Any], action: str
):
    with_roles(stand, role(VENDOR, trusting(principal, **more), {**USE, "Action": action}))
    found = finding(stand.notices(check_others), "role-trusts-other-account")
    assert VENDOR in found.what and ("999988887777" in found.what or "*" in found.what)
    assert all(value in found.what for test in more.get("Condition", {}).values() for value in test.values())
    words = shlex.split(found.command)
    assert words[:5] == ["aws", "iam", "put-role-policy", "--role-name", "vendor"]
    denied = json.loads(words[words.index("--policy-document") + 1])["Statement"]
    # With that denial it is well.
    with_roles(stand, role(VENDOR, trusting(principal, **more), {**USE, "Action": action}, *denied))
    assert all_passed(stand.notices(check_others))


def test_a_chain_of_roles_is_followed(stand: CheckedStack):
    first = f"arn:aws:iam::{ACCOUNT}:role/gateway"
    with_roles(stand, role(first, trusting({"AWS": FOREIGN})), role(VENDOR, trusting({"AWS": first}), USE))
    found = finding(stand.notices(check_others), "role-trusts-other-account")
    assert VENDOR in found.what and f"{FOREIGN} through gateway" in found.what


@pytest.mark.parametrize(
    "other",
    [
        role(VENDOR, trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), USE),
        role(VENDOR, trusting({"Service": "lambda.amazonaws.com"}), USE),
        # An administrator of the settings: they let it be assumed, and not use the key.
        role(ADMIN, trusting({"AWS": FOREIGN}), USE),
    ],
    ids=["the account", "a service", "an administrator"],
)
def test_a_role_that_no_other_account_can_become_or_that_the_settings_name_is_for_a_person(
    stand: CheckedStack, other: IamPrincipal
):
    notices = with_roles(stand, other).notices(check_others)
    assert {(each.state, each.code) for each in notices} == {(State.PERSON, "key-use-by-others")}
    assert other.arn in notices[0].what


def _requirements(stand: CheckedStack, check: Judgement) -> dict[str, State]:
    notices = [*stand.notices(check)]
    ids = {id_ for notice in notices for id_ in notice.requirements}
    return {id_: worst(notice.state for notice in notices if id_ in notice.requirements) for id_ in ids}


@pytest.mark.parametrize(("days", "state"), [(90, State.GOOD), (0, State.PERSON)])
def test_who_can_delete_the_key_needs_thirty_days_by_the_guard_of_a_key_in_use(days: int, state: State) -> None:
    stand = CheckedStack(settings=settings(deletion_administrators=(ADMIN,), usage_guard_days=days))
    assert _requirements(stand, check_key_policies)["key-deletion-window"] is state
