"""`policy ci`: the trust of the two roles, for one repository and one account."""

from __future__ import annotations

import json

import pytest

import wizard.cli.main as bell
from wizard.commands.policy import command
from wizard.commands.policy.command import APPLY_ROLE, READ_ROLE
from wizard.core.errors import MissingAnswers, UsageError

ACCOUNT = "111122223333"


def subjects(role: str) -> list[str]:
    (statement,) = command.for_repository("clinic/eonpro", account_id=ACCOUNT)[role]["Statement"]
    told = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    return [told] if isinstance(told, str) else told


def test_only_an_environment_that_somebody_approves_may_change_anything() -> None:
    assert subjects(APPLY_ROLE) == ["repo:clinic/eonpro:environment:production"]
    assert not {each for each in subjects(READ_ROLE) if "environment" in each}


def test_what_it_needs_and_nobody_told_is_named() -> None:
    with pytest.raises(MissingAnswers) as missing:
        command.for_repository(None, account_id=None)
    assert missing.value.missing == ("repository", "account")
    with pytest.raises(MissingAnswers) as missing:
        command.for_repository("clinic/eonpro", account_id="")
    assert missing.value.missing == ("account",)


@pytest.mark.parametrize(
    "wrong",
    ["eonpro", "clinic/", "/eonpro", "clinic/eonpro/", "clinic/*", "*/*", "-clinic/eonpro", "clinic/e p", "a/b:c"],
)
def test_what_is_no_repository_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is not a GitHub repository"):
        command.for_repository(wrong, account_id=ACCOUNT)


def test_the_documents_go_to_standard_output_alone_and_what_to_do_with_them_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EONPRO_ACCOUNT", raising=False)
    assert bell.main(["policy", "ci", "--repository", "clinic/eonpro", "--account", ACCOUNT]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == command.for_repository("clinic/eonpro", account_id=ACCOUNT)
    assert "create-open-id-connect-provider" in said.err and READ_ROLE in said.err


def test_the_account_may_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EONPRO_ACCOUNT", ACCOUNT)
    assert bell.main(["policy", "ci", "--repository", "clinic/eonpro", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["policy"]) == {READ_ROLE, APPLY_ROLE}


def test_the_repository_belongs_to_the_policy_alone() -> None:
    assert bell.main(["push", "--repository", "clinic/eonpro"]) == 2
