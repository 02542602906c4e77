"""Roles, codes of MFA devices, sign-ins and credential processes, against an endpoint whose answers a test writes."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from operator import attrgetter
from pathlib import Path

import pytest
from botocore.utils import JSONFileCache

from tests.wizard.aws.conftest import files
from wizard.aws.client import AwsClient, connect
from wizard.core.errors import CredentialsError, PermissionDenied, SignInNeeded

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/admin"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/at-work"
DEVICE = f"arn:aws:iam::{ACCOUNT}:mfa/ana"

CONFIG = f"""\
[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = the-secret-of-the-base

[profile plain]
role_arn = {ROLE}
source_profile = base

[profile with-mfa]
role_arn = {ROLE}
source_profile = base
mfa_serial = {DEVICE}

[profile signed-in]
sso_session = work
sso_account_id = {ACCOUNT}
sso_role_name = Admin

[profile signed-in-as-before]
sso_start_url = https://old.example
sso_region = us-east-1
sso_account_id = {ACCOUNT}
sso_role_name = Admin

[profile role-behind-a-sign-in]
role_arn = {ROLE}
source_profile = signed-in

[sso-session work]
sso_start_url = https://clinic.example
sso_region = us-east-1
"""
SSO_CALL = f"GET /federation/credentials?role_name=Admin&account_id={ACCOUNT}"


def ends_in(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def assumed(script, *, number: int = 1, minutes: float = 60) -> None:
    script.answer(
        "AssumeRole",
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>ASIAROLE{number}</AccessKeyId><SecretAccessKey>secret-{number}</SecretAccessKey>"
        f"<SessionToken>token-{number}</SessionToken><Expiration>{ends_in(minutes)}</Expiration></Credentials>"
        f"<AssumedRoleUser><Arn>{SESSION}</Arn><AssumedRoleId>AROA:at-work</AssumedRoleId></AssumedRoleUser>"
        "</AssumeRoleResult></AssumeRoleResponse>",
    )


def signed_in(home: Path, *, key: str, minutes: float = 60) -> None:
    """The token that `aws sso login` leaves, under the name of its session or of its start URL."""
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    token = {"accessToken": "the-token", "expiresAt": ends_in(minutes), "region": "us-east-1", "startUrl": "-"}
    (cache / f"{sha1(key.encode()).hexdigest()}.json").write_text(json.dumps(token))


def role_of_the_sign_in(script, *, number: int = 1, minutes: float = 60) -> None:
    ends = int((datetime.now(UTC) + timedelta(minutes=minutes)).timestamp() * 1000)
    keys = {"accessKeyId": f"ASIASSO{number}", "secretAccessKey": f"secret-{number}", "sessionToken": f"token-{number}"}
    script.answer(SSO_CALL, {"roleCredentials": {**keys, "expiration": ends}})


@pytest.fixture
def environ(script, tmp_path) -> dict[str, str]:
    script.say_who(SESSION)
    given = {**files(tmp_path, CONFIG), "HOME": str(tmp_path), "AWS_REGION": "us-east-1"}
    return {**given, "AWS_ENDPOINT_URL": script.url, "AWS_EC2_METADATA_DISABLED": "true"}


class Person:
    """Somebody with an MFA device, who counts how often its code is asked for."""

    def __init__(self, code: str = "123456") -> None:
        self.code = code
        self.asked: list[str] = []

    def __call__(self, serial: str) -> str:
        self.asked.append(serial)
        return self.code


@pytest.fixture
def person() -> Person:
    return Person()


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def keys(aws: AwsClient) -> tuple[str | None, ...]:
    environment = aws.environment()
    return tuple(environment.get(name) for name in KEYS)


# --- roles --------------------------------------------------------------------------------------------------------


def test_a_role_is_assumed_once_and_its_keys_go_to_every_child(script, environ):
    assumed(script)
    aws = connect(profile="plain", environ=environ)
    assert aws.identify().arn == SESSION
    assert keys(aws) == keys(aws.with_region("eu-west-1")) == ("ASIAROLE1", "secret-1", "token-1")
    assert script.calls.count("AssumeRole") == 1


def test_a_child_that_is_handed_keys_is_named_the_profile_of_the_caller_not_of_the_parent(script, environ):
    assumed(script)
    environment = connect(profile="plain", environ={**environ, "AWS_PROFILE": "base"}).environment()
    assert (environment["AWS_PROFILE"], environment["AWS_DEFAULT_PROFILE"]) == ("plain", "plain")


def test_a_profile_with_an_access_key_stays_a_profile_for_its_children(environ):
    environment = connect(profile="base", environ=environ).environment()
    assert environment["AWS_PROFILE"] == "base"
    assert [environment[name] for name in KEYS] == ["", "", ""]


def test_a_role_that_the_caller_may_not_assume_is_told_by_that_action(script, environ):
    script.refuse("AssumeRole", "AccessDenied", status=403)
    with pytest.raises(PermissionDenied, match="sts:AssumeRole"):
        connect(profile="plain", environ=environ).identify()


# --- codes --------------------------------------------------------------------------------------------------------


def test_a_code_is_asked_once_for_everything(script, environ, person):
    assumed(script)
    aws = connect(profile="with-mfa", environ=environ, ask_code=person)
    aws.environment()
    aws.identify()
    aws.with_region("eu-west-1").identify()
    aws._session.together(*[lambda: aws._session.client("kms")] * 4)
    assert person.asked == [DEVICE]
    (sent,) = [form for form in script.requests if "TokenCode" in form]
    assert (sent["TokenCode"], sent["SerialNumber"], sent["RoleArn"]) == (["123456"], [DEVICE], [ROLE])


def test_without_anybody_to_ask_a_profile_with_a_code_is_refused_and_nothing_hangs(script, environ, monkeypatch):
    def read_the_terminal(*_: object) -> str:
        raise AssertionError("the terminal was read")

    monkeypatch.setattr("getpass.getpass", read_the_terminal)
    with pytest.raises(CredentialsError, match=f"{DEVICE}, and nobody can be asked for it here") as refusal:
        connect(profile="with-mfa", environ=environ).identify()
    assert refusal.value.exit_code == 3
    assert "aws sts get-caller-identity --profile with-mfa" in refusal.value.hint
    assert script.calls == []


def test_a_second_run_within_the_hour_asks_no_code(script, environ, person):
    assumed(script)
    connect(profile="with-mfa", environ=environ, ask_code=person).identify()
    later = connect(profile="with-mfa", environ=environ)
    assert keys(later) == ("ASIAROLE1", "secret-1", "token-1")
    assert (len(person.asked), script.calls.count("AssumeRole")) == (1, 1)


def test_the_session_is_kept_as_the_aws_cli_keeps_it(script, environ, tmp_path, person):
    assumed(script)
    connect(profile="with-mfa", environ=environ, ask_code=person).identify()
    (kept,) = (tmp_path / ".aws" / "cli" / "cache").iterdir()
    # The name under which the AWS CLI looks for it.
    named = json.dumps({"RoleArn": ROLE, "SerialNumber": DEVICE}, sort_keys=True)
    assert kept.name == f"{sha1(named.encode()).hexdigest()}.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["Credentials"]["AccessKeyId"] == "ASIAROLE1"


def test_a_session_that_the_aws_cli_has_made_is_used(script, environ, tmp_path):
    named = json.dumps({"RoleArn": ROLE, "SerialNumber": DEVICE}, sort_keys=True)
    cache = JSONFileCache(str(tmp_path / ".aws" / "cli" / "cache"))
    expiration = datetime.now(UTC) + timedelta(minutes=40)
    made = {"AccessKeyId": "ASIACLI", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expiration}
    cache[sha1(named.encode()).hexdigest()] = {"Credentials": made}
    assert keys(connect(profile="with-mfa", environ=environ)) == ("ASIACLI", "s", "t")
    assert script.calls == []


@pytest.mark.parametrize("left", ["no JSON", "[]", "{}", '{"Credentials": {"Expiration": "soon"}}', ""])
def test_what_cannot_be_read_of_an_earlier_session_is_passed_over(script, environ, tmp_path, person, left):
    assumed(script)
    connect(profile="with-mfa", environ=environ, ask_code=person).identify()
    (kept,) = (tmp_path / ".aws" / "cli" / "cache").iterdir()
    kept.write_text(left)
    connect(profile="with-mfa", environ=environ, ask_code=person).identify()
    assert len(person.asked) == 2


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "passwd"])
def test_what_is_no_code_is_not_sent(script, environ, code):
    with pytest.raises(CredentialsError, match="6 digits"):
        connect(profile="with-mfa", environ=environ, ask_code=Person(code)).identify()
    assert script.calls == []


def test_a_code_that_is_refused_is_told_and_not_asked_for_again(script, environ, person):
    script.refuse(
        "AssumeRole", "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", 403
    )
    aws = connect(profile="with-mfa", environ=environ, ask_code=person)
    for call in (aws.identify, aws.cloudtrail.list_trails, aws.identify):
        with pytest.raises(CredentialsError, match="did not accept the code") as refusal:
            call()
        assert "next code" in refusal.value.hint
    assert len(person.asked) == 1


def test_ctrl_c_at_the_question_is_nobodys_error(environ):
    def leave(_: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connect(profile="with-mfa", environ=environ, ask_code=leave).identify()


# --- how long they last -------------------------------------------------------------------------------------------


def test_keys_that_end_soon_are_renewed_before_a_child_gets_them(script, environ):
    assumed(script, minutes=12)
    aws = connect(profile="plain", environ=environ)
    aws.identify()
    assumed(script, number=2)
    assert keys(aws) == ("ASIAROLE2", "secret-2", "token-2")


def test_where_a_code_is_needed_for_that_it_is_asked_for_and_later_calls_have_the_new_keys(script, environ, person):
    assumed(script, minutes=12)
    aws = connect(profile="with-mfa", environ=environ, ask_code=person)
    aws.identify()
    assumed(script, number=2)
    assert keys(aws) == keys(aws) == ("ASIAROLE2", "secret-2", "token-2")
    assert len(person.asked) == 2
    script.answer("DescribeTrails", {"trailList": []})
    aws.cloudtrail.list_trails()
    assert "ASIAROLE2" in script.headers[-1]["Authorization"]


def test_where_nobody_can_be_asked_what_is_left_of_them_is_handed_out(script, environ, monkeypatch):
    assumed(script, minutes=12)
    first = connect(profile="with-mfa", environ=environ, ask_code=Person())
    first.identify()
    session = first._session
    assert session._chain is not None
    monkeypatch.setattr(first, "_session", replace(session, _chain=replace(session._chain, ask_code=None)))
    assert keys(first) == ("ASIAROLE1", "secret-1", "token-1")


# --- sign-ins -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "key"), [("signed-in", "work"), ("signed-in-as-before", "https://old.example")], ids=["session", "old"]
)
def test_a_sign_in_gives_keys_that_go_to_every_child(script, environ, tmp_path, profile, key):
    signed_in(tmp_path, key=key)
    role_of_the_sign_in(script)
    aws = connect(profile=profile, environ=environ)
    aws.identify()
    assert keys(aws) == ("ASIASSO1", "secret-1", "token-1")
    assert script.calls.count(SSO_CALL) == 1


@pytest.mark.parametrize(
    ("profile", "needed"),
    [
        ("signed-in", "signed-in"),
        ("signed-in-as-before", "signed-in-as-before"),
        ("role-behind-a-sign-in", "signed-in"),
    ],
)
@pytest.mark.parametrize("minutes", [None, -5], ids=["never", "expired"])
@pytest.mark.parametrize("first", ["identify", "cloudtrail.list_trails", "environment"])
def test_a_sign_in_that_is_not_there_is_asked_for_by_whatever_comes_first(
    environ, tmp_path, profile, needed, minutes, first
):
    if minutes is not None:
        signed_in(tmp_path, key="work", minutes=minutes)
        signed_in(tmp_path, key="https://old.example", minutes=minutes)
    with pytest.raises(SignInNeeded, match=f"there is no sign-in for the profile {profile}") as refusal:
        attrgetter(first)(connect(profile=profile, environ=environ))()
    assert (refusal.value.profile, refusal.value.hint) == (needed, f"aws sso login --profile {needed}")
    assert refusal.value.exit_code == 3


def test_a_sign_in_that_the_service_does_not_know_any_more_is_asked_for(script, environ, tmp_path):
    signed_in(tmp_path, key="work")
    script.answer(SSO_CALL, {"message": "no"}, 401, {"x-amzn-ErrorType": "UnauthorizedException"})
    with pytest.raises(SignInNeeded):
        connect(profile="signed-in", environ=environ).identify()


def test_a_role_that_the_sign_in_does_not_give_is_a_permission_that_is_lacking(script, environ, tmp_path):
    signed_in(tmp_path, key="work")
    script.answer(SSO_CALL, {"message": "No access"}, 403, {"x-amzn-ErrorType": "ForbiddenException"})
    with pytest.raises(PermissionDenied, match="sso:GetRoleCredentials"):
        connect(profile="signed-in", environ=environ).identify()


def test_after_the_sign_in_a_new_connection_finds_it(script, environ, tmp_path):
    role_of_the_sign_in(script)
    with pytest.raises(SignInNeeded):
        connect(profile="signed-in", environ=environ).identify()
    signed_in(tmp_path, key="work")
    assert connect(profile="signed-in", environ=environ).identify().source.startswith("the profile signed-in")


# --- credential processes -----------------------------------------------------------------------------------------


def of_a_process(environ, tmp_path, program: str) -> AwsClient:
    (tmp_path / "program.py").write_text(program)
    process = f"{sys.executable} {tmp_path / 'program.py'}"
    (tmp_path / "config").write_text(f"[profile program]\ncredential_process = {process}\n")
    return connect(profile="program", environ=environ)


def test_a_credential_process_runs_once_and_its_keys_go_to_every_child(environ, tmp_path):
    answer = {"Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": "s", "SessionToken": "t"}
    counting = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print({json.dumps(answer)!r})"
    aws = of_a_process(environ, tmp_path, counting)
    aws.identify()
    assert keys(aws) == ("ASIAPROCESS", "s", "t")
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize("program", ["print('no JSON: the-secret')", "raise SystemExit('the-secret')", "print('{}')"])
def test_a_credential_process_that_gives_none_is_told_without_what_it_said(environ, tmp_path, program):
    with pytest.raises(CredentialsError, match="could not be loaded from the profile program") as refusal:
        of_a_process(environ, tmp_path, program).identify()
    assert "the-secret" not in refusal.value.message + refusal.value.hint


def test_no_secret_of_a_session_is_in_a_repr(script, environ):
    assumed(script)
    aws = connect(profile="plain", environ=environ)
    aws.environment()
    shown = repr(aws) + repr(aws._session) + repr(aws._session.resolved)
    assert not any(secret in shown for secret in ("secret-1", "token-1", "the-secret-of-the-base"))
