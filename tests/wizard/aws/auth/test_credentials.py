"""Which credentials and which Region are used, and what is said of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wizard.aws.auth.credentials import resolve
from wizard.aws.client import connect
from wizard.core.errors import CredentialsError, UsageError

CONFIG = """\
[profile clinic]
region = eu-west-1
aws_access_key_id = AKIACLINIC
aws_secret_access_key = the-secret-of-the-clinic

[profile other]
region = eu-central-1
aws_access_key_id = AKIAOTHER
aws_secret_access_key = the-secret-of-the-other
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-environment"}


@pytest.fixture
def files(tmp_path, monkeypatch) -> dict[str, str]:
    (tmp_path / "config").write_text(CONFIG)
    # What the process itself has must count for nothing: only the mapping given to connect does.
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.setenv(name, "of-the-process")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-the-process")
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }


REGION_ORDER = [
    ({"region": "us-west-2"}, {"AWS_REGION": "us-east-2"}, "us-west-2", "the answer"),
    ({}, {"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-west-1"}, "us-east-2", "AWS_REGION"),
    ({}, {"AWS_DEFAULT_REGION": "us-west-1", "AWS_PROFILE": "clinic"}, "us-west-1", "AWS_DEFAULT_REGION"),
    ({}, {"AWS_PROFILE": "clinic"}, "eu-west-1", "the profile clinic"),
    ({"profile": "other"}, {"AWS_PROFILE": "clinic"}, "eu-central-1", "the profile other"),
    ({}, KEYS, "us-east-1", None),
    ({}, {**KEYS, "AWS_PROFILE": "clinic"}, "eu-west-1", "the profile clinic"),
]


@pytest.mark.parametrize(("arguments", "environ", "region", "source"), REGION_ORDER)
def test_the_region_is_taken_from_the_first_that_names_one(files, arguments, environ, region, source):
    aws = connect(**arguments, environ={**files, **environ})
    assert (aws.region, aws.region_source) == (region, source)


CREDENTIALS_ORDER = [
    ({"profile": "other"}, {**KEYS, "AWS_PROFILE": "clinic"}, "the profile other"),
    ({}, {**KEYS, "AWS_PROFILE": "clinic"}, "environment variables"),
    ({}, {"AWS_PROFILE": "clinic", "AWS_DEFAULT_PROFILE": "other"}, "the profile clinic"),
    ({}, {"AWS_DEFAULT_PROFILE": "other"}, "the profile other"),
    ({}, {}, "the default chain"),
]


@pytest.mark.parametrize(("arguments", "environ", "source"), CREDENTIALS_ORDER)
def test_the_credentials_are_taken_from_the_first_that_has_them(files, arguments, environ, source):
    assert connect(**arguments, environ={**files, **environ}).source == source


DISAGREEMENTS = [
    ({}, {"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-west-1"}, ["AWS_REGION", "us-east-2 is used"]),
    ({}, {**KEYS, "AWS_PROFILE": "clinic"}, ["clinic", "the environment's credentials are used"]),
    ({"profile": "other"}, KEYS, ["AWS_ACCESS_KEY_ID", "the profile other is used"]),
    ({}, {"AWS_PROFILE": "clinic", "AWS_DEFAULT_PROFILE": "other"}, ["AWS_DEFAULT_PROFILE", "clinic is used"]),
    ({}, {"AWS_PROFILE": "clinic", "AWS_REGION": "us-east-2"}, ["AWS_REGION", "eu-west-1", "us-east-2 is used"]),
    ({"profile": "other"}, {"AWS_DEFAULT_REGION": "us-east-2"}, ["profile other", "eu-central-1", "us-east-2 is used"]),
]


@pytest.mark.parametrize(("arguments", "environ", "words"), DISAGREEMENTS)
def test_settings_that_contradict_each_other_are_told_with_the_winner(files, arguments, environ, words):
    (told,) = connect(**arguments, environ={**files, **environ}).disagreements
    assert all(word in told for word in words)


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do(files):
    with pytest.raises(CredentialsError, match="no AWS profile nobody.*clinic, other"):
        connect(profile="nobody", environ=files)


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_an_access_key_is_refused_and_never_filled_up_from_elsewhere(files, missing):
    half = {name: value for name, value in KEYS.items() if name != missing}
    aws = connect(environ={**files, **half, "AWS_PROFILE": "clinic"})
    with pytest.raises(CredentialsError, match=missing) as refusal:
        aws.identify()
    assert refusal.value.exit_code == 3


