"""What the AWS configuration files say of each profile, without any call."""

from __future__ import annotations

import pytest

from tests.wizard.aws.conftest import files
from wizard.aws.auth.profiles import sign_in_of
from wizard.aws.client import connect
from wizard.core.errors import CredentialsError
from wizard.core.models.account import ProfileFact, ProfileKind

ROLE = "arn:aws:iam::123456789012:role/admin"
DEVICE = "arn:aws:iam::123456789012:mfa/ana"

CONFIG = f"""\
[default]
region = us-east-1
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = x

[profile signed-in]
sso_session = work
sso_account_id = 123456789012
sso_role_name = Admin
region = eu-west-1

[profile signed-in-as-before]
sso_start_url = https://clinic.example
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = Admin

[profile console]
login_session = arn:aws:iam::123456789012:user/ana

[profile role]
role_arn = {ROLE}
source_profile = default
mfa_serial = {DEVICE}
region = eu-central-1

[profile role-behind-a-sign-in]
role_arn = {ROLE}
source_profile = signed-in

[profile role-behind-a-role]
role_arn = {ROLE}-2
source_profile = role

[profile pod]
role_arn = {ROLE}
web_identity_token_file = /var/run/token

[profile program]
credential_process = /usr/bin/get-credentials

[profile region-only]
region = us-west-2
mfa_serial = {DEVICE}

[profile round]
role_arn = {ROLE}
source_profile = and-round

[profile and-round]
role_arn = {ROLE}
source_profile = round

[sso-session work]
sso_start_url = https://clinic.example
sso_region = eu-west-1
"""


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    return files(tmp_path, CONFIG)


@pytest.fixture
def facts(environ) -> dict[str, ProfileFact]:
    return {fact.name: fact for fact in connect(environ=environ).profiles()}


KINDS = {
    "default": ProfileKind.KEYS,
    "signed-in": ProfileKind.SIGN_IN,
    "signed-in-as-before": ProfileKind.SIGN_IN,
    "console": ProfileKind.SIGN_IN,
    "role": ProfileKind.ROLE,
    "role-behind-a-sign-in": ProfileKind.ROLE,
    "role-behind-a-role": ProfileKind.ROLE,
    "pod": ProfileKind.WEB_IDENTITY,
    "program": ProfileKind.PROCESS,
    "region-only": ProfileKind.NONE,
    "round": ProfileKind.ROLE,
    "and-round": ProfileKind.ROLE,
}


def test_each_profile_is_of_the_kind_that_botocore_would_take_it_for(facts):
    assert {name: fact.kind for name, fact in facts.items()} == KINDS


def test_a_role_is_told_with_its_device_and_its_region(facts):
    assert facts["role"] == ProfileFact(
        name="role", kind=ProfileKind.ROLE, role_arn=ROLE, mfa_serial=DEVICE, region="eu-central-1"
    )


def test_the_code_of_the_role_behind_a_role_is_told_too(facts):
    assert (facts["role-behind-a-role"].mfa_serial, facts["role-behind-a-sign-in"].mfa_serial) == (DEVICE, None)


def test_a_device_that_nobody_asks_for_a_code_is_not_told(facts):
    assert facts["region-only"].mfa_serial is None


def test_profiles_that_name_each_other_are_told_and_end(facts):
    assert facts["round"].mfa_serial is None


def test_a_file_that_cannot_be_read_is_an_error_with_its_way_out(environ, tmp_path):
    (tmp_path / "config").write_text("region = without a section")
    with pytest.raises(CredentialsError, match="configuration cannot be used"):
        connect(environ=environ)


SIGN_INS = [
    ("signed-in", "aws sso login --profile signed-in"),
    ("signed-in-as-before", "aws sso login --profile signed-in-as-before"),
    ("role-behind-a-sign-in", "aws sso login --profile signed-in"),
    ("console", "aws login --profile console"),
]


@pytest.mark.parametrize(("profile", "line"), SIGN_INS)
def test_the_sign_in_is_that_of_the_profile_whose_credentials_are_used(environ, profile, line):
    config = connect(environ=environ)._session._botocore.full_config
    found = sign_in_of(config, profile)
    assert found is not None
    assert found.line == line
