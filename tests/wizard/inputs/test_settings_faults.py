"""A fault that the contract finds, on its way to a person: the same words at every channel, and what mends it."""

from __future__ import annotations

import pytest

from components.settings import ContractError, Settings
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, IDENTITY, OTHER_ACCOUNT, FakeAwsClient
from tests.wizard.setup.preflight.test_account import VALUES
from wizard.core.errors import UsageError
from wizard.inputs.answers import refused, resolve
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


def test_an_unnamed_administrator_is_told_with_its_flag() -> None:
    error = refused(refusal(account_id=ACCOUNT, region="us-east-1", deploy_targets=("ecs",)))
    assert "--administrators: name at least one, or a pattern of roles" in error.message


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


def test_the_message_of_the_refusal_holds_every_fault() -> None:
    error = refusal(account_id="12", region="nowhere", rotation_period_days=1, deploy_targets=())
    assert len(error.faults) == 4
    assert all(f"{field}: {fault}" in str(error) for field, fault in error.faults)


def test_a_value_is_refused_in_the_contracts_words_at_every_door() -> None:
    words = dict(refusal(account_id="12").faults)["accountId"]
    none: dict[str, object] = {}
    for flags, environ, file in (
        ({"account": "12"}, {}, {}),
        ({}, {"EONPRO_ACCOUNT": "12"}, {}),
        ({}, {}, {"account": "12"}),
    ):
        with pytest.raises(UsageError) as caught:
            resolve(
                flags=flags,
                environ=environ,
                file=file,
                file_name="answers.yaml",
                saved=none,
                saved_name="",
                detected={},
            )
        assert words in caught.value.message
