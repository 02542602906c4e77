"""Answers: every channel, their rank, all faults at once, and the way to settings and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.settings import DEFAULT_APPLICATION, Settings
from tests.wizard.inputs.values import good
from wizard.core.clients import Answer, Source
from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.models.account import Identity
from wizard.core.models.inputs import APPLICATION
from wizard.core.next_command import VERCEL_LOGIN, Command
from wizard.inputs.answers import from_settings, missing, missing_error, resolve, sso_pattern, to_settings
from wizard.inputs.answers_file import read_answers, read_file, write
from wizard.inputs.registry import INPUTS, by_key
from wizard.pulumi_engine.config import as_text as as_engine

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
ACCOUNT = "111122223333"
CALLER = f"arn:aws:iam::{ACCOUNT}:user/caller"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef"
PATTERN = str(sso_pattern(SSO))
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "multi_region: yes\nalerts: no\ntrail_key: true\nstrict_key_policy: False\n"),
        ("a.yaml", 'multi_region: "yes"\nalerts: "no"\ntrail_key: "True"\nstrict_key_policy: n\n'),
        ("a.json", '{"multi_region": true, "alerts": false, "trail_key": "yes", "strict_key_policy": "no"}'),
    ],
)
def test_a_yes_and_a_no_are_read_however_the_file_spells_them(name: str, text: str) -> None:
    answers = resolved(file=read_file(text, name), file_name=name)
    found = {key: answers[key].value for key in ("multi_region", "alerts", "trail_key", "strict_key_policy")}
    assert found == {"multi_region": True, "alerts": False, "trail_key": True, "strict_key_policy": False}


def test_what_is_neither_yes_nor_no_is_refused_with_its_key() -> None:
    with pytest.raises(UsageError, match="multi_region in a.yaml: 'perhaps' is neither yes nor no"):
        resolved(file=read_file("multi_region: perhaps\n", "a.yaml"), file_name="a.yaml")


def test_a_wrapped_key_in_a_file_is_refused_with_its_variable_and_not_shown() -> None:
    with pytest.raises(UsageError) as refusal:
        read_file(f"encrypted_phi_key: {SECRET}\n", "a.yaml")
    assert "name a file with `encrypted_phi_key_file`, or set EONPRO_ENCRYPTED_PHI_KEY" in refusal.value.message
    assert SECRET not in refusal.value.message


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
        "  line 1: `regoin` is not a known answer: did you mean `region`?",
        "  line 2: `vercel_token` is a secret, which must not be in an answers file: remove it; "
        "name a file with `vercel_token_file`, or set VERCEL_TOKEN; revoke it if shared",
        "  line 3: `aws_secret_access_key` is a secret, which must not be in an answers file: remove it; "
        "revoke it if shared",
        "  line 4: `region` must be one value",
        "  line 6: `environment` occurs twice",
        "  line 7: `target` must be text or a list of texts",
        "  line 8: `vercel-team` is not a known answer: did you mean `vercel_team`?",
        "  line 9: `trail` must be one value",
        "  line 10: `shoe` is not a known answer",
    ]
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("text", [f"vercel_token: '{SECRET}\n", f'{{"vercel_token": "{SECRET}"', f"- {SECRET}"])
def test_a_file_that_cannot_be_read_shows_none_of_its_text(name: str, text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_file(text, name)
    assert SECRET not in refusal.value.message + refusal.value.hint
    # A printed traceback would show it just as well.
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


NAMED_TRAIL = {"EONPRO_TRAIL": TRAIL, "EONPRO_TRAIL_BUCKET": "organization-logs"}
"""No file for any account can name a trail: the example leaves that one answer to a flag."""
EXAMPLE_FILES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", EXAMPLE_FILES)
def test_an_example_is_complete_for_any_account(name: str, identity: Identity) -> None:
    settings = example(name, identity)
    assert (settings.account_id, settings.administrators, settings.region) == (ACCOUNT, (CALLER,), "us-east-1")
    assert (settings.environment, settings.app_principal_arn) == ("production", None)


def example(name: str, identity: Identity) -> Settings:
    path = EXAMPLES / f"{name}.yaml"
    answers = resolved(
        file=read_file(path.read_text(encoding="utf-8"), path.name),
        file_name=path.name,
        environ={"VERCEL_TOKEN": SECRET, **(NAMED_TRAIL if name == "existing-trail" else {})},
    )
    values = {key: answer.value for key, answer in answers.items()}
    assert missing(values) == ()
    return to_settings(values, identity=identity)


# --- ranking -------------------------------------------------------------------------------------------------------


def test_a_flag_wins_over_the_environment_the_file_what_is_saved_and_what_is_detected() -> None:
    clients: dict[str, Any] = {
        "flags": {"region": "eu-west-1"},
        "environ": {"EONPRO_REGION": "eu-west-2"},
        "file": {"region": "eu-west-3"},
        "saved": {"region": "eu-north-1"},
        "detected": {"region": Answer(value="eu-south-1", source=Source.DETECTED, where="AWS_REGION")},
    }
    found = []
    while clients:
        answer = resolved(**clients)["region"]
        found.append((answer.value, answer.source, answer.where))
        clients.pop(next(iter(clients)))
    assert found == [
        ("eu-west-1", Source.FLAG, "--region"),
        ("eu-west-2", Source.ENVIRONMENT, "EONPRO_REGION"),
        ("eu-west-3", Source.FILE, "answers.yaml"),
        ("eu-north-1", Source.SAVED, "Pulumi.production.yaml"),
        ("eu-south-1", Source.DETECTED, "AWS_REGION"),
    ]
    assert "region" not in resolved()


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
        "EONPRO_TARGET",
        "--region",
        "environment in Pulumi.production.yaml",
        "rotation_period_days in answers.yaml",
        "VERCEL_TOKEN",
    ]
    assert SECRET not in refusal.value.message + refusal.value.hint


def test_a_vercel_token_that_was_cut_is_replaced_by_a_sign_in() -> None:
    with pytest.raises(UsageError) as refusal:
        resolved(environ={"VERCEL_TOKEN": "a token"})
    assert refusal.value.hint == VERCEL_LOGIN


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


def test_a_secret_is_read_from_the_file_that_a_flag_or_the_answers_file_names() -> None:
    files = {"one": SECRET, "two": "another"}
    for given in ({"flags": {"vercel_token_file": "one"}}, {"file": {"vercel_token_file": "one"}}):
        answers = resolved(**given, read_secret=files.__getitem__)
        assert answers["vercel_token"].value == SECRET and SECRET not in repr(answers)
    named = {"flags": {"vercel_token_file": "one"}, "file": {"vercel_token_file": "two"}}
    both = resolved(**named, read_secret=files.__getitem__)
    assert both["vercel_token"].value == SECRET


def test_what_a_run_was_told_that_was_left_counts_more_than_what_is_saved_and_less_than_a_door() -> None:
    both = resolved(draft={"region": "eu-west-1", "environment": "draft"}, saved={"region": "us-east-1"})
    assert (both["region"].value, both["region"].source) == ("eu-west-1", Source.DRAFT)
    assert resolved(draft={"region": "eu-west-1"}, file={"region": "us-east-1"})["region"].value == "us-east-1"


def test_a_draft_s_value_that_cannot_be_used_is_asked_again() -> None:
    assert "region" not in resolved(draft={"region": "mars"})


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.fixture
def good_values() -> dict[str, Any]:
    """Of every input that is saved a value that is not its default, all of which fit together."""
    texts = {each.key: [each.parse(text) for text in good(each)] for each in INPUTS if not each.secret}
    return {key: next(value for value in values if value != by_key[key].default) for key, values in texts.items()} | {
        "administrators": (ADMIN, CALLER),
        "deletion_administrators": (ADMIN,),
        "app_principal": f"arn:aws:iam::{ACCOUNT}:role/app",
        "target": ("ecs", "eks", "vercel"),
        "vercel_access": "oidc",  # A user would be another principal than the one that is named.
        "vercel_environments": ("qa",),
        "ecs_execution_role": f"arn:aws:iam::{ACCOUNT}:role/execution",
        "alerts": True,
        "alert_emails": ("ada@clinic.example",),
        "replica_regions": ("eu-west-1", "us-west-2"),
        "trail": TRAIL,
        "variable_names": ("AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID",),
    }


def test_the_application_of_the_questions_is_that_of_the_settings() -> None:
    assert APPLICATION == DEFAULT_APPLICATION


def test_every_value_comes_back_from_the_settings_it_went_into(good_values: dict[str, Any], identity: Identity) -> None:
    settings = to_settings(good_values, identity=identity)
    # Whose credentials are used is nobody's business but this machine's, and what was repaired was repaired once.
    for unsaved in ("profile", "former_key", "replace_variable", "repair", "backend", "secrets_provider", "backup_to"):
        good_values.pop(unsaved)
    # How it gets in is no question for an application with a principal of its own.
    good_values.pop("vercel_access")
    assert from_settings(settings) == good_values
    assert Settings.from_config({key: as_engine(value) for key, value in settings.to_config().items()}) == settings


@pytest.mark.parametrize(
    "wanted",
    [
        {"deploy_targets": ["ecs"]},
        {"deploy_targets": ["ecs"], "ecs_cluster": "clinic"},
        {"deploy_targets": ["eks"], "eks_cluster": "clinic"},
        {"deploy_targets": ["ecs"], "multi_region": True},
        {"deploy_targets": ["ecs"], "multi_region": True, "replica_regions": ["eu-west-1"]},
        {"deploy_targets": ["vercel"], "vercel_team": "acme", "vercel_project": "web", "vercel_access": "user"},
        {"deploy_targets": ["ecs"], "administrators": [], "administrator_patterns": [PATTERN]},
        {"deploy_targets": ["ecs"], "existing_trail_arn": TRAIL, "trail_bucket": "logs"},
    ],
)
def test_a_re_run_with_the_saved_answers_asks_nothing(wanted, identity: Identity) -> None:
    base = {"account_id": ACCOUNT, "region": "us-east-1", "administrators": [ADMIN]}
    settings = Settings.read({**base, **wanted})
    config = {key: as_engine(value) for key, value in settings.to_config().items()}
    answers = resolved(saved=from_settings(Settings.from_config(config)))
    values = {key: answer.value for key, answer in answers.items()}
    unanswered = [each.key for each in INPUTS if each.asked and each.needed(values) and each.key not in values]
    # The token is the one answer that is never saved.
    assert unanswered == (["vercel_token"] if "vercel" in settings.deploy_targets else [])
    assert to_settings(values, identity=identity) == settings


# --- roles of IAM Identity Center


def sso(identity: Identity, **values: Any) -> Settings:
    caller = replace(identity, principal_arn=SSO)
    base = {"account": "caller", "region": "us-east-1", "administrators": ("caller",), "target": ("ecs",)}
    return to_settings({**base, **values}, identity=caller)


def test_who_may_delete_the_key_may_be_the_caller_and_is_never_a_pattern(identity: Identity) -> None:
    assert sso(identity, deletion_administrators=("caller",)).deletion_administrators == (SSO,)


# --- what is missing -----------------------------------------------------------------------------------------------


def keys(inputs) -> list[str]:
    return [each.key for each in inputs]


def test_the_error_names_every_missing_answer_with_all_its_doors_and_the_command_to_type() -> None:
    values = {"target": ("vercel",), "trail": "create"}
    inputs = missing(values)
    error = missing_error(inputs, values)
    assert isinstance(error, MissingAnswers) and error.exit_code == 2
    assert error.missing == tuple(keys(inputs))
    for each in inputs:
        line = next(line for line in error.message.splitlines() if line.startswith(f"  {each.key}: "))
        assert [channel for channel in (each.flag, each.variable) if channel and channel not in line] == []
        assert f"`{each.file_key}`" in line
    assert error.hint.startswith("python -m wizard --account ")
    assert "--vercel-token-file FILE" in error.hint
    assert by_key["vercel_token"].variable in error.message


def test_the_command_has_also_what_its_own_values_need() -> None:
    """Typed as it is, with the person's own team and project, it lacks nothing."""
    error = missing_error(missing({}), {})
    assert "--target vercel " in error.hint and "--vercel-team SLUG --vercel-project NAME" in error.hint
    assert "vercel_team" not in error.missing
    assert isinstance(error.hint, Command) and error.hint.advice == "with your own FILE and SLUG and NAME"


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_answers_that_are_saved_are_the_same_answers_again(example: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.yaml"

    def values(file: Path) -> dict[str, Any]:
        return {key: answer.value for key, answer in resolved(file=read_answers(file)).items()}

    first = values(example)
    write(saved, {**first, "permissions_boundary": None, "vercel_token": "a-secret", "encrypted_phi_key": "a-secret"})
    assert values(saved) == {**first, "permissions_boundary": None}
    assert "a-secret" not in saved.read_text()
    with pytest.raises(UsageError, match="exists, and is not overwritten"):
        write(saved, first)


def test_nobody_can_take_the_name_of_a_new_stack_s_log_bucket_before_it(identity: Identity) -> None:
    names = sso(identity).names
    assert names.trail_bucket == f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1-an"
    assert names.access_log_bucket == f"eonpro-access-logs-{ACCOUNT}-us-east-1-an"
    assert sso(identity, trail_bucket="our-logs").names.trail_bucket == "our-logs"


@pytest.mark.parametrize(
    "given", [{"region": "me-south-1"}, {"environment": "long-staging", "region": "ap-southeast-1"}]
)
def test_a_region_without_the_namespace_and_a_long_name_have_the_former_bucket(
    given: dict[str, Any], identity: Identity
) -> None:
    assert sso(identity, **given).trail_bucket is None


def test_a_stack_keeps_the_bucket_that_holds_its_audit_log(identity: Identity) -> None:
    former = Settings.read(
        {"account_id": ACCOUNT, "region": "us-east-1", "administrators": (ADMIN,), "deploy_targets": ("ecs",)}
    )
    again = to_settings(from_settings(former), identity=identity)
    assert again == former
    assert again.names.trail_bucket == f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1"
