"""`policy ci`: the trust of the two roles, for one repository and one account."""

from __future__ import annotations

import json
from typing import Any

import pytest

import wizard.cli.main as cli
from components.policies import ci
from wizard.commands.policy import command
from wizard.core.errors import MissingAnswers, Unreachable, UsageError
from wizard.core.models.access import TokenSubject

ACCOUNT = "111122223333"
READ_ROLE, APPLY_ROLE = "eonpro-ci-read", "eonpro-ci-apply"


@pytest.fixture(autouse=True)
def without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)


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


def test_a_managed_users_name_may_have_an_underscore() -> None:
    assert command.for_repository("ada_clinic/eonpro", account_id=ACCOUNT)


def test_a_repository_with_ids_is_trusted_by_them_alone() -> None:
    documents = command.for_repository("clinic@123/eonpro@456", account_id=ACCOUNT)
    assert ci.github_subjects(documents[READ_ROLE]) == {"clinic@123/eonpro@456": ("ref:refs/heads/main",)}


class Asked:
    """What `policy ci` prints where GitHub answers so."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, github: Any) -> None:
        monkeypatch.setattr("wizard.cli.github.reader", lambda environ, secret: github)
        self.code = cli.main(["policy", "ci", "--repository", "clinic/eonpro", "--account", ACCOUNT])
        self.out, self.err = capsys.readouterr()

    @property
    def trusted(self) -> set[str]:
        documents = json.loads(self.out)
        return {name for document in documents.values() for name in ci.github_subjects(document)}


@pytest.mark.parametrize("sent", ["clinic/eonpro", "clinic@123/eonpro@456"])
def test_the_form_that_github_sends_is_trusted_and_the_other_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    asked = Asked(capsys, monkeypatch, lambda name: TokenSubject(repository=sent))
    assert asked.trusted == {sent}
    assert f"GitHub sends the subject repo:{sent}:…; only that form is trusted" in asked.err


@pytest.mark.parametrize("github", [None, "refuses"])
def test_where_github_cannot_be_asked_the_other_form_is_named_with_its_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, github: str | None
) -> None:
    def refuse(name: str) -> TokenSubject:
        raise Unreachable("GitHub does not answer", "")

    asked = Asked(capsys, monkeypatch, refuse if github else None)
    assert asked.trusted == {"clinic/eonpro"}
    assert ("GitHub does not answer" if github else "there is no GH_TOKEN") in asked.err
    assert "--repository clinic@OWNER_ID/eonpro@REPOSITORY_ID" in asked.err
    assert "gh api repos/clinic/eonpro/actions/oidc/customization/sub" in asked.err


def test_a_repository_whose_subject_has_a_template_of_its_own_gets_no_policy_that_would_not_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(capsys, monkeypatch, lambda name: TokenSubject(repository=name, is_default=False))
    assert (asked.code, asked.out) == (2, "")
    assert "gh api --method PUT repos/clinic/eonpro/actions/oidc/customization/sub -F use_default=true" in asked.err


@pytest.mark.parametrize(
    "wrong",
    [
        "clinic@1/eonpro",
        "clinic/eonpro@2",
        "clinic@/eonpro@",
        "clinic@x/eonpro@2",
        "clinic@0/eonpro@0",
        "eonpro",
        "clinic/",
        "/eonpro",
        "clinic/eonpro/",
        "clinic/*",
        "*/*",
        "-clinic/eonpro",
        "clinic/e p",
        "a/b:c",
    ],
)
def test_what_is_no_repository_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is not a GitHub repository"):
        command.for_repository(wrong, account_id=ACCOUNT)


def test_the_documents_go_to_standard_output_alone_and_what_to_do_with_them_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EONPRO_ACCOUNT", raising=False)
    assert cli.main(["policy", "ci", "--repository", "clinic/eonpro", "--account", ACCOUNT]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == command.for_repository("clinic/eonpro", account_id=ACCOUNT)
    assert "create-open-id-connect-provider" in said.err and READ_ROLE in said.err


def test_the_account_may_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EONPRO_ACCOUNT", ACCOUNT)
    assert cli.main(["policy", "ci", "--repository", "clinic/eonpro", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["policy"]) == {READ_ROLE, APPLY_ROLE}


def test_the_repository_belongs_to_the_policy_alone() -> None:
    assert cli.main(["push", "--repository", "clinic/eonpro"]) == 2
