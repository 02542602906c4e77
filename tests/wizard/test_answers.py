"""Answers: every door, their rank, all faults at once, and the way to settings and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.contract import ContractError, Settings
from wizard.answers import (
    Answer,
    Source,
    from_settings,
    missing,
    missing_error,
    read_file,
    refused,
    resolve,
    to_settings,
)
from wizard.errors import MissingAnswers, UsageError
from wizard.facts import Identity
from wizard.questions import INPUTS, by_key

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ACCOUNT = "111122223333"
CALLER = f"arn:aws:iam::{ACCOUNT}:user/caller"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization"
SECRET = "hunter2hunter2"


@pytest.fixture
def identity() -> Identity:
    return Identity(account_id=ACCOUNT, arn=CALLER, principal_arn=CALLER, account_alias=None, source="a test")


def resolved(**given: Any) -> dict[str, Answer]:
    nothing: dict[str, Any] = {"flags": {}, "environ": {}, "file": {}, "saved": {}, "detected": {}}
    names = {"file_name": "answers.yaml", "saved_name": "Pulumi.production.yaml"}
    return resolve(**{**nothing, **names, **given})


# --- the answers file ----------------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_is_spelled() -> None:
    text = "account: 012345670123\nregion: us-east-1\ntarget: [vercel, ecs]\nenvironment: yes\nprofile: ~\n"
    assert read_file(text, "a.yaml") == {
        "account": "012345670123",
        "region": "us-east-1",
        "target": ["vercel", "ecs"],
        "environment": "yes",
    }


def test_json_is_read_too() -> None:
    text = '{"account":\t111122223333, "administrators": ["caller"], "ecs_service": null, "region": "us-east-1"}'
    expected = {"account": "111122223333", "administrators": ["caller"], "region": "us-east-1"}
    assert read_file(text, "a.json") == expected
    assert read_file(text, "a") == expected


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_holds_no_answers(text: str) -> None:
    assert read_file(text, "a.yaml") == {}


def test_all_that_is_wrong_with_a_file_is_told_at_once_and_no_value_of_it() -> None:
    text = (
        "regoin: private1\n"
        f"vercel_token: {SECRET}\n"
        f"aws_secret_access_key: {SECRET}\n"
        "region: [private2]\n"
        "environment: staging\n"
        "environment: private3\n"
        "target: {a: private4}\n"
        "vercel-team: private5\n"
        "trail: !mine private6\n"
        "shoe: private7\n"
    )
    with pytest.raises(UsageError) as refusal:
        read_file(text, "a.yaml")
    assert refusal.value.message.splitlines() == [
        "the answers file a.yaml cannot be used:",
        "  line 1: `regoin` is no answer: did you mean `region`?",
        "  line 2: `vercel_token` is a secret, which no file may hold: take it out; "
        "give it in the environment, as VERCEL_TOKEN; revoke it if shared",
        "  line 3: `aws_secret_access_key` is a secret, which no file may hold: take it out; revoke it if shared",
        "  line 4: `region` must be one value",
        "  line 6: `environment` is there twice",
        "  line 7: `target` must be text or a list of texts",
        "  line 8: `vercel-team` is no answer: did you mean `vercel_team`?",
        "  line 9: `trail` must be one value",
        "  line 10: `shoe` is no answer",
    ]
    assert refusal.value.exit_code == 2


def test_a_key_that_is_twice_in_json_is_found() -> None:
    with pytest.raises(UsageError, match="`region` is there twice"):
        read_file('{"region": "us-east-1", "region": "eu-west-1"}', "a.json")


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("text", [f"vercel_token: '{SECRET}\n", f'{{"vercel_token": "{SECRET}"', f"- {SECRET}"])
def test_a_file_that_cannot_be_read_shows_none_of_its_text(name: str, text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_file(text, name)
    assert SECRET not in refusal.value.message + refusal.value.hint
    # A printed traceback would show it just as well.
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize("name", ["vercel", "ecs"])
def test_an_example_is_complete_for_any_account(name: str, identity: Identity) -> None:
    path = EXAMPLES / f"{name}.yaml"
    answers = resolved(
        file=read_file(path.read_text(encoding="utf-8"), path.name),
        file_name=path.name,
        environ={"VERCEL_TOKEN": SECRET} if name == "vercel" else {},
    )
    values = {key: answer.value for key, answer in answers.items()}
    assert missing(values) == ()
    settings = to_settings(values, identity=identity)
    assert (settings.account_id, settings.administrators, settings.region) == (ACCOUNT, (CALLER,), "us-east-1")
    assert (settings.deploy_targets, settings.environment) == ((name,), "production")
    assert (settings.app_principal_arn, settings.existing_trail_arn) == (None, None)
    expected = {"vercel": ("eonpro", "eonpro", None, None), "ecs": (None, None, "eonpro", "eonpro")}[name]
    assert expected == (
        settings.vercel_team,
        settings.vercel_project,
        settings.ecs_cluster,
        settings.ecs_service,
    )


# --- ranking -------------------------------------------------------------------------------------------------------


def test_a_flag_wins_over_the_environment_the_file_what_is_saved_and_what_is_detected() -> None:
    doors: dict[str, Any] = {
        "flags": {"region": "eu-west-1"},
        "environ": {"EONPRO_REGION": "eu-west-2"},
        "file": {"region": "eu-west-3"},
        "saved": {"region": "eu-north-1"},
        "detected": {"region": Answer(value="eu-south-1", source=Source.DETECTED, where="AWS_REGION")},
    }
    found = []
    while doors:
        answer = resolved(**doors)["region"]
        found.append((answer.value, answer.source, answer.where))
        doors.pop(next(iter(doors)))
    assert found == [
        ("eu-west-1", Source.FLAG, "--region"),
        ("eu-west-2", Source.ENVIRONMENT, "EONPRO_REGION"),
        ("eu-west-3", Source.FILE, "answers.yaml"),
        ("eu-north-1", Source.SAVED, "Pulumi.production.yaml"),
        ("eu-south-1", Source.DETECTED, "AWS_REGION"),
    ]
    assert "region" not in resolved()


def test_a_default_is_the_weakest_answer() -> None:
    assert resolved()["rotation_period_days"] == Answer(value=365, source=Source.DEFAULT, where="default")
    assert resolved(saved={"rotation_period_days": 90})["rotation_period_days"].value == 90


@pytest.mark.parametrize("each", [each for each in INPUTS if not each.secret], ids=lambda each: each.key)
def test_every_input_can_be_given_at_each_of_its_doors(each, good_values: dict[str, Any]) -> None:
    value = good_values[each.key]
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    assert resolved(flags={each.key: text})[each.key].value == value
    assert resolved(environ={each.variable: text})[each.key].value == value
    assert resolved(file={each.key: text})[each.key].value == value
    assert resolved(saved={each.key: value})[each.key].value == value


def test_an_empty_variable_is_unset() -> None:
    answers = resolved(environ={"EONPRO_REGION": "", "VERCEL_TOKEN": ""}, saved={"region": "eu-west-1"})
    assert answers["region"].source is Source.SAVED
    assert "vercel_token" not in answers


def test_an_empty_flag_takes_a_saved_answer_back_where_none_is_an_answer() -> None:
    assert resolved(flags={"ecs_service": ""}, saved={"ecs_service": "web"})["ecs_service"].value is None
    with pytest.raises(UsageError, match="--region: is empty"):
        resolved(flags={"region": ""}, saved={"region": "eu-west-1"})


def test_all_values_that_cannot_be_used_are_told_at_once_each_with_its_door() -> None:
    with pytest.raises(UsageError) as refusal:
        resolved(
            flags={"region": "mars"},
            environ={"EONPRO_TARGET": "lambda", "VERCEL_TOKEN": f"'{SECRET}'"},
            file={"rotation_period_days": "7"},
            saved={"environment": "UP"},
        )
    lines = refusal.value.message.splitlines()
    assert lines[0] == "5 answers cannot be used:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "--region",
        "environment in Pulumi.production.yaml",
        "EONPRO_TARGET",
        "VERCEL_TOKEN",
        "rotation_period_days in answers.yaml",
    ]
    assert SECRET not in refusal.value.message + refusal.value.hint


def test_a_value_that_a_stronger_door_overrules_is_no_fault() -> None:
    assert resolved(flags={"region": "eu-west-1"}, file={"region": "mars"})["region"].value == "eu-west-1"


@pytest.mark.parametrize(
    ("now", "kept"),
    [({}, True), ({"trail": TRAIL}, True), ({"trail": "create"}, False), ({"trail": TRAIL + "2"}, False)],
)
def test_a_saved_bucket_is_forgotten_with_the_trail_it_belongs_to(now: dict[str, Any], kept: bool) -> None:
    answers = resolved(flags=now, saved={"trail": TRAIL, "trail_bucket": "organization-logs"})
    assert ("trail_bucket" in answers) is kept


def test_a_secret_is_taken_from_the_environment_and_never_shown() -> None:
    answers = resolved(
        environ={"VERCEL_TOKEN": SECRET},
        flags={"vercel_token": "x"},
        file={"vercel_token": "x"},
        saved={"vercel_token": "x"},
    )
    assert answers["vercel_token"].value == SECRET
    assert SECRET not in repr(answers) and SECRET not in str(answers["vercel_token"])


def test_a_detected_secret_is_not_shown_either() -> None:
    found = {"vercel_token": Answer(value=SECRET, source=Source.DETECTED, where="the Vercel CLI's login")}
    assert SECRET not in repr(resolved(detected=found))


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.fixture
def good_values() -> dict[str, Any]:
    return {
        "profile": "clinic",
        "account": ACCOUNT,
        "region": "eu-west-1",
        "environment": "staging",
        "administrators": (ADMIN, CALLER),
        "app_principal": f"arn:aws:iam::{ACCOUNT}:role/app",
        "target": ("ecs", "vercel"),
        "vercel_team": "create",  # A team may be called like the word that means something elsewhere.
        "vercel_project": "web",
        "vercel_oidc_provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/create",
        "ecs_cluster": "create",
        "ecs_service": "web",
        "ecs_execution_role": f"arn:aws:iam::{ACCOUNT}:role/execution",
        "trail": TRAIL,
        "trail_bucket": "organization-logs",
        "trail_retention_days": 2192,
        "rotation_period_days": 180,
    }


def test_every_value_comes_back_from_the_settings_it_went_into(good_values: dict[str, Any], identity: Identity) -> None:
    settings = to_settings(good_values, identity=identity)
    good_values.pop("profile")  # Whose credentials are used is nobody's business but this machine's.
    assert from_settings(settings) == good_values


def test_settings_come_back_from_their_saved_answers(identity: Identity) -> None:
    smallest = Settings.read(
        {"account_id": ACCOUNT, "region": "us-east-1", "administrators": [ADMIN], "deploy_targets": ["ecs"]}
    )
    saved = from_settings(smallest)
    assert (saved["app_principal"], saved["trail"]) == ("create", "create")
    assert not {"vercel_team", "ecs_execution_role", "trail_bucket"} & set(saved)
    assert to_settings(saved, identity=identity) == smallest
    values = {key: answer.value for key, answer in resolved(saved=saved).items()}
    assert to_settings(values, identity=identity) == smallest


def test_the_word_caller_becomes_who_the_credentials_belong_to(good_values, identity: Identity) -> None:
    words = good_values | {"account": "caller", "administrators": ("caller", ADMIN)}
    settings = to_settings(words, identity=identity)
    assert settings.account_id == ACCOUNT
    assert settings.administrators == (ADMIN, CALLER)


def test_a_target_that_is_served_already_is_kept(good_values, identity: Identity) -> None:
    settings = to_settings(good_values | {"target": ("ecs",)}, identity=identity, kept_targets=("vercel",))
    assert settings.deploy_targets == ("ecs", "vercel")


def test_values_that_do_not_fit_together_are_refused_with_the_flag_to_mend_them(good_values, identity) -> None:
    with pytest.raises(ContractError) as refusal:
        to_settings(good_values | {"region": "mars", "rotation_period_days": 1}, identity=identity)
    error = refused(refusal.value)
    assert error.exit_code == 2
    assert "--region: " in error.message and "--rotation-period-days: " in error.message


# --- what is missing -----------------------------------------------------------------------------------------------


def keys(inputs) -> list[str]:
    return [each.key for each in inputs]


def test_before_the_target_is_known_nothing_is_missing_that_hangs_on_it() -> None:
    assert keys(missing({})) == "account region environment administrators app_principal target trail".split()


@pytest.mark.parametrize(
    ("target", "lacking"),
    [(("vercel",), ["vercel_team", "vercel_project", "vercel_token"]), (("ecs",), [])],
)
def test_a_target_brings_its_own_inputs(target, lacking: list[str], good_values) -> None:
    rest = {key: value for key, value in good_values.items() if not key.startswith(("vercel", "ecs"))}
    assert keys(missing(rest | {"target": target})) == lacking


def test_nothing_is_missing_from_a_full_set(good_values) -> None:
    assert missing(good_values | {"vercel_token": SECRET}) == ()


def test_the_error_names_every_missing_answer_with_all_its_doors_and_the_command_to_type() -> None:
    inputs = missing({"target": ("vercel",), "trail": "create"})
    error = missing_error(inputs)
    assert isinstance(error, MissingAnswers) and error.exit_code == 2
    assert error.missing == tuple(keys(inputs))
    for each in inputs:
        line = next(line for line in error.message.splitlines() if line.startswith(f"  {each.key}: "))
        assert [door for door in (each.flag, each.variable) if door and door not in line] == []
        assert each.secret or f"`{each.file_key}`" in line
    assert error.hint.startswith("python -m wizard --account ")
    assert "token" not in error.hint.lower()
    assert by_key["vercel_token"].variable in error.message
