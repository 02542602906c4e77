"""Who the caller is, which Regions there are, and whom the account has."""

from __future__ import annotations

import json
import socket
import time

import pytest

from wizard.aws.auth import http
from wizard.aws.client import connect
from wizard.core.errors import CredentialsError, PermissionDenied, Unreachable
from wizard.core.models.account import Principal, RegionFact

ACCOUNT = "123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def as_user(boto, environ, *, path: str = "/", name: str = "ana"):
    iam = boto("iam")
    iam.create_user(UserName=name, Path=path)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return connect(environ={**environ, **keys})


def as_role(boto, environ, role_arn: str):
    keys = boto("sts").assume_role(RoleArn=role_arn, RoleSessionName="at-work")["Credentials"]
    given = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    return connect(environ={**environ, **given})


def test_a_user_is_known_by_its_own_arn_and_the_accounts_alias(boto, environ):
    boto("iam").create_account_alias(AccountAlias="the-clinic")
    identity = as_user(boto, environ, path="/staff/").identify()
    assert identity.principal_arn == identity.arn == f"arn:aws:iam::{ACCOUNT}:user/staff/ana"
    assert (identity.account_id, identity.account_alias) == (ACCOUNT, "the-clinic")
    assert identity.source == "environment variables"


def test_an_emulators_user_of_sts_is_taken_for_the_iam_user(aws):
    identity = aws.identify()
    assert identity.arn == f"arn:aws:sts::{ACCOUNT}:user/moto"
    assert identity.principal_arn == f"arn:aws:iam::{ACCOUNT}:user/moto"


def test_a_role_that_may_not_read_itself_is_still_known_by_name(script, scripted):
    script.say_who(f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/at-work")
    script.refuse("GetRole", "AccessDenied", status=403)
    script.refuse("ListAccountAliases", "AccessDenied", status=403)
    identity = scripted.identify()
    assert (identity.principal_arn, identity.account_alias) == (f"arn:aws:iam::{ACCOUNT}:role/deployer", None)
    assert "/ is assumed" in identity.source


@pytest.mark.parametrize("region", ["", "eu-west-1/"], ids=["us-east-1", "elsewhere"])
def test_a_role_of_identity_center_is_known_by_its_whole_arn(boto, environ, region):
    path = f"/aws-reserved/sso.amazonaws.com/{region}"
    name = "AWSReservedSSO_KeyAdmin_0123456789abcdef"
    role = boto("iam").create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST)
    identity = as_role(boto, environ, role["Role"]["Arn"]).identify()
    assert identity.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/at-work"
    assert identity.principal_arn == f"arn:aws:iam::{ACCOUNT}:role{path}{name}"
    assert identity.source == "environment variables"


SSO = """[profile clinic]
sso_session = work
region = us-east-1
[sso-session work]
sso_region = {region}
sso_start_url = https://clinic.example
"""
OLD_SSO = """[profile clinic]
sso_region = {region}
region = us-east-1
"""
SSO_NAME = "AWSReservedSSO_KeyAdmin_0123456789abcdef"


def without_get_role(script, tmp_path, config: str, keys: bool = False):
    (tmp_path / "credentials").write_text("[clinic]\naws_access_key_id = AKIAX\naws_secret_access_key = x\n")
    (tmp_path / "config").write_text(config)
    script.say_who(f"arn:aws:sts::{ACCOUNT}:assumed-role/{SSO_NAME}/ana")
    script.refuse("GetRole", "AccessDenied", status=403)
    environ = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_ENDPOINT_URL": script.url,
        "AWS_PROFILE": "clinic",
    }
    if keys:
        environ |= {"AWS_ACCESS_KEY_ID": "AKIAX", "AWS_SECRET_ACCESS_KEY": "x"}
    return connect(environ=environ).identify()


@pytest.mark.parametrize("config", [SSO, OLD_SSO], ids=["a session", "the profile alone"])
@pytest.mark.parametrize(("region", "path"), [("eu-west-1", "eu-west-1/"), ("us-east-1", "")])
def test_without_iam_the_path_is_supposed_from_the_profile_and_that_is_said(script, tmp_path, config, region, path):
    identity = without_get_role(script, tmp_path, config.format(region=region))
    assert identity.principal_arn == f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{path}{SSO_NAME}"
    assert identity.source.startswith("the profile clinic; ")
    assert "iam:GetRole" in identity.source and f"sso_region {region} is assumed" in identity.source


@pytest.mark.parametrize(("config", "keys"), [("[profile clinic]\n", False), (SSO.format(region="eu-west-1"), True)])
def test_without_iam_and_without_a_sign_in_the_path_is_a_guess_and_that_is_said(script, tmp_path, config, keys):
    identity = without_get_role(script, tmp_path, config, keys)
    assert identity.principal_arn == f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{SSO_NAME}"
    assert "us-east-1's is assumed" in identity.source


