"""What can be wrong with the account, each alone and all in one pass; nothing is ever written to find out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.policies.stack import key_policy_of
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    ALLOWED,
    APP,
    BUCKET,
    DENIED,
    IDENTITY,
    OTHER_ACCOUNT,
    REGION,
    SECOND,
    TRAIL,
    UNDECIDED,
    FakeAwsClient,
    settings,
    trail_fact,
)
from wizard.core.cost import prices
from wizard.core.errors import CredentialsError, PermissionDenied, Unreachable, Unsupported
from wizard.core.models.account import Principal, Retention
from wizard.inputs.answers import sso_pattern
from wizard.setup.preflight.account import Account, inspect

VALUES: dict[str, Any] = {
    "account": "caller",
    "region": REGION,
    "environment": "production",
    "administrators": ("caller",),
    "app_principal": "create",
    "target": ("vercel",),
    "vercel_team": "acme",
    "vercel_project": "portal",
    "vercel_token": "a-token",
    "trail": "create",
    "rotation_period_days": 365,
    "trail_retention_days": 2557,
}
ABSENT = f"arn:aws:iam::{ACCOUNT}:user/nobody"
READS = {
    "list_regions",
    "find_principal",
    "find_existing",
    "read_stored_data_key",
    "simulate",
    "check_permissions",
    "check_quotas",
    "list_trails",
    "bucket_retention",
}
THIRD = f"arn:aws:iam::{ACCOUNT}:user/third"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_KeyAdmin_0123456789abcdef"
SSO_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_KeyAdmin_0123456789abcdef/ada"
SEALED = Retention(expires_after_days=2557, versioned=True, public_access_blocked=True, encrypted=True, tls_only=True)


@pytest.fixture
def aws() -> FakeAwsClient:
    return FakeAwsClient()


def seen(aws: FakeAwsClient, saved=None, identity=IDENTITY, **changes: Any) -> Account:
    values = {**VALUES, **changes}
    return inspect(stack="production", values=values, saved=saved, identity=identity, aws=aws)


def whats(account: Account) -> list[str]:
    return [problem.what for problem in account.problems]


def test_looking_only_reads(aws) -> None:
    seen(aws, administrators=(ADMIN, SECOND), trail=TRAIL)
    assert {call.removeprefix("cloud.").split()[0] for call in aws.log} <= READS


def test_without_an_identity_nothing_is_asked(aws) -> None:
    error = CredentialsError("the token has expired", "aws sso login")
    account = inspect(stack="production", values=VALUES, saved=None, identity=error, aws=aws)
    assert [(p.what, p.next, p.exit_code) for p in account.problems] == [("the token has expired", "aws sso login", 3)]
    assert aws.log == []


def test_credentials_of_another_account_are_refused_by_name(aws) -> None:
    (problem,) = seen(aws, account=OTHER_ACCOUNT, administrators=(ADMIN.replace(ACCOUNT, OTHER_ACCOUNT),)).problems
    assert f"belong to the account {ACCOUNT}, not to {OTHER_ACCOUNT}" in problem.what
    assert problem.exit_code == 3
    assert not [call for call in aws.log if "find_existing" in call]


def test_a_wrong_account_is_blamed_and_not_the_arns_of_the_right_one(aws) -> None:
    saved = settings(administrators=(ADMIN, SECOND), incident_responders=(SECOND,))
    given = {"account": OTHER_ACCOUNT, "administrators": (ADMIN, SECOND), "incident_responders": (SECOND,)}
    problems = inspect(stack="production", values={**VALUES, **given}, saved=saved, identity=IDENTITY, aws=aws).problems
    assert len(problems) == 1, [problem.what for problem in problems]
    assert problems[0].what.startswith(f"--account {OTHER_ACCOUNT} is another account than that of the credentials")
    assert (problems[0].exit_code, problems[0].next.startswith("leave out --account")) == (3, True)


def test_a_stack_that_was_set_up_stays_in_its_account_whatever_caller_means_today(aws) -> None:
    saved = settings(account_id=OTHER_ACCOUNT, administrators=(ADMIN.replace(ACCOUNT, OTHER_ACCOUNT),))
    account = seen(aws, saved=saved, account="caller")
    assert any(f"not to {OTHER_ACCOUNT}" in what for what in whats(account))
    assert account.existing is None


def test_a_target_that_was_set_up_earlier_stays_a_target(aws) -> None:
    account = seen(aws, saved=settings(), target=("ecs",))
    assert account.settings is not None
    assert account.settings.deploy_targets == ("ecs", "vercel")


def test_settings_that_do_not_fit_are_told_and_the_account_is_left_alone(aws) -> None:
    account = seen(aws, app_principal=ADMIN)
    (problem,) = account.problems
    assert "cannot be both the application and a key administrator" in problem.what
    assert problem.exit_code == 2
    assert account.settings is None


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("af-south-1", "the Region af-south-1 is not enabled in this account"),
        ("us-east-9", "there is no Region us-east-9"),
    ],
)
def test_a_region_that_cannot_be_used_is_found(aws, region, said) -> None:
    assert whats(seen(aws, region=region)) == [said]


def test_a_region_that_does_not_exist_is_answered_with_those_that_do(aws) -> None:
    (problem,) = seen(aws, region="us-east-9").problems
    assert problem.next == "choose one of: eu-central-1, us-east-1"


def test_where_regions_cannot_be_listed_the_region_is_taken_at_its_word(aws) -> None:
    aws.failures["list_regions"] = Unsupported("no such operation", "use another endpoint")
    assert seen(aws).problems == ()


def test_an_endpoint_that_does_not_answer_is_a_problem(aws) -> None:
    aws.failures["list_regions"] = Unreachable("no answer from account.amazonaws.com", "curl it")
    assert whats(seen(aws)) == ["no answer from account.amazonaws.com"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"administrators": ("caller", ABSENT)}, f"the administrator {ABSENT} does not exist"),
        ({"app_principal": ABSENT}, f"the application principal {ABSENT} does not exist"),
        (
            {"target": ("ecs",), "ecs_execution_role": ABSENT.replace("user", "role")},
            f"the execution role {ABSENT.replace('user', 'role')} does not exist",
        ),
    ],
)
def test_a_principal_that_does_not_exist_is_found(aws, changes, said) -> None:
    assert whats(seen(aws, **changes)) == [said]


def test_a_principal_that_may_not_be_looked_up_is_a_problem_not_a_pass(aws) -> None:
    aws.failures["find_principal"] = PermissionDenied("iam:GetUser is denied", "ask for it")
    (problem,) = seen(aws, administrators=("caller", SECOND)).problems
    assert problem.what == "iam:GetUser is denied"
    assert problem.exit_code == 3


def test_an_administrator_is_never_locked_out_and_needs_no_simulation(aws) -> None:
    assert seen(aws).problems == ()
    assert not [call for call in aws.log if call.startswith("cloud.simulate")]


def test_a_caller_that_iam_lets_manage_keys_is_not_locked_out(aws) -> None:
    assert seen(aws, administrators=(SECOND,)).problems == ()
    assert f"cloud.simulate {ADMIN} kms:PutKeyPolicy" in aws.log


@pytest.mark.parametrize("allowed", [False, None])
def test_a_caller_that_iam_is_not_seen_to_let_in_is_locked_out(aws, allowed) -> None:
    aws.evaluation = UNDECIDED if allowed is None else DENIED
    (problem,) = seen(aws, administrators=(SECOND,)).problems
    assert problem.what == f"the key policy would lock {ADMIN} out of the key it creates"
    assert problem.next == f"add yourself: --administrators {SECOND},{ADMIN}"


def test_a_simulation_that_fails_is_no_permission(aws) -> None:
    aws.failures["simulate"] = Unsupported("no simulator here", "none")
    (problem,) = seen(aws, administrators=(SECOND,)).problems
    assert "no simulator here" in problem.why


def test_the_root_user_of_a_saved_setting_is_refused_as_an_administrator_with_the_flag(aws) -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    account = inspect(
        stack="production", values={**VALUES, "administrators": (root,)}, saved=None, identity=IDENTITY, aws=aws
    )
    (problem,) = account.problems
    assert "root user" in f"{problem.what} {problem.why}"
    assert "--administrators" in f"{problem.what} {problem.next}"


def test_the_account_s_root_cannot_be_locked_out(aws) -> None:
    root = replace(IDENTITY, principal_arn=f"arn:aws:iam::{ACCOUNT}:root")
    aws.evaluation = DENIED
    account = seen(aws, identity=root, administrators=(SECOND,))
    assert account.problems == () and any("IAM user or role" in note for note in account.notes)


def test_the_policy_that_is_judged_is_the_policy_that_is_made() -> None:
    policy = key_policy_of(settings(administrators=(ADMIN, SECOND)))
    named = [statement["Principal"]["AWS"] for statement in policy["Statement"]]
    assert APP in str(named) and SECOND in str(named) and ADMIN in str(named)


# --- the strict key policy


def test_a_strict_key_policy_with_two_administrators_of_whom_the_caller_is_one_is_fine(aws) -> None:
    account = seen(aws, administrators=("caller", SECOND), strict_key_policy=True)
    assert account.problems == ()
    assert not [call for call in aws.log if call.startswith("cloud.simulate")]


def test_a_strict_key_policy_without_the_caller_is_a_lockout_whatever_iam_says(aws) -> None:
    aws.principals = (ADMIN, SECOND, THIRD)
    aws.evaluation = ALLOWED
    (problem,) = seen(aws, administrators=(SECOND, THIRD), strict_key_policy=True).problems
    assert problem.what == f"the strict key policy would lock {ADMIN} out of the key it creates"
    assert problem.next.startswith(f"add yourself: --administrators {SECOND},{THIRD},{ADMIN}")
    assert "--strict-key-policy no" in problem.next
    assert not [call for call in aws.log if call.startswith("cloud.simulate")]


def test_a_strict_key_policy_locks_out_the_accounts_root_too(aws) -> None:
    aws.principals = (ADMIN, SECOND)
    root = replace(IDENTITY, principal_arn=f"arn:aws:iam::{ACCOUNT}:root")
    (problem,) = seen(aws, identity=root, administrators=(ADMIN, SECOND), strict_key_policy=True).problems
    assert f"lock {root.principal_arn} out" in problem.what


def test_a_strict_key_policy_of_one_administrator_is_refused_by_the_contract(aws) -> None:
    (problem,) = seen(aws, strict_key_policy=True).problems
    assert "strictKeyPolicy needs at least two administrators" in problem.what
    assert aws.log == ["cloud.list_regions"]


# --- roles of IAM Identity Center


def sso_seen(aws: FakeAwsClient, **changes: Any) -> Account:
    identity = replace(IDENTITY, arn=SSO_SESSION, principal_arn=SSO)
    return seen(aws, identity=identity, **changes)


def test_a_caller_from_identity_center_administers_through_iam_and_is_simulated(aws) -> None:
    account = sso_seen(aws)
    assert account.problems == ()
    assert account.settings is not None
    assert (account.settings.administrators, account.settings.administrator_patterns) == ((), (sso_pattern(SSO),))
    assert f"cloud.simulate {SSO} kms:PutKeyPolicy" in aws.log


@pytest.mark.parametrize("allowed", [False, None])
def test_a_caller_from_identity_center_whom_iam_does_not_let_in_is_told_of_the_permission_set(aws, allowed) -> None:
    aws.evaluation = UNDECIDED if allowed is None else DENIED
    (problem,) = sso_seen(aws).problems
    assert problem.what == f"the key policy would lock {SSO} out of the key it creates"
    assert "allow kms:PutKeyPolicy on" in problem.next
    assert "add yourself" not in problem.next, "adding oneself makes the same pattern again"


def test_a_re_run_with_patterns_only_needs_no_administrators(aws) -> None:
    values = {key: value for key, value in VALUES.items() if key != "administrators"}
    identity = replace(IDENTITY, principal_arn=SSO)
    given = {**values, "administrator_patterns": (str(sso_pattern(SSO)),)}
    account = inspect(stack="production", values=given, saved=None, identity=identity, aws=aws)
    assert account.problems == ()


# --- notes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vercel_access": "user"}, "an access key never expires"),
        ({"deletion_administrators": (SECOND,)}, f"can schedule the key's deletion: {SECOND}"),
    ],
)
def test_what_is_right_to_know_is_a_note_and_no_problem(aws, changes, told) -> None:
    account = seen(aws, **changes)
    assert account.problems == ()
    (note,) = account.notes
    assert told in note


def test_who_may_delete_the_key_has_to_exist(aws) -> None:
    assert whats(seen(aws, deletion_administrators=(ABSENT,))) == [
        f"the deletion administrator {ABSENT} does not exist"
    ]


# --- an existing trail


def test_an_existing_trail_finds_its_bucket(aws) -> None:
    aws.trails = (trail_fact(arn=f"{TRAIL}-other"), trail_fact(bucket="clinic-logs"))
    account = seen(aws, trail=TRAIL)
    assert account.settings is not None
    assert (account.settings.trail_bucket, account.problems) == ("clinic-logs", ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"logging": False}, "it is stopped"), ({"kms_events": False}, "it does not record the events of KMS")],
)
def test_an_existing_trail_that_does_not_record_the_use_of_the_key_is_a_problem(aws, changes, said) -> None:
    aws.trails = (trail_fact(**changes),)
    (problem,) = seen(aws, trail=TRAIL).problems
    assert problem.what == f"the trail {TRAIL} does not record the use of the key: {said}"
    assert "--trail create" in problem.next


def test_all_that_is_wrong_with_a_trail_is_told_at_once(aws) -> None:
    aws.trails = (trail_fact(logging=False, kms_events=False, multi_region=False, validation=False),)
    account = seen(aws, trail=TRAIL, trail_bucket="clinic-logs", alerts=False)
    assert len(account.problems) == 4
    assert sum("records one Region only" in what for what in whats(account)) == 1
    assert any("log files cannot be validated" in note for note in account.notes)


def test_a_second_trail_is_not_paid_for_without_a_word_where_the_company_has_one(aws) -> None:
    aws.trails = (trail_fact(arn=f"{TRAIL}-company", name="company"),)
    (note,) = [note for note in seen(aws, alerts=False).notes if "second copy" in note]
    assert f"{TRAIL}-company" in note and prices.SECOND_TRAIL_EVENT.text in note and f"--trail {TRAIL}-company" in note
    aws.trails = (trail_fact(arn=f"{TRAIL}-company", name="company", kms_events=False), trail_fact())
    assert [note for note in seen(aws, alerts=False).notes if "second copy" in note] == []


@pytest.mark.parametrize(
    ("trail", "retention", "said"),
    [
        ({"global_events": False}, {}, "does not record the global services"),
        ({"validation": False}, {}, "log files cannot be validated"),
        ({"multi_region": False, "organization": True}, {}, "records one Region only"),
        ({}, {"expires_after_days": 90}, "expire after 90 days, earlier than six years"),
        ({}, {"public_access_blocked": False}, "does not block public access"),
        ({}, {"versioned": False}, "does not keep earlier versions"),
        ({}, {"encrypted": False}, "is not encrypted"),
        ({}, {"tls_only": False}, "allows plain HTTP"),
    ],
)
def test_what_else_an_existing_trail_lacks_is_a_note(aws, trail, retention, said) -> None:
    aws.trails = (trail_fact(**trail),)
    aws.retention = replace(SEALED, **retention)
    account = seen(aws, trail=TRAIL, alerts=False)
    assert account.problems == ()
    (note,) = account.notes
    assert "is used as it is" in note and said in note


@pytest.mark.parametrize(
    ("trail", "retention", "said"),
    [
        ({"logging": None}, SEALED, "whether it is logging"),
        ({"kms_events": None}, SEALED, "whether it records KMS"),
        ({}, None, f"its bucket {BUCKET}"),
        ({}, replace(SEALED, tls_only=None), "the bucket's policy"),
    ],
)
def test_what_could_not_be_read_of_an_existing_trail_is_told_and_never_taken_for_good(
    aws, trail, retention, said
) -> None:
    aws.trails = (trail_fact(**trail),)
    aws.retention = retention
    account = seen(aws, trail=TRAIL, alerts=False)
    assert account.problems == ()
    assert account.notes == (f"could not be read of the trail eonpro-audit-trail: {said}",)


def test_an_existing_trail_that_has_everything_is_used_without_a_word(aws) -> None:
    aws.trails = (trail_fact(),)
    aws.retention = SEALED
    account = seen(aws, trail=TRAIL, alerts=False)
    assert (account.problems, account.notes) == ((), ())


def test_a_bucket_that_may_not_be_read_is_no_gap(aws) -> None:
    aws.trails = (trail_fact(),)
    aws.failures["bucket_retention"] = PermissionDenied("s3:GetBucketVersioning is denied", "ask for it")
    assert seen(aws, trail=TRAIL, alerts=False).notes == (
        f"could not be read of the trail eonpro-audit-trail: its bucket {BUCKET}",
    )


def test_an_existing_trail_that_may_not_be_listed_needs_its_bucket_typed(aws) -> None:
    aws.failures["list_trails"] = PermissionDenied("cloudtrail:DescribeTrails is denied", "ask for it")
    (problem,) = seen(aws, trail=TRAIL).problems
    assert "existingTrailArn needs trailBucket" in problem.what
    assert seen(aws, trail=TRAIL, trail_bucket="clinic-logs").problems == ()


def test_an_existing_trail_that_is_not_there_is_found(aws) -> None:
    aws.trails = (trail_fact(arn=f"{TRAIL}-other"),)
    (problem,) = seen(aws, trail=TRAIL, trail_bucket="clinic-logs").problems
    assert problem.what.startswith(f"there is no trail {TRAIL}")
    assert f"{TRAIL}-other" in problem.next


def test_an_existing_trail_with_another_bucket_than_the_one_named_is_found(aws) -> None:
    aws.trails = (trail_fact(),)
    (problem,) = seen(aws, trail=TRAIL, trail_bucket="clinic-logs").problems
    assert problem.next == f"--trail-bucket {BUCKET}"


def test_names_that_cannot_be_read_are_not_taken_for_free(aws) -> None:
    aws.failures["find_existing"] = PermissionDenied("find_existing is denied", "ask for it")
    account = seen(aws)
    assert whats(account) == ["find_existing is denied"]
    assert (account.existing, account.stored_data_key_known) == (None, True)


def test_a_stored_data_key_that_cannot_be_read_is_not_taken_for_empty_and_hides_no_name(aws) -> None:
    aws.failures["read_stored_data_key"] = PermissionDenied("read_stored_data_key is denied", "ask for it")
    account = seen(aws)
    assert whats(account) == ["read_stored_data_key is denied"]
    assert (account.existing, account.stored_data_key_known) == (aws.existing, False)


def test_a_region_that_could_not_be_checked_hides_nothing_of_what_is_in_it(aws) -> None:
    aws.failures["list_regions"] = PermissionDenied("the caller may not do account:ListRegions", "ask for it")
    account = seen(aws, trail=TRAIL, trail_bucket=BUCKET)
    assert whats(account) == [
        "the caller may not do account:ListRegions",
        f"there is no trail {TRAIL} that records every Region",
    ]
    assert account.existing is not None


def test_settings_that_do_not_fit_hide_no_principal_that_is_not_there(aws) -> None:
    account = seen(aws, administrators=("caller", ABSENT), trail_retention_days=2, target=("ecs",))
    assert [what for what in whats(account) if "does not exist" in what] == [
        f"the administrator {ABSENT} does not exist"
    ]
    assert len(account.problems) == 2


def test_a_principal_that_a_fault_is_about_is_not_looked_up_as_well(aws) -> None:
    (problem,) = seen(aws, administrators=("caller", ABSENT), app_principal=ABSENT).problems
    assert "cannot be both the application and a key administrator" in problem.what


def test_a_region_that_cannot_be_used_hides_what_is_asked_in_it_and_nothing_else(aws) -> None:
    aws.failures["find_existing"] = Unreachable("no answer from kms.af-south-1", "curl it")
    account = seen(aws, region="af-south-1", administrators=("caller", ABSENT))
    assert whats(account) == [
        "the Region af-south-1 is not enabled in this account",
        f"the administrator {ABSENT} does not exist",
    ]
    assert account.existing is None


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [
        (ADMIN, "role", "admin"),
        (f"arn:aws:iam::{ACCOUNT}:user/ops/night/ada", "user", "ada"),
        (f"arn:aws:iam::{ACCOUNT}:root", "root", "root"),
    ],
)
def test_a_principal_knows_its_kind_and_its_name_without_path(arn, kind, name) -> None:
    assert (Principal(arn=arn).kind, Principal(arn=arn).name) == (kind, name)
