"""IAM Access Troubleshooter in the sandbox, as AWS documents it, over HTTP."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

DETAILS = re.compile(r"#/authorization-details/(\w+) .* authorization id: (\w+)$")


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ASK = {"Effect": "Allow", "Action": "iam:GetRequestAuthorizationDetails", "Resource": "*"}
DENY = {"Sid": "Frozen", "Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"}


@pytest.fixture
def user(cloud: Any) -> Iterator[Any]:
    """The clients of a user who may ask for the details, and may not read roles by the statement `Frozen`."""
    iam, name = cloud.client("iam"), f"u{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(ASK, DENY))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    yield lambda service, region="us-east-1": cloud.client(service, region, **keys)
    cloud.ask("PUT", "service-control-policies", {"policies": []})


def refused(call: Any) -> str:
    """The authorization id of a call that AWS denies."""
    with pytest.raises(ClientError) as error:
        call()
    found = DETAILS.search(error.value.response["Error"]["Message"])
    assert found is not None and found[1] == found[2]
    return found[1]


def details(client: Any, id_: str) -> dict[str, Any]:
    [evaluation] = client.get_request_authorization_details(authorizationId=id_)["evaluations"]
    return dict(evaluation)


def test_a_statement_that_denies_is_named_with_its_policy(user: Any) -> None:
    found = details(user("iam-toolbox"), refused(lambda: user("iam").get_role(RoleName="r")))
    assert (found["action"], found["evaluatedEffect"]) == ("iam:GetRole", "EXPLICIT_DENY")
    [check] = found["checks"]
    assert check["checkType"] == "PRINCIPAL"
    assert check["matchedPolicies"][0]["matchedStatements"] == [{"sid": "Frozen", "evaluatedEffect": "DENY"}]


def test_what_nothing_allows_names_the_layer_alone(user: Any) -> None:
    found = details(user("iam-toolbox"), refused(lambda: user("iam").list_users()))
    assert found["evaluatedEffect"] == "IMPLICIT_DENY"
    assert [(check["checkType"], check["matchedPolicies"]) for check in found["checks"]] == [("PRINCIPAL", [])]


def test_a_service_control_policy_is_named_with_what_it_is_attached_to(cloud: Any, user: Any) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    no_users = {"Sid": "NoUsers", "Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [everything, no_users]}
    cloud.ask("PUT", "service-control-policies", {"policies": [policy]})
    found = details(user("iam-toolbox"), refused(lambda: user("iam").list_users()))
    [check] = found["checks"]
    assert check["checkType"] == "SERVICE_CONTROL_POLICY" and ":organizations:" in check["targetArn"]
    [matched] = check["matchedPolicies"]
    assert matched["uri"].startswith("arn:aws:organizations:") and matched["matchedStatements"][0]["sid"] == "NoUsers"


def test_only_who_may_ask_gets_the_details_and_only_in_the_region_of_the_request(cloud: Any, user: Any) -> None:
    id_ = refused(lambda: user("iam").list_users())
    iam, name = cloud.client("iam"), f"u{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    other = cloud.client(
        "iam-toolbox", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        details(other, id_)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        details(user("iam-toolbox", "eu-west-1"), id_)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        details(user("iam-toolbox"), "0" * 40)


def test_a_denied_request_of_another_service_has_no_authorization_id(user: Any) -> None:
    with pytest.raises(ClientError) as error:
        user("sns").list_topics()
    assert "authorization id" not in error.value.response["Error"]["Message"]
