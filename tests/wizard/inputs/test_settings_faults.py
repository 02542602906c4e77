"""A fault that the contract finds, on its way to a person: the same words at every channel, and what mends it."""

from __future__ import annotations

import pytest

from components.settings import ContractError, Settings
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, IDENTITY, OTHER_ACCOUNT, FakeAwsClient
from tests.wizard.setup.preflight.test_account import VALUES
from wizard.inputs.answers import refused
from wizard.setup.preflight.account import inspect

STRANGER = f"arn:aws:iam::{OTHER_ACCOUNT}:role/admin"


def refusal(**values: object) -> ContractError:
    with pytest.raises(ContractError) as caught:
        Settings.read(values)
    return caught.value


def test_every_fault_is_told_with_the_flag_that_mends_it() -> None:
    error = refused(refusal(account_id="12", region="nowhere", administrators=(ADMIN,), deploy_targets=("heroku",)))
    for flag in ("--account", "--region", "--target"):
        assert f"{flag}: " in error.message
    assert error.exit_code == 2


def test_a_fault_between_fields_names_the_flags_of_both() -> None:
    error = refused(
        refusal(account_id=ACCOUNT, region="us-east-1", administrators=(STRANGER,), deploy_targets=("vercel",))
    )
    assert f"--administrators: {STRANGER} belongs to another account than {ACCOUNT}" in error.message
    assert "needs --vercel-team and --vercel-project" in error.message


def test_the_pass_before_the_plan_tells_every_fault_as_a_problem_of_its_own() -> None:
    values = {**VALUES, "administrators": (STRANGER,), "vercel_team": None, "trail": "create"}
    account = inspect(stack="production", values=values, saved=None, identity=IDENTITY, aws=FakeAwsClient())
    assert len(account.problems) == 2
    assert {problem.exit_code for problem in account.problems} == {2}
    assert not [problem.next for problem in account.problems if "--help" in problem.next]
