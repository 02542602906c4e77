"""What AWS would refuse half-way: rights, quotas and the clock, asked beforehand, each with its way out."""

from __future__ import annotations

import pytest

from tests.wizard.fakes.clients import IDENTITY, FakeAwsClient, settings
from tests.wizard.setup.preflight.test_account import VALUES
from wizard.core.errors import PermissionDenied, Unsupported
from wizard.setup.preflight.account import clock, inspect, quotas, rights


@pytest.fixture
def aws() -> FakeAwsClient:
    return FakeAwsClient()


# --- rights


def test_the_policy_to_ask_for_is_that_of_the_stack(aws) -> None:
    aws.lacking = ("kms:CreateKey",)
    (problem,) = rights(settings(), aws, "staging").problems
    assert problem.next.startswith(
        f"python -m wizard policy operator --stack staging --account {settings().account_id}"
    )


def test_a_long_list_of_unknown_rights_ends_after_a_few_lines(aws) -> None:
    aws.unknown_rights = tuple(f"service:Action{number}" for number in range(90))
    (note,) = rights(settings(), aws, "production").notes
    assert "and 82 more; in full: python -m wizard policy operator" in note
    assert len(note) < 5 * 80


def test_rights_that_cannot_be_checked_are_no_finding_but_a_note(aws) -> None:
    aws.failures["check_permissions"] = Unsupported("no simulator here", "none")
    told = rights(settings(), aws, "production")
    assert told.problems == ()
    assert "no simulator here" in told.notes[0] and "python -m wizard policy operator" in told.notes[0]


@pytest.mark.parametrize(
    ("known", "asked"), [((), True), (("a@clinic.example",), True), (("b@clinic.example",), False)]
)
def test_a_new_alert_address_of_a_deployed_stack_needs_the_permission_to_subscribe_it(
    aws, known: tuple[str, ...], asked: bool
) -> None:
    aws.lacking = ("kms:CreateKey", "sns:Subscribe")
    account = inspect(
        stack="production",
        values={**VALUES, "alert_emails": ("b@clinic.example",)},
        saved=settings(alert_emails=known),
        identity=IDENTITY,
        aws=aws,
        making=lambda: False,
    )
    assert [problem.what for problem in account.rights.problems] == ["you are not allowed to do: sns:Subscribe"] * asked
    assert ("cloud.check_permissions sns:Subscribe" in aws.log) is asked


# --- quotas


def test_quotas_that_may_not_be_asked_are_a_note(aws) -> None:
    aws.failures["check_quotas"] = PermissionDenied("servicequotas:GetServiceQuota is denied", "ask for it")
    told = quotas(settings(), aws)
    assert told.problems == ()
    assert "servicequotas:GetServiceQuota is denied" in told.notes[0]


# --- the clock


@pytest.mark.parametrize(("skew", "where"), [(30.0, "30 seconds ahead of"), (-240.0, "240 seconds behind")])
def test_a_clock_that_is_a_little_off_is_a_note(aws, skew, where) -> None:
    aws.skew = skew
    told = clock(aws)
    assert told.problems == ()
    assert where in told.notes[0] and "timedatectl set-ntp true" in told.notes[0]