def test_the_accounts_root_is_root(script, scripted):
    script.say_who(f"arn:aws:iam::{ACCOUNT}:root")
    assert scripted.identify().principal_arn == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_federation_session_is_refused_because_no_key_policy_can_name_it(script, scripted):
    script.say_who(f"arn:aws:sts::{ACCOUNT}:federated-user/guest")
    with pytest.raises(CredentialsError, match="federation session"):
        scripted.identify()


def test_an_endpoint_that_nobody_serves_is_found_at_once_and_named(environ):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(Unreachable, match=url):
            connect(environ={**environ, "AWS_ENDPOINT_URL": url}).identify()
    assert time.monotonic() - started < 10


def test_waiting_for_the_first_answer_is_bounded_by_ten_seconds():
    longest = max(http.CONNECT_TIMEOUT, http.FIRST_READ_TIMEOUT) * http.FIRST_ATTEMPTS
    backoff = http.FIRST_ATTEMPTS - 1
    assert longest + backoff <= 10


def test_a_proxy_is_not_asked_for_an_endpoint_of_this_machine(environ, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert connect(environ=environ).identify().account_id == ACCOUNT


REGIONS = {
    "Regions": [
        {"RegionName": "us-east-1", "RegionOptStatus": "ENABLED_BY_DEFAULT"},
        {"RegionName": "af-south-1", "RegionOptStatus": "DISABLED"},
        {"RegionName": "eu-south-2", "RegionOptStatus": "ENABLED"},
        {"RegionName": "me-south-1", "RegionOptStatus": "ENABLING"},
    ]
}


def test_regions_are_listed_by_name_with_those_switched_off(script, scripted):
    """moto has no account:ListRegions, so its answer is written here."""
    script.answer("POST /listRegions", REGIONS)
    assert [(fact.name, fact.enabled) for fact in scripted.list_regions()] == [
        ("af-south-1", False),
        ("eu-south-2", True),
        ("me-south-1", False),
        ("us-east-1", True),
    ]


def test_regions_are_asked_of_ec2_where_the_account_service_is_not_to_be_had(aws):
    regions = aws.list_regions()
    assert RegionFact(name="us-east-1", enabled=True, place="US East, N. Virginia") in regions
    assert RegionFact(name="ap-east-1", enabled=False, place="Asia Pacific, Hong Kong") in regions
    assert list(regions) == sorted(regions, key=lambda fact: fact.name)


def test_a_caller_who_may_list_no_regions_gets_those_that_the_sdk_knows(script, scripted):
    script.answer(
        "POST /listRegions", {"Message": "no"}, status=403, headers={"x-amzn-errortype": "AccessDeniedException"}
    )
    script.refuse("DescribeRegions", "UnauthorizedOperation", status=403)
    regions = scripted.list_regions()
    assert RegionFact(name="us-east-1", enabled=True, place="US East, N. Virginia") in regions
    assert not any(fact.name.startswith(("us-gov-", "cn-")) for fact in regions)


def test_principals_are_users_and_roles_of_every_page_but_no_service_linked_roles(boto, aws):
    iam = boto("iam")
    for number in range(103):
        iam.create_user(UserName=f"user-{number:03}")
    iam.create_role(RoleName="deployer", Path="/ci/", AssumeRolePolicyDocument=TRUST)
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    principals = aws.iam.list_principals()
    assert [principal.arn for principal in principals if principal.kind == "role"] == [
        f"arn:aws:iam::{ACCOUNT}:role/ci/deployer"
    ]
    assert [principal.name for principal in principals if principal.kind == "user"] == [
        f"user-{number:03}" for number in range(103)
    ]


def test_a_caller_who_may_not_list_users_is_told_which_action_is_denied(script, scripted):
    script.refuse("ListUsers", "AccessDenied", status=403)
    with pytest.raises(PermissionDenied, match="iam:ListUsers"):
        scripted.iam.list_principals()


@pytest.mark.parametrize("arn", [f"arn:aws:iam::{ACCOUNT}:user/staff/ana", f"arn:aws:iam::{ACCOUNT}:root"])
def test_a_principal_of_the_account_is_found(boto, aws, arn):
    boto("iam").create_user(UserName="ana", Path="/staff/")
    assert aws.iam.find_principal(arn) == Principal(arn=arn)


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:iam::{ACCOUNT}:user/ana",  # she is under /staff/
        f"arn:aws:iam::{ACCOUNT}:role/staff/ana",
        f"arn:aws:iam::{ACCOUNT}:user/nobody",
        "arn:aws:iam::999999999999:user/staff/ana",
        "arn:aws:iam::999999999999:root",
    ],
)
def test_a_principal_that_does_not_exist_is_not_found(boto, aws, arn):
    boto("iam").create_user(UserName="ana", Path="/staff/")
    assert aws.iam.find_principal(arn) is None


def test_the_caller_is_found_at_stss_word_even_where_iam_does_not_know_it(aws):
    arn = aws.identify().principal_arn
    assert aws.iam.find_principal(arn) == Principal(arn=arn)
