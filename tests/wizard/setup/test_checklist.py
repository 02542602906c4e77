"""The guide's eight items: each done, open or unknown with its evidence; what could not be read is never done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components import policies
from components.policies.evaluation import AccountIam, IamPolicy, IamPrincipal
from components.policies.stack import key_policy_of
from components.settings import Outputs
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_POLICY,
    APP_USER,
    BUCKET,
    KEY,
    MULTI_OUTPUTS,
    OTHER_KEY,
    OUTPUTS,
    SECOND,
    STORED_KEY,
    FakeAwsClient,
    built,
    key_fact,
    multi_region,
    settings,
    trail_fact,
    wrapped,
)
from wizard.core.errors import PermissionDenied
from wizard.core.models.account import Retention
from wizard.core.models.delivery import StoredDataKey, Verification, VerificationState
from wizard.setup.checklist import ChecklistEntry, ItemState, evaluate, read_account

ALIAS, POLICY, IAM, ROTATION, TRAIL, DATA_KEY, TESTED, REVIEWED = range(8)
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
PATTERN = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_*"
STRANGER = "arn:aws:iam::999988887777:role/auditor"
GOOD = Retention(expires_after_days=2557, versioned=True, public_access_blocked=True, encrypted=True)
HELD = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1)


def proof(state: VerificationState, target: str = "vercel", detail: str = "as the application") -> Verification:
    return Verification(target=target, state=state, principal=APP, detail=detail, at="2026-01-01T00:00:00+00:00")


@pytest.fixture
def aws() -> FakeAwsClient:
    account = FakeAwsClient()
    built(account, settings())
    return account


def read(*, aws: FakeAwsClient, outputs: Outputs, **given: Any) -> tuple[ChecklistEntry, ...]:
    return evaluate(read_account(aws, outputs), outputs=outputs, **given)


def items(
    aws: FakeAwsClient, stored_data_key: StoredDataKey | None = HELD, *proofs: Verification, **changes: Any
) -> tuple[ChecklistEntry, ...]:
    return read(aws=aws, settings=settings(**changes), outputs=OUTPUTS, stored_data_key=stored_data_key, proofs=proofs)


def test_a_good_account_has_six_items_done_and_two_for_a_person(aws) -> None:
    entries = items(aws, HELD, proof(VerificationState.PROVED))
    assert [item.state for item in entries] == [ItemState.DONE] * 6 + [ItemState.PERSON] * 2
    assert all(item.evidence for item in entries)


def test_the_items_are_in_the_order_of_the_checklist(aws) -> None:
    assert [item.title for item in items(aws)] == [
        "Customer managed key with its alias",
        "Key policy restricts access",
        "IAM policy follows least privilege",
        "Automatic key rotation",
        "CloudTrail logging",
        "ENCRYPTED_PHI_KEY generated and stored",
        "Application tested with KMS",
        "Key access reviewed quarterly",
    ]


def test_reading_the_evidence_writes_nothing(aws) -> None:
    items(aws)
    assert {call.split()[0] for call in aws.log} == {
        f"cloud.{name}" for name in ("describe_key", "key_policy", "policy_document", "find_trail", "bucket_retention")
    }


@pytest.mark.parametrize(
    ("method", "places"),
    [
        # Nor is it known then in which Regions the key is.
        ("describe_key", {ALIAS, POLICY, ROTATION}),
        ("key_policy", {POLICY}),
        ("policy_document", {IAM}),
        ("find_trail", {TRAIL}),
        ("bucket_retention", {TRAIL}),
    ],
)
def test_a_read_that_is_denied_is_unknown_and_never_done(aws, method, places) -> None:
    aws.failures[method] = PermissionDenied(f"{method} is denied", "ask for it")
    entries = items(aws)
    assert {place for place, item in enumerate(entries) if item.state is ItemState.UNKNOWN} == places
    assert all("could not be read" in entries[place].evidence for place in places)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (
            IamPrincipal(
                arn=APP,
                trust={
                    "Statement": {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "sts:AssumeRole"},
                },
            ),
            f"eonpro-app-role also trusts {STRANGER} (sts:assumerole)",
        ),
        (
            IamPrincipal(
                arn=APP,
                policies=(IamPolicy(name="more of role/eonpro-app-role", document={"Statement": {"Effect": "Allow"}}),),
            ),
            "eonpro-app-role also has more of role/eonpro-app-role",
        ),
    ],
)
def test_a_set_up_that_somebody_widened_is_not_as_it_should_be(aws, role: IamPrincipal, words: str) -> None:
    aws.who_has_access.account = AccountIam(principals=(role,))
    entry = items(aws)[IAM]
    assert entry.state is ItemState.OPEN
    assert words in entry.evidence


def test_a_role_that_reads_the_variables_and_that_somebody_widened_is_not_as_it_should_be(aws) -> None:
    changes = {"deploy_targets": ("ecs",), "vercel_team": None, "vercel_project": None}
    arn = f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role"
    aws.build(settings(**changes))
    as_made = aws.access_diagnostics.principals[arn]
    aws.who_has_access.account = AccountIam(principals=(as_made,))
    assert items(aws, None, **changes)[IAM].state is ItemState.DONE
    more = IamPolicy(name=f"more of {arn}", document=policies.policy([no_principal()]))
    aws.who_has_access.account = AccountIam(principals=(replace(as_made, policies=(*as_made.policies, more)),))
    entry = items(aws, None, **changes)[IAM]
    assert entry.state is ItemState.OPEN and f"eonpro-execution-role also has more of {arn}" in entry.evidence


def test_an_item_that_is_open_because_an_import_left_it_names_what_closes_it(aws) -> None:
    aws.documents[APP_POLICY] = policies.policy([])
    aws.trails = (trail_fact(multi_region=False),)
    entries = items(aws, kept_as_found=("application-policy", "key", "trail", "bucket"))
    assert entries[IAM].evidence.endswith("; it was left as it was found")
    assert entries[IAM].next == "python -m wizard setup --repair application-policy"
    assert entries[TRAIL].next == "python -m wizard setup --repair trail,bucket"
    assert {entry.next for entry in entries if entry.state is not ItemState.OPEN} == {""}
    assert items(aws)[IAM].next == ""


# --- the key


@pytest.mark.parametrize(
    "key",
    [key_fact(OTHER_KEY), key_fact(state="Disabled"), key_fact(state="PendingDeletion"), key_fact(spec="RSA_2048")],
)
def test_an_alias_of_another_or_of_an_unusable_key_is_open(aws, key) -> None:
    aws.keys[KEY] = key
    assert items(aws)[ALIAS].state is ItemState.OPEN


def test_no_key_at_all_is_open(aws) -> None:
    aws.keys.clear()
    entries = items(aws)
    assert [(entries[place].state, entries[place].evidence) for place in (ALIAS, ROTATION)] == [
        (ItemState.OPEN, "it does not exist")
    ] * 2


@pytest.mark.parametrize(
    ("key", "state", "evidence"),
    [
        (key_fact(rotation_enabled=False), ItemState.OPEN, "rotation is off"),
        (key_fact(rotation_enabled=None), ItemState.UNKNOWN, "the rotation status could not be read"),
        (key_fact(rotation_period_days=None), ItemState.DONE, "on, the period could not be read"),
        (key_fact(rotation_period_days=2560), ItemState.OPEN, "on, every 2560 days"),
        (key_fact(), ItemState.DONE, "on, every 365 days"),
    ],
)
def test_rotation_is_done_only_where_it_is_on_as_it_was_set(aws, key, state, evidence) -> None:
    aws.keys[KEY] = key
    assert (items(aws)[ROTATION].state, items(aws)[ROTATION].evidence) == (state, evidence)


# --- the key policy


def statement(principal: Any, action: Any = "kms:Decrypt", **others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **others}


def no_principal(**others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", **others}


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (statement("*"), "everybody: may Decrypt (settings: not named)"),
        (statement({"AWS": "*"}), "everybody: may Decrypt (settings: not named)"),
        (
            statement("*", Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}),
            f"everybody: may Decrypt (if kms:calleraccount StringEquals {ACCOUNT})",
        ),
        (statement({"AWS": [ADMIN, STRANGER]}), f"{STRANGER}: may Decrypt"),
        (statement({"AWS": STRANGER}, "kms:DescribeKey"), f"{STRANGER}: may DescribeKey"),
        (statement({"AWS": "999988887777"}), "the account 999988887777: may Decrypt"),
        (statement({"Service": "lambda.amazonaws.com"}), "Service: lambda.amazonaws.com: may Decrypt"),
        (no_principal(NotPrincipal={"AWS": STRANGER}), f"not {STRANGER}: may Decrypt"),
        (statement({"AWS": ADMIN}), "administrator role/admin: may Decrypt (settings: may not)"),
        (statement({"AWS": ADMIN}, "kms:*"), "administrator role/admin: may CreateGrant, Decrypt"),
        (statement({"AWS": APP}, "kms:*"), "application role/eonpro-app-role: may CreateGrant"),
        (statement({"AWS": APP}, ["kms:PutKeyPolicy"]), "application role/eonpro-app-role: may PutKeyPolicy"),
        (statement({"AWS": APP}, "kms:CreateGrant"), "application role/eonpro-app-role: may CreateGrant"),
        (
            {"Effect": "Deny", "Principal": {"AWS": APP}, "Action": "kms:Decrypt", "Resource": "*"},
            f"does not itself allow kms:Decrypt to {APP}",
        ),
    ],
)
def test_a_key_policy_that_allows_more_or_others_is_open(aws, added, said) -> None:
    there = aws.key_policies[KEY]["Statement"]
    aws.key_policies[KEY] = policies.policy([*there, added])
    item = items(aws)[POLICY]
    assert (item.state, said in item.evidence) == (ItemState.OPEN, True), item.evidence


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "names the account's IAM, the application, 1 administrator; nobody can delete it; no administrator can"),
        ({"administrators": (ADMIN, SECOND)}, "2 administrators"),
        (
            {"administrators": (ADMIN, SECOND), "strict_key_policy": True},
            "names the application and 2 administrators; nobody can delete it; no administrator can decrypt",
        ),
        ({"deletion_administrators": (SECOND,)}, "1 can delete it"),
        ({"exclusive_use": True}, "1 administrator"),
        ({"administrators": (), "administrator_patterns": (PATTERN,)}, "1 administrator"),
    ],
)
def test_every_key_policy_of_the_settings_is_done(aws, changes, expected) -> None:
    aws.build(settings(**changes))
    item = items(aws, **changes)[POLICY]
    assert (item.state, expected in item.evidence) == (ItemState.DONE, True), item.evidence


STRICT: dict[str, Any] = {"administrators": (ADMIN, SECOND), "strict_key_policy": True}


def test_a_strict_key_policy_is_judged_by_what_kms_holds(aws) -> None:
    aws.build(settings(administrators=(ADMIN, SECOND)))
    item = items(aws, **STRICT)[POLICY]
    assert item.state is ItemState.OPEN and f"lets {ROOT} change it" in item.evidence
    assert "although it is strict" in item.evidence and item.next


def test_a_user_whom_the_strict_policy_lets_change_it_is_told(aws) -> None:
    aws.build(settings(**STRICT))
    assert items(aws, **STRICT)[POLICY].state is ItemState.DONE
    there = aws.key_policies[KEY]["Statement"]
    # Only those of the account whose tag says so, through IAM: no name of the policy shows who that is.
    by_tag = {
        **statement({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "kms:*"),
        "Condition": {"StringLike": {"aws:PrincipalArn": "*/breakglass"}},
    }
    aws.key_policies[KEY] = policies.policy([*there, by_tag])
    user = IamPrincipal(
        arn=f"arn:aws:iam::{ACCOUNT}:user/breakglass",
        policies=(IamPolicy(name="admin", document=policies.policy([no_principal(Action="kms:*", Resource="*")])),),
    )
    aws.who_has_access.account = AccountIam(principals=(user,))
    item = items(aws, **STRICT)[POLICY]
    assert item.state is ItemState.OPEN and "user/breakglass change it" in item.evidence


@pytest.mark.parametrize(
    ("built_with", "said"),
    [
        ({"deletion_administrators": (ADMIN,)}, "administrator role/admin: may ScheduleKeyDeletion"),
        ({"deletion_administrators": (SECOND,)}, "user/second: may ScheduleKeyDeletion"),
        ({"administrators": (SECOND,)}, f"does not itself allow kms:PutKeyPolicy to {ADMIN}"),
    ],
)
def test_a_key_policy_of_other_settings_is_open(aws, built_with, said) -> None:
    aws.build(settings(**built_with))
    item = items(aws)[POLICY]
    assert (item.state, said in item.evidence) == (ItemState.OPEN, True), item.evidence


def test_the_user_on_vercel_is_an_application_like_the_role(aws) -> None:
    chosen = settings(vercel_access="user", deploy_targets=("vercel", "ecs"))
    aws.build(chosen)
    both = replace(OUTPUTS, app_user_arn=APP_USER)
    entries = read(aws=aws, settings=chosen, outputs=both, stored_data_key=HELD, proofs=())
    assert entries[POLICY].state is ItemState.DONE
    without = settings(deploy_targets=("vercel", "ecs"))
    others = read(aws=aws, settings=without, outputs=OUTPUTS, stored_data_key=HELD, proofs=())
    assert "user/eonpro-app-user: may " in others[POLICY].evidence


def test_a_principal_that_is_only_denied_is_not_reported(aws) -> None:
    there = aws.key_policies[KEY]["Statement"]
    deny = {"Effect": "Deny", "Principal": {"AWS": STRANGER}, "Action": "kms:*", "Resource": "*"}
    aws.key_policies[KEY] = policies.policy([*there, deny])
    assert items(aws)[POLICY].state is ItemState.DONE


@pytest.mark.parametrize("lost", [ADMIN, APP])
def test_a_key_policy_without_a_required_principal_is_open(aws, lost) -> None:
    there = aws.key_policies[KEY]["Statement"]
    others = [each for each in there if lost not in str(each["Principal"])]
    aws.key_policies[KEY] = policies.policy(others)
    item = items(aws)[POLICY]
    assert (item.state, lost in item.evidence) == (ItemState.OPEN, True)


def test_an_administrator_who_is_not_in_the_settings_is_reported(aws) -> None:
    aws.key_policies[KEY] = key_policy_of(settings(administrators=(ADMIN, SECOND)))
    assert "user/second: may " in items(aws)[POLICY].evidence
    assert items(aws, administrators=(ADMIN, SECOND))[POLICY].state is ItemState.DONE


def test_a_right_that_a_condition_may_take_away_is_not_taken_for_none(aws) -> None:
    there = aws.key_policies[KEY]["Statement"]
    right = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Action": "kms:Decrypt", "Resource": "*"}
    sometimes = {**right, "Effect": "Deny", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}
    aws.key_policies[KEY] = policies.policy([*there, right, sometimes])
    item = items(aws)[POLICY]
    assert (item.state, "administrator role/admin: may Decrypt" in item.evidence) == (ItemState.OPEN, True)


def test_a_policy_with_a_single_statement_without_a_list_is_read(aws) -> None:
    aws.key_policies[KEY] = {"Version": "2012-10-17", "Statement": statement("*", "kms:*")}
    aws.documents[APP_POLICY] = {"Version": "2012-10-17", "Statement": no_principal(Action="kms:*")}
    entries = items(aws)
    assert [entries[place].state for place in (POLICY, IAM)] == [ItemState.OPEN] * 2


# --- the application's policy


@pytest.mark.parametrize(
    "changes",
    [
        {"Action": "kms:*"},
        {"Action": ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:Encrypt"]},
        {"Action": ["kms:Decrypt"]},
        {"Resource": "*"},
        {"Resource": [KEY, OTHER_KEY]},
        {"Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/eonpro-phi-key"},
    ],
)
def test_an_application_policy_that_is_wider_or_narrower_is_open(aws, changes) -> None:
    (good,) = policies.application_statements(key_arns=(KEY,))
    aws.documents[APP_POLICY] = policies.policy([{**good, **changes}])
    assert items(aws)[IAM].state is ItemState.OPEN


@pytest.mark.parametrize(
    "added",
    [
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": KEY},
        {"Effect": "Allow", "Action": "kms:Decrypt", "NotResource": KEY},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
    ],
)
def test_a_second_statement_that_allows_more_is_open(aws, added) -> None:
    (good,) = policies.application_statements(key_arns=(KEY,))
    aws.documents[APP_POLICY] = policies.policy([good, added])
    assert items(aws)[IAM].state is ItemState.OPEN


def test_an_application_policy_covers_the_key_and_its_replicas(aws) -> None:
    chosen = multi_region()
    aws.build(chosen)
    assert (
        read(aws=aws, settings=chosen, outputs=MULTI_OUTPUTS, stored_data_key=HELD, proofs=())[IAM].state
        is ItemState.DONE
    )
    aws.documents[APP_POLICY] = policies.application_policy(key_arns=MULTI_OUTPUTS.key_arns[:1])
    assert (
        read(aws=aws, settings=chosen, outputs=MULTI_OUTPUTS, stored_data_key=HELD, proofs=())[IAM].state
        is ItemState.OPEN
    )


# --- the trail


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"logging": False}, "does not meet: logging"),
        ({"kms_events": False}, "does not meet: KMS events"),
        ({"multi_region": False}, "does not meet: all Regions"),
        ({"global_events": False}, "does not meet: global services"),
        ({"validation": False}, "does not meet: log file validation"),
        ({"bucket": "elsewhere"}, f"writes to elsewhere, not to {BUCKET}"),
        ({"arn": "arn:aws:cloudtrail:us-east-1:111122223333:trail/other"}, "there is no trail"),
        (
            {"logging": False, "multi_region": False, "validation": False},
            "does not meet: logging, all Regions, log file validation",
        ),
    ],
)
def test_a_trail_that_does_not_meet_a_requirement_is_open(aws, changes, said) -> None:
    aws.trails = (trail_fact(**changes),)
    item = items(aws)[TRAIL]
    assert (item.state, said in item.evidence) == (ItemState.OPEN, True), item.evidence


@pytest.mark.parametrize(
    ("changes", "said"), [({"logging": None}, "is logging"), ({"kms_events": None}, "records KMS")]
)
def test_a_trail_whose_status_could_not_be_read_is_unknown(aws, changes, said) -> None:
    aws.trails = (trail_fact(**changes),)
    item = items(aws)[TRAIL]
    assert (item.state, f"{said} could not be read" in item.evidence) == (ItemState.UNKNOWN, True)


def test_a_locked_log_says_how_and_for_how_long(aws) -> None:
    aws.retention = replace(GOOD, lock="GOVERNANCE", lock_days=2557)
    assert "locked (governance) 2557 days" in items(aws)[TRAIL].evidence


@pytest.mark.parametrize(
    ("retention", "state"),
    [
        (GOOD, ItemState.DONE),
        (replace(GOOD, expires_after_days=None), ItemState.DONE),
        (replace(GOOD, expires_after_days=2192), ItemState.DONE),
        (replace(GOOD, expires_after_days=2191), ItemState.OPEN),
        (replace(GOOD, expires_after_days=0), ItemState.OPEN),
        (replace(GOOD, versioned=False), ItemState.OPEN),
        (replace(GOOD, public_access_blocked=False), ItemState.OPEN),
        (replace(GOOD, encrypted=False), ItemState.OPEN),
        (replace(GOOD, tls_only=False), ItemState.OPEN),
        (replace(GOOD, tls_only=True), ItemState.DONE),
        (None, ItemState.UNKNOWN),
    ],
)
def test_a_log_that_is_not_retained_for_six_years_in_private_is_open(aws, retention, state) -> None:
    aws.retention = retention
    assert items(aws)[TRAIL].state is state


# --- the data key and the test


def test_the_data_key_is_done_with_its_fingerprint_and_never_its_value(aws) -> None:
    item = items(aws)[DATA_KEY]
    assert wrapped().fingerprint in item.evidence
    assert wrapped().value[:16] not in repr(items(aws))


def test_no_data_key_is_open(aws) -> None:
    assert items(aws, None)[DATA_KEY].state is ItemState.OPEN


@pytest.mark.parametrize(
    ("proofs", "state", "said"),
    [
        ((VerificationState.PROVED,), ItemState.PERSON, "verified as"),
        ((VerificationState.SIMULATED,), ItemState.PERSON, "deploy"),
        ((VerificationState.UNPROVEN,), ItemState.PERSON, "deploy"),
        ((), ItemState.PERSON, "nothing was delivered in this run"),
        ((VerificationState.FAILED,), ItemState.OPEN, "detail of failed"),
        ((VerificationState.PROVED, VerificationState.FAILED), ItemState.OPEN, "detail of failed"),
        ((VerificationState.PROVED, VerificationState.UNPROVEN), ItemState.PERSON, "detail of unproven"),
        ((VerificationState.PROVED, VerificationState.SIMULATED), ItemState.PERSON, "detail of simulated"),
    ],
)
def test_a_verification_does_not_replace_a_test_in_the_application(aws, proofs, state, said) -> None:
    item = items(aws, HELD, *(proof(each, detail=f"detail of {each}") for each in proofs))[TESTED]
    assert (item.state, said in item.evidence) == (state, True), item.evidence


def test_the_review_always_needs_a_person(aws) -> None:
    assert items(aws)[REVIEWED].state is ItemState.PERSON


def test_a_bug_in_a_reading_is_not_shown_as_unknown(aws) -> None:
    broken: Callable[..., Any] = {}.popitem
    aws.kms.describe_key = broken
    with pytest.raises(TypeError):
        items(aws)
