"""Where the state goes and what opens it: what an answer may be, and what follows from it and from what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.wizard.fakes.clients import ACCOUNT, REGION
from wizard.core.models.inputs import (
    FILE_VARIABLE,
    VARIABLE,
)
from wizard.core.state_backend import BackendFact, BackendKind, Circumstances, StateBackend, in_words, resolve
from wizard.inputs.accepted import accept_backend, accept_passphrase, accept_secrets_provider
from wizard.inputs.registry import STATE_INPUTS

BUCKET = f"eonpro-pulumi-state-{ACCOUNT}-{REGION}"
LOGGED_IN = BackendFact(url="s3://theirs", source="the login of the Pulumi CLI")
PULUMI_CLOUD = BackendFact(url="https://api.pulumi.com", source="PULUMI_ACCESS_TOKEN")
FOUND = Circumstances(account=ACCOUNT, region=REGION, interactive=True)
SECRET = "a passphrase that nobody may see"


def state(values: dict[str, Any] | None = None, **found: Any) -> StateBackend:
    return resolve(values or {}, replace(FOUND, **found))


# --- what an answer may be


@pytest.mark.parametrize(
    "answer",
    [
        "cloud",
        "local",
        "s3",
        "s3://clinic-state",
        "s3://clinic-state/team/kms?region=eu-central-1&awssdk=v2",
        "file://~",
        "file:///srv/state",
        "https://pulumi.clinic.example",
        "gs://clinic-state",
        "azblob://clinic-state",
    ],
)
def test_a_backend_is_a_word_or_a_url_that_pulumi_knows(answer: str) -> None:
    accept_backend(answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("s4://clinic", "is neither cloud, local, s3, nor"),
        ("clinic-state", "is neither cloud, local, s3, nor"),
        ("ftp://clinic", "is neither cloud, local, s3, nor"),
        ("s3://", "is not a name of an S3 bucket"),
        ("s3://Clinic_State", "is not a name of an S3 bucket"),
        ("s3://192.168.1.1", "is not a name of an S3 bucket"),
        ("s3://a..b", "is not a name of an S3 bucket"),
        ("https://", "names no host or bucket"),
        ("https://[", "is not a URL"),
    ],
)
def test_what_is_no_backend_is_refused_in_words(answer: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        accept_backend(answer)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="has a password in it") as refused:
        accept_backend("postgres://clinic:sesame@db/state")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    "answer", ["passphrase", "default", "awskms://alias/clinic?region=us-east-1", "gcpkms://projects/p/key"]
)
def test_a_secrets_provider_is_a_word_or_a_keys_url(answer: str) -> None:
    accept_secrets_provider(answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("kms", "is neither passphrase, default, nor"),
        ("awskms://?region=us-east-1", "has no key in it"),
        ("awskms://alias/clinic", "has no Region"),
    ],
)
def test_what_is_no_secrets_provider_is_refused_in_words(answer: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        accept_secrets_provider(answer)


def test_a_passphrase_is_anything_but_nothing() -> None:
    accept_passphrase(SECRET)
    with pytest.raises(ValueError, match="is empty"):
        accept_passphrase(" \t")


def test_nothing_about_the_state_is_saved_and_nothing_has_to_be_answered() -> None:
    assert all(each.field is None and each.optional for each in STATE_INPUTS)
    assert [each.variable for each in STATE_INPUTS if each.secret] == [VARIABLE]


# --- the backend


def test_a_backend_that_was_found_is_used_as_it_is() -> None:
    told = state(detected=LOGGED_IN, passphrase_variable=VARIABLE)
    assert (told.url, told.environment, told.make_bucket) == ("s3://theirs", {}, None)
    assert told.sentences[0] == "state: s3://theirs (the login of the Pulumi CLI)"


def test_a_backend_that_was_chosen_goes_before_one_that_was_found() -> None:
    told = state({"backend": "s3://ours"}, detected=LOGGED_IN)
    assert told.environment["PULUMI_BACKEND_URL"] == "s3://ours"
    assert told.make_bucket is None, "a bucket that has a name is somebody's"


def test_a_backend_that_the_environment_names_is_found_and_not_chosen() -> None:
    told = state(
        {"backend": "s3://theirs"},
        detected=replace(LOGGED_IN, source="PULUMI_BACKEND_URL"),
        passphrase_variable=VARIABLE,
    )
    assert (told.source, told.environment) == ("PULUMI_BACKEND_URL", {})


def test_the_word_s3_makes_a_bucket_of_the_account_and_the_region() -> None:
    told = state({"backend": "s3"})
    assert told.make_bucket == BUCKET
    assert told.url == f"s3://{BUCKET}?region={REGION}"
    assert told.sentences[0] == f"state: s3://{BUCKET} (chosen)"


@pytest.mark.parametrize(
    ("word", "url", "kind"),
    [("cloud", "https://api.pulumi.com", BackendKind.CLOUD), ("local", "file://~", BackendKind.LOCAL)],
)
def test_the_words_for_what_is_there_already(word: str, url: str, kind: BackendKind) -> None:
    told = state({"backend": word})
    assert (told.url, told.kind, told.make_bucket) == (url, kind, None)


def test_no_backend_is_a_problem_with_its_three_ways_out() -> None:
    (problem,) = state().problems
    assert problem.exit_code == 2
    assert all(word in problem.next for word in ("--backend s3", "--backend cloud", "--backend local"))


def test_a_url_is_told_without_its_options() -> None:
    assert in_words("s3://clinic?region=us-east-1&endpoint=http://127.0.0.1:1") == "s3://clinic"
    assert in_words("https://api.pulumi.com") == "Pulumi Cloud"
    assert in_words("file://~") == "files of this machine (~/.pulumi)"


# --- what encrypts the stack's secrets


def test_a_key_of_the_account_is_the_first_choice() -> None:
    told = state(detected=LOGGED_IN, key_found=True)
    assert told.secrets_provider == f"awskms://alias/eonpro-pulumi-state?region={REGION}"
    assert not told.make_passphrase
    assert "the KMS key alias/eonpro-pulumi-state" in told.sentences[1]


def test_pulumi_cloud_encrypts_by_itself() -> None:
    told = state(detected=PULUMI_CLOUD)
    assert (told.secrets_provider, told.make_passphrase, told.problems) == (None, False, ())
    assert told.sentences[1] == "its secrets: encrypted by Pulumi Cloud (its own)"


def test_any_other_backend_needs_a_passphrase() -> None:
    told = state(detected=LOGGED_IN, passphrase_variable=VARIABLE)
    assert told.secrets_provider == "passphrase"


def test_pulumi_clouds_own_provider_is_refused_elsewhere() -> None:
    (problem,) = state({"secrets_provider": "default"}, detected=LOGGED_IN).problems
    assert "--secrets-provider passphrase" in problem.next


def test_a_stack_that_is_there_keeps_what_encrypts_it() -> None:
    told = state(
        {"secrets_provider": "passphrase"},
        detected=LOGGED_IN,
        provider="awskms://alias/theirs?region=eu-west-1",
        key_found=True,
    )
    assert (told.secrets_provider, told.make_passphrase, told.problems) == (None, False, ())
    assert "the KMS key alias/theirs (the stack's own)" in told.sentences[1]


# --- the passphrase


def test_a_passphrase_that_was_given_reaches_the_engine_and_no_sentence() -> None:
    told = state({"passphrase": SECRET}, detected=LOGGED_IN, passphrase_variable=FILE_VARIABLE, file="/home/a/f")
    assert told.environment == {VARIABLE: SECRET}
    assert SECRET not in repr(told)


def test_the_variables_of_the_engine_go_before_the_file_of_an_earlier_run() -> None:
    told = state(detected=LOGGED_IN, passphrase_variable=FILE_VARIABLE, file="/home/ada/made")
    assert told.environment == {}
    assert FILE_VARIABLE in told.sentences[1]


def test_the_file_of_an_earlier_run_is_found_again_and_told() -> None:
    told = state(detected=LOGGED_IN, file="/home/ada/made", interactive=False, provider="passphrase")
    assert told.environment == {FILE_VARIABLE: "/home/ada/made"}
    assert "the passphrase in /home/ada/made" in told.sentences[1]
    assert not told.problems


def test_a_person_with_a_new_stack_gets_a_passphrase() -> None:
    told = state(detected=LOGGED_IN)
    assert (told.make_passphrase, told.problems) == (True, ())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"interactive": False}, "the new stack has no passphrase"),
        ({"interactive": False, "provider": "passphrase"}, "the stack's passphrase is unknown"),
        ({"interactive": True, "provider": "passphrase"}, "the stack's passphrase is unknown"),
    ],
)
def test_no_passphrase_is_a_problem_that_names_both_variables(found: dict[str, Any], said: str) -> None:
    told = state(detected=LOGGED_IN, **found)
    (problem,) = told.problems
    assert said in problem.what
    told_next = problem.next + getattr(problem.next, "advice", "")
    assert VARIABLE in told_next.replace(FILE_VARIABLE, "") and FILE_VARIABLE in told_next
    assert not told.make_passphrase, "another one would not open the stack that is there"
