"""A fault that the contract finds, on its way to a person: the same words at every channel, and what mends it."""

from __future__ import annotations

import pytest

from components.settings import ContractError, Settings
from tests.wizard.fakes.clients import ACCOUNT, OTHER_ACCOUNT
from wizard.inputs.answers import refused

STRANGER = f"arn:aws:iam::{OTHER_ACCOUNT}:role/admin"


def refusal(**values: object) -> ContractError:
    with pytest.raises(ContractError) as caught:
        Settings.read(values)
    return caught.value


def test_a_fault_between_fields_names_the_flags_of_both() -> None:
    error = refused(
        refusal(account_id=ACCOUNT, region="us-east-1", administrators=(STRANGER,), deploy_targets=("vercel",))
    )
    assert f"--administrators: {STRANGER} belongs to another account than {ACCOUNT}" in error.message
    assert "needs --vercel-team and --vercel-project" in error.message
