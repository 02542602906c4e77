"""A session that AWS keeps to reading: GetScopedCredentials in the sandbox, and the program's sessions by it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.policies.evaluation.account import IamPolicy
from components.policies.evaluation.statements import Request, evaluate_policies
from wizard.aws.auth import narrowing
from wizard.aws.client import connect
from wizard.core.errors import PermissionDenied
from wizard.core.required_permissions.table import load

ACCOUNT = "123456789012"
KEYS = {
    "AccessKeyId": "aws_access_key_id",
    "SecretAccessKey": "aws_secret_access_key",
    "SessionToken": "aws_session_token",
}
READS = {"Effect": "Allow", "Action": ["ssm:Get*", "iam:List*"], "Resource": "*"}


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def administrator(cloud: Any) -> dict[str, str]:
    """The temporary credentials of a role that can do everything."""
    iam, name = cloud.client("iam"), f"admin-{uuid.uuid4().hex}"
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    everything = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=everything)
    answer = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="ada")["Credentials"]
    return {KEYS[key]: answer[key] for key in KEYS}


def narrowed(cloud: Any, credentials: Mapping[str, str], **parameters: Any) -> dict[str, str]:
    answer = cloud.client("sts", **credentials).get_scoped_credentials(**parameters)["Credentials"]
    return {KEYS[key]: answer[key] for key in KEYS}


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


# --- the sandbox, as AWS documents it


def test_a_narrowed_session_is_the_same_principal_and_can_do_less(cloud: Any, administrator: dict[str, str]) -> None:
    name = f"/scoped/{uuid.uuid4().hex}"
    less = narrowed(cloud, administrator, Policy=policy(READS))
    who = [cloud.client("sts", **keys).get_caller_identity()["Arn"] for keys in (administrator, less)]
    assert who[0] == who[1] and who[0].endswith("/ada")
    with pytest.raises(ClientError) as refused:
        cloud.client("ssm", **less).put_parameter(Name=name, Value="x", Type="String")
    assert code(refused) == "AccessDeniedException" and "session policy" in str(refused.value)
    cloud.client("ssm", **administrator).put_parameter(Name=name, Value="x", Type="String")
    assert cloud.client("ssm", **less).get_parameter(Name=name)["Parameter"]["Value"] == "x"


def test_a_second_policy_narrows_further_and_a_fourth_is_refused(cloud: Any, administrator: dict[str, str]) -> None:
    twice = narrowed(
        cloud, narrowed(cloud, administrator, Policy=policy(READS)), Policy=policy({**READS, "Action": "*"})
    )
    with pytest.raises(ClientError):
        cloud.client("sns", **twice).list_topics()
    thrice = narrowed(cloud, twice, Policy=policy(READS))
    with pytest.raises(ClientError) as refused:
        narrowed(cloud, thrice, Policy=policy(READS))
    assert code(refused) == "AccessDenied"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": policy({**READS, "Sid": "x" * 2048})}, "ValidationError"),
        ({}, "ValidationError"),
        ({"DurationSeconds": 129_600}, "InsufficientSessionLifetime"),
    ],
)
def test_what_aws_refuses(cloud: Any, administrator: dict[str, str], parameters: Any, expected: str) -> None:
    with pytest.raises(ClientError) as refused:
        narrowed(cloud, administrator, **parameters)
    assert code(refused) == expected


def test_an_iam_user_cannot_be_narrowed(cloud: Any) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.client("sts").get_scoped_credentials(Policy=policy(READS))
    assert code(refused) == "InvalidSubjectCredentials"


# --- the program


def environment(cloud: Any, credentials: Mapping[str, str]) -> dict[str, str]:
    names = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    names["aws_session_token"] = "AWS_SESSION_TOKEN"
    given = {names[key]: value for key, value in credentials.items()}
    return {"AWS_ENDPOINT_URL": cloud.variables["AWS_ENDPOINT_URL"], "AWS_REGION": "us-east-1", **given}


def test_a_command_that_reads_cannot_write_even_when_its_code_tries(cloud: Any, administrator: dict[str, str]) -> None:
    aws = connect(environ=environment(cloud, administrator), reads_only=True)
    assert aws.caller().arn.endswith("/ada")
    name = f"/scoped/{uuid.uuid4().hex}"
    with pytest.raises(PermissionDenied, match="session policy"):
        aws._session.call("ssm", "PutParameter", Name=name, Value="x", Type="String")
    with pytest.raises(PermissionDenied):
        aws._session.call("kms", "CreateKey")
    with pytest.raises(PermissionDenied):
        aws._session.call("iam", "CreateUser", UserName="nobody")


def test_a_child_of_a_command_that_reads_cannot_write_either(cloud: Any, administrator: dict[str, str]) -> None:
    passed = connect(environ=environment(cloud, administrator), reads_only=True).environment()
    assert passed["AWS_ACCESS_KEY_ID"] != administrator["aws_access_key_id"]
    child = {KEYS[key]: passed[name] for key, name in _VARIABLES.items()}
    with pytest.raises(ClientError, match="session policy"):
        cloud.client("ssm", **child).put_parameter(Name="/x", Value="x", Type="String")


_VARIABLES = {
    "AccessKeyId": "AWS_ACCESS_KEY_ID",
    "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "SessionToken": "AWS_SESSION_TOKEN",
}


def test_the_copy_of_a_report_is_stored_with_the_credentials_as_they_were_given(
    cloud: Any, administrator: dict[str, str]
) -> None:
    aws = connect(environ=environment(cloud, administrator), reads_only=True)
    name = f"/scoped/{uuid.uuid4().hex}"
    aws.writing()._session.call("ssm", "PutParameter", Name=name, Value="x", Type="String")
    with pytest.raises(PermissionDenied):
        aws._session.call("ssm", "DeleteParameter", Name=name)


def test_a_command_that_changes_something_is_not_narrowed(cloud: Any, administrator: dict[str, str]) -> None:
    aws = connect(environ=environment(cloud, administrator))
    assert aws.writing()._session is aws._session
    aws._session.call("ssm", "PutParameter", Name=f"/scoped/{uuid.uuid4().hex}", Value="x", Type="String")


def test_an_iam_user_reads_as_before(cloud: Any) -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    user = {name.lower(): cloud.variables[name] for name in names}
    aws = connect(environ=environment(cloud, user), reads_only=True)
    assert aws.caller().arn.endswith("user/clinic-admin") and not aws._session.is_narrowed


# --- the policy


@pytest.fixture
def reading() -> Iterator[IamPolicy]:
    yield IamPolicy(name="reading", document=json.loads(narrowing.reading_policy()))


def test_the_policy_fits() -> None:
    assert len(narrowing.reading_policy()) <= narrowing.LONGEST_POLICY


def actions(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for each in value:
            yield from actions(each)
        if isinstance(value, Mapping):
            yield from actions(list(value.values()))


_ACTION = re.compile("[a-z-]+:[A-Za-z]+")


def is_allowed(policy: IamPolicy, action: str) -> bool:
    found = evaluate_policies((policy,), Request(action=action, resource="arn:aws:x:::y", context={}))
    return bool(found.allows)


def test_everything_that_the_reading_commands_read_is_allowed(reading: IamPolicy) -> None:
    read = {
        action
        for table in ("auditor", "provider reads")
        for action in actions(load(table))
        if re.fullmatch(r"[a-z-]+:[A-Za-z]+", action)
    }
    assert len(read) > 50
    assert [action for action in sorted(read) if not is_allowed(reading, action)] == []


def test_no_call_that_changes_something_is_allowed(reading: IamPolicy) -> None:
    written = {action for action in actions(load("operator")) if _ACTION.fullmatch(action)}
    verbs = ("Get", "List", "Describe", "Lookup", "Check", "Validate", "Simulate", "Head", "BatchGet")
    changing = {action for action in written if not action.partition(":")[2].startswith(verbs)} - {
        "kms:Decrypt",
        "sts:AssumeRole",
    }
    assert len(changing) > 40
    assert [action for action in sorted(changing) if is_allowed(reading, action)] == []