def test_no_credentials_at_all_are_a_credentials_error_with_a_way_out(files):
    with pytest.raises(CredentialsError, match="no AWS credentials") as refusal:
        connect(environ=files).identify()
    assert refusal.value.hint == "aws login"


UNSET = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
OTHERS = """
[profile signs-in]
sso_account_id = 123456789012
sso_role_name = Operator

[profile role]
role_arn = arn:aws:iam::123456789012:role/operator
source_profile = signs-in

[profile console]
login_session = arn:aws:iam::123456789012:user/ada

[profile process]
credential_process = /bin/creds

[profile region-only]
region = eu-west-1
"""


@pytest.mark.parametrize(
    ("profile", "renewed", "beside_keys"),
    [
        ("clinic", "aws configure --profile clinic", UNSET),
        ("signs-in", "aws sso login --profile signs-in", f"{UNSET} && aws sso login --profile signs-in"),
        ("role", "aws sso login --profile signs-in", f"{UNSET} && aws sso login --profile signs-in"),
        ("console", "aws login --profile console", f"{UNSET} && aws login --profile console"),
        ("process", "aws sts get-caller-identity --profile process", UNSET),
        ("region-only", "aws login --profile region-only", f"{UNSET} && aws login --profile region-only"),
    ],
)
def test_whoever_has_no_valid_credentials_is_given_the_command_that_gets_new_ones(files, profile, renewed, beside_keys):
    """`aws sso login` refuses a profile with an access key, and `aws login` one that has credentials of another kind;
    and whatever a profile gets, the environment's keys come before it."""
    Path(files["AWS_CONFIG_FILE"]).write_text(CONFIG + OTHERS)
    assert resolve(profile=None, region=None, environ={**files, "AWS_PROFILE": profile}).renewal == renewed
    assert resolve(profile=None, region=None, environ={**files, **KEYS, "AWS_PROFILE": profile}).renewal == beside_keys


def test_a_misspelt_profile_is_set_right_and_an_unknown_one_is_created(files):
    for named, command in (("clinc", "export AWS_PROFILE=clinic"), ("x y", "aws login --profile 'x y'")):
        with pytest.raises(CredentialsError) as refusal:
            connect(environ={**files, "AWS_PROFILE": named})
        assert refusal.value.hint == command


def test_an_endpoint_that_is_no_url_is_a_usage_error(files):
    with pytest.raises(UsageError, match="nonsense"):
        connect(environ={**files, **KEYS, "AWS_ENDPOINT_URL": "nonsense"}).identify()


def test_a_region_that_is_no_region_is_a_usage_error(files):
    with pytest.raises(UsageError, match="us_east"):
        connect(region="us_east!", environ={**files, **KEYS}).identify()


def test_the_profiles_of_the_files_are_listed_even_without_credentials(files):
    aws = connect(environ=files)
    assert [profile.name for profile in aws.profiles()] == ["clinic", "other"]
    assert not aws.has_environment_credentials


def test_a_child_process_is_the_same_caller_whatever_the_parent_has(files):
    """The child is a real process with botocore's own rules; the parent's environment disagrees in every point."""
    aws = connect(profile="clinic", region="us-west-2", environ={**files, **KEYS})
    program = (
        "import json, botocore.session as b; s = b.Session(); c = s.get_credentials();"
        "print(json.dumps([c.access_key, c.token, s.get_config_variable('region')]))"
    )
    child = {**os.environ, **aws.environment()}
    answer = subprocess.run([sys.executable, "-c", program], env=child, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == ["AKIACLINIC", None, "us-west-2"]


def test_a_child_process_gets_the_keys_of_the_environment_and_no_token_of_the_parents(files):
    passed = connect(environ={**files, **KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).environment()
    assert passed == {
        **files,
        **KEYS,
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }


def test_no_secret_is_in_a_repr(files):
    aws = connect(environ={**files, **KEYS, "AWS_SESSION_TOKEN": "the-token"})
    shown = repr(aws) + repr(aws._session) + repr(vars(aws))
    assert not any(secret in shown for secret in (*KEYS.values(), "the-token"))
