"""What can be wrong with the account, each alone and all in one pass; nothing is ever written to find out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    ALLOWED,
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
from wizard.core.errors import PermissionDenied, SetupError, Unreachable, Unsupported
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


ROOT, GONE = f"arn:aws:iam::{ACCOUNT}:root", ABSENT.replace("user", "role")
AS_ROOT = replace(IDENTITY, principal_arn=ROOT)
AS_SSO = replace(IDENTITY, arn=SSO_SESSION, principal_arn=SSO)
TYPED = {"trail": TRAIL, "trail_bucket": "clinic-logs"}
BOTH = "cannot be both the application and a key administrator"
LOCKED = "the key policy would lock {} out of the key it creates"
YOURSELF = "add yourself: --administrators "


def denied(call: str, error: type[SetupError] = PermissionDenied) -> dict[str, Any]:
    return {"failures": {call: error(f"{call} is denied", "ask for it")}}


ALONE: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, int]] = {
    "another account": ({}, {"account": OTHER_ACCOUNT, "administrators": (ADMIN.replace(ACCOUNT, OTHER_ACCOUNT),)},
        f"belong to the account {ACCOUNT}, not to {OTHER_ACCOUNT}", "", 3),
    "a Region that is off": ({}, {"region": "af-south-1"},
        "the Region af-south-1 is not enabled in this account", "", 1),
    "no such Region": ({}, {"region": "us-east-9"}, "there is no Region us-east-9",
        "choose one of: eu-central-1, us-east-1", 2),
    "Regions that are not told": (denied("list_regions", Unreachable), {}, "list_regions is denied", "ask for it", 1),
    "an administrator who does not exist": ({}, {"administrators": ("caller", ABSENT)},
        f"the administrator {ABSENT} does not exist", "", 1),
    "a deletion administrator who does not exist": ({}, {"deletion_administrators": (ABSENT,)},
        f"the deletion administrator {ABSENT} does not exist", "", 1),
    "an application that does not exist": ({}, {"app_principal": ABSENT},
        f"the application principal {ABSENT} does not exist", "", 1),
    "an execution role that does not exist": ({}, {"target": ("ecs",), "ecs_execution_role": GONE},
        f"the execution role {GONE} does not exist", "", 1),
    "a principal that may not be looked up": (denied("find_principal"), {"administrators": ("caller", SECOND)},
        "find_principal is denied", "ask for it", 3),
    "an administrator who is the application": ({}, {"app_principal": ADMIN}, BOTH, "", 2),
    "an absent administrator who is the application": (
        {}, {"administrators": ("caller", ABSENT), "app_principal": ABSENT}, BOTH, "", 2),
    "the root user as an administrator": ({}, {"administrators": (ROOT,)}, "root user", "--administrators", 2),
    "a caller whom IAM does not let in": ({"evaluation": DENIED}, {"administrators": (SECOND,)},
        LOCKED.format(ADMIN), f"{YOURSELF}{SECOND},{ADMIN}", 1),
    "a caller of whom IAM is not sure": ({"evaluation": UNDECIDED}, {"administrators": (SECOND,)},
        LOCKED.format(ADMIN), f"{YOURSELF}{SECOND},{ADMIN}", 1),
    "a caller without a simulator": (denied("simulate", Unsupported), {"administrators": (SECOND,)},
        "simulate is denied", YOURSELF, 1),
    "a caller of Identity Center": ({"evaluation": DENIED}, {"identity": AS_SSO},
        LOCKED.format(SSO), "allow kms:PutKeyPolicy on", 1),
    "one administrator of a strict key policy": ({}, {"strict_key_policy": True},
        "strictKeyPolicy needs at least two administrators", "", 2),
    "a strict key policy without the caller": ({"principals": (ADMIN, SECOND, THIRD), "evaluation": ALLOWED},
        {"administrators": (SECOND, THIRD), "strict_key_policy": True},
        f"the strict key policy would lock {ADMIN} out of the key", f"{YOURSELF}{SECOND},{THIRD},{ADMIN}", 1),
    "a strict key policy, asked as the root user": ({"principals": (ADMIN, SECOND)},
        {"identity": AS_ROOT, "administrators": (ADMIN, SECOND), "strict_key_policy": True}, f"lock {ROOT} out", "", 1),
    "a trail that is stopped": ({"trails": (trail_fact(logging=False),)}, {"trail": TRAIL},
        f"the trail {TRAIL} does not record the use of the key: it is stopped", "--trail create", 1),
    "a trail without KMS": ({"trails": (trail_fact(kms_events=False),)}, {"trail": TRAIL},
        "does not record the use of the key: it does not record the events of KMS", "--trail create", 1),
    "a trail that is not there": ({"trails": (trail_fact(arn=f"{TRAIL}-other"),)}, TYPED,
        f"there is no trail {TRAIL}", f"{TRAIL}-other", 1),
    "a trail with another bucket": ({"trails": (trail_fact(),)}, TYPED, f"to the bucket {BUCKET}, not to clinic-logs",
        f"--trail-bucket {BUCKET}", 2),
    "a trail that may not be listed and whose bucket is not typed": (denied("list_trails"), {"trail": TRAIL},
        "existingTrailArn needs trailBucket", "", 2),
    "names that cannot be read": (denied("find_existing"), {}, "find_existing is denied", "ask for it", 3),
    "a stored data key that cannot be read": (denied("read_stored_data_key"), {}, "read_stored_data_key is denied",
        "ask for it", 3),
}  # fmt: skip


@pytest.mark.parametrize("problem", ALONE)
def test_each_problem_of_the_account_is_told_alone_with_its_way_out(aws, problem) -> None:
    seed, changes, what, next_, code = ALONE[problem]
    for name, value in seed.items():
        setattr(aws, name, value)
    account = seen(aws, **changes)
    (found,) = account.problems
    assert account.settings is None or what != BOTH
    assert what in f"{found.what} {found.why}" and next_ in f"{found.next} {found.what}" and found.why
    assert found.exit_code == code


NONE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Regions that cannot be listed": (denied("list_regions", Unsupported), {}),
    "the caller is an administrator": ({"evaluation": DENIED}, {}),
    "IAM lets the caller manage keys": ({}, {"administrators": (SECOND,)}),
    "the root user cannot be locked out": ({"evaluation": DENIED}, {"identity": AS_ROOT, "administrators": (SECOND,)}),
    "a strict key policy of two": ({}, {"administrators": ("caller", SECOND), "strict_key_policy": True}),
    "a trail that has everything": ({"trails": (trail_fact(),), "retention": SEALED}, {"trail": TRAIL}),
    "a trail that may not be listed, with its bucket": (denied("list_trails"), TYPED),
}


@pytest.mark.parametrize("account", NONE)
def test_a_good_account_has_no_problem(aws, account) -> None:
    seed, changes = NONE[account]
    for name, value in seed.items():
        setattr(aws, name, value)
    found = seen(aws, alerts=False, **changes)
    assert found.problems == () and [note for note in found.notes if "root" not in note] == []
    asked = [call for call in aws.log if call.startswith("cloud.simulate")]
    assert bool(asked) is (account == "IAM lets the caller manage keys")


def test_what_cannot_be_read_is_not_taken_for_free(aws) -> None:
    aws.failures = denied("find_existing")["failures"]
    assert (seen(aws).existing, seen(aws).stored_data_key_known) == (None, True)
    aws.failures = denied("read_stored_data_key")["failures"]
    assert (seen(aws).existing, seen(aws).stored_data_key_known) == (aws.existing, False)


def test_a_wrong_account_is_blamed_and_not_the_arns_of_the_right_one(aws) -> None:
    saved = settings(administrators=(ADMIN, SECOND), incident_responders=(SECOND,))
    given = {"account": OTHER_ACCOUNT, "administrators": (ADMIN, SECOND), "incident_responders": (SECOND,)}
    problems = inspect(stack="production", values={**VALUES, **given}, saved=saved, identity=IDENTITY, aws=aws).problems
    assert len(problems) == 1, [problem.what for problem in problems]
    assert problems[0].what.startswith(f"--account {OTHER_ACCOUNT} is another account than that of the credentials")
    assert (problems[0].exit_code, problems[0].next.startswith("leave out --account")) == (3, True)


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


# --- an existing trail


def test_an_existing_trail_finds_its_bucket(aws) -> None:
    aws.trails = (trail_fact(arn=f"{TRAIL}-other"), trail_fact(bucket="clinic-logs"))
    account = seen(aws, trail=TRAIL)
    assert account.settings is not None
    assert (account.settings.trail_bucket, account.problems) == ("clinic-logs", ())


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
    ("arn", "kind", "name"),
    [
        (ADMIN, "role", "admin"),
        (f"arn:aws:iam::{ACCOUNT}:user/ops/night/ada", "user", "ada"),
        (f"arn:aws:iam::{ACCOUNT}:root", "root", "root"),
    ],
)
def test_a_principal_knows_its_kind_and_its_name_without_path(arn, kind, name) -> None:
    assert (Principal(arn=arn).kind, Principal(arn=arn).name) == (kind, name)
