"""`policy organization`: the pair of policies for an organization, and whom it excepts."""

from __future__ import annotations

import json

import pytest

import wizard.cli.main as cli

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
STACK = ("--account", ACCOUNT, "--region", "us-east-1", "--target", "ecs", "--ecs-cluster", "clinic")
ORGANIZATION = ("policy", "organization", "--organization", "o-exampleorgid", *STACK)


def test_the_pair_goes_to_standard_output_and_who_may_what_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    exempt = f"arn:aws:iam::{ACCOUNT}:role/eonpro-ci-apply"
    assert cli.main([*ORGANIZATION, "--administrators", ADMIN, "--exempt", exempt]) == 0
    said = capsys.readouterr()
    pair = json.loads(said.out)
    assert list(pair) == ["EONPROProtectionSCP", "EONPROProtectionRCP"]
    (trail,) = (each for each in pair["EONPROProtectionSCP"]["Statement"] if each["Sid"] == "Trail")
    assert trail["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [ADMIN, exempt]}}
    assert "cloudtrail:StopLogging" in said.err and "service-linked roles" in said.err
    assert "--type RESOURCE_CONTROL_POLICY" in said.err


def test_it_never_excepts_a_principal_that_nobody_named(capsys: pytest.CaptureFixture[str]) -> None:
    # Without --administrators the other documents assume an operator of a made-up name.
    assert cli.main(list(ORGANIZATION)) == 2
    assert "administrators" in capsys.readouterr().err
    assert cli.main(["policy", "organization", *STACK, "--administrators", ADMIN]) == 2
    assert "organization" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [("--organization", "r-1234"), ("--exempt", "*"), ("--exempt", "arn:aws:iam::1:role/x")]
)
def test_a_wrong_id_or_exception_is_refused(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*ORGANIZATION, "--administrators", ADMIN, *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
