"""The actions that a call needs, IAM enforcement, and the record of used permissions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.iam.authorization import required_actions
from sandbox.aws.protocol import Call

ARN = "arn:aws:{}:us-east-1:123456789012:{}"
TAGS = [{"Key": "Application", "Value": "EONPRO"}]


def asked(service: str, operation: str, path: str = "", **parameters: Any) -> list[tuple[str, str]]:
    """Every action that a call needs, with its resource."""
    call = Call(
        service=service, operation=operation, region="us-east-1", access_key_id="", path=path, parameters=parameters
    )
    return [(need.action, need.resource) for need in required_actions(call)]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (("sts", "GetCallerIdentity"), []),
        (("account", "ListRegions"), [("account:ListRegions", "*")]),
        (("s3", "HeadBucket", "/logs"), [("s3:ListBucket", "arn:aws:s3:::logs")]),
        (("s3", "GetObject", "/logs/a/b"), [("s3:GetObject", "arn:aws:s3:::logs/a/b")]),
        (("s3", "ListBuckets", "/"), [("s3:ListAllMyBuckets", "*")]),
        (("iam", "GetAccountSummary"), [("iam:GetAccountSummary", "*")]),
        (("servicequotas", "GetServiceQuota"), [("servicequotas:GetServiceQuota", "*")]),
        (
            ("s3", "PutObjectLockConfiguration", "/logs"),
            [("s3:PutBucketObjectLockConfiguration", "arn:aws:s3:::logs")],
        ),
        (("s3", "DeleteBucketLifecycle", "/logs"), [("s3:PutLifecycleConfiguration", "arn:aws:s3:::logs")]),
    ],
)
def test_an_operation_needs_the_action_that_the_reference_names(
    call: tuple[str, ...], wanted: list[tuple[str, str]]
) -> None:
    assert asked(*call) == wanted


def test_a_resource_with_tags_needs_the_permission_to_tag() -> None:
    trail, rule, topic = ARN.format("cloudtrail", "trail/t"), ARN.format("events", "rule/r"), ARN.format("sns", "s")
    alarm, parameter = ARN.format("cloudwatch", "alarm:a"), ARN.format("ssm", "parameter/a/b")
    member = {"Tags.member.1.Key": "Application", "Tags.member.1.Value": "EONPRO"}
    role = "arn:aws:iam::123456789012:role/r"
    assert asked("cloudtrail", "CreateTrail", Name="t", TagsList=TAGS) == [
        ("cloudtrail:CreateTrail", trail),
        ("cloudtrail:AddTags", trail),
    ]
    assert asked("events", "PutRule", Name="r", Tags=TAGS) == [("events:PutRule", rule), ("events:TagResource", rule)]
    assert asked("sns", "CreateTopic", Name="s", **member) == [("sns:CreateTopic", topic), ("sns:TagResource", topic)]
    assert asked("iam", "CreateRole", RoleName="r", **member) == [("iam:CreateRole", role), ("iam:TagRole", role)]
    assert asked("monitoring", "PutMetricAlarm", AlarmName="a", Tags=TAGS) == [
        ("cloudwatch:PutMetricAlarm", alarm),
        ("cloudwatch:TagResource", alarm),
    ]
    every = ARN.format("cloudwatch", "alarm:*")
    for names in ({"AlarmNames": ["a", "b"]}, {"AlarmNames.member.1": "a", "AlarmNames.member.2": "b"}):
        deleted = asked("monitoring", "DeleteAlarms", **names)
        assert deleted == [("cloudwatch:DeleteAlarms", each) for each in (alarm, f"{alarm[:-1]}b")]
        assert asked("monitoring", "DescribeAlarms", **names) == [("cloudwatch:DescribeAlarms", every)]
    assert asked("ssm", "PutParameter", Name="/a/b", Tags=TAGS) == [
        ("ssm:PutParameter", parameter),
        ("ssm:AddTagsToResource", parameter),
    ]
    assert asked("iam", "CreateRole", RoleName="r") == [("iam:CreateRole", role)]


def test_a_multi_region_key_needs_its_service_linked_role_and_a_replica_permission_to_create_keys() -> None:
    linked = (
        "arn:aws:iam::123456789012:role/aws-service-role/mrk.kms.amazonaws.com/"
        "AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
    )
    tags = [{"TagKey": "Application", "TagValue": "EONPRO"}]
    assert asked("kms", "CreateKey", MultiRegion=True) == [
        ("kms:CreateKey", "*"),
        ("iam:CreateServiceLinkedRole", linked),
    ]
    assert asked("kms", "ReplicateKey", KeyId="mrk-1", ReplicaRegion="us-west-2", Tags=tags) == [
        ("kms:CreateKey", "*"),
        ("kms:TagResource", "arn:aws:kms:us-west-2:123456789012:key/*"),
        ("iam:CreateServiceLinkedRole", linked),
    ]


def test_a_role_for_a_service_needs_the_permission_to_pass_it() -> None:
    role = "arn:aws:iam::123456789012:role/r"
    assert ("iam:PassRole", role) in asked("cloudtrail", "CreateTrail", Name="t", CloudWatchLogsRoleArn=role)
    targets = [{"Id": "1", "Arn": "x", "RoleArn": role}]
    assert ("iam:PassRole", role) in asked("events", "PutTargets", Rule="r", Targets=targets)
    assert ("iam:PassRole", role) not in asked("events", "PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": "x"}])


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "key", "values"),
    [
        ("events", "PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": "a"}]}, "events:TargetArn", ("a",)),
        ("monitoring", "PutMetricAlarm", {"OKActions": ["a", "b"]}, "cloudwatch:AlarmActions", ("a", "b")),
        ("monitoring", "PutMetricAlarm", {"AlarmActions.member.1": "a"}, "cloudwatch:AlarmActions", ("a",)),
    ],
)
def test_a_policy_can_limit_where_events_and_alarms_go(
    service: str, operation: str, parameters: dict[str, Any], key: str, values: tuple[str, ...]
) -> None:
    call = Call(
        service=service, operation=operation, region="us-east-1", access_key_id="", path="", parameters=parameters
    )
    assert [need.context[key] for need in required_actions(call)] == [values]


# Over HTTP


@pytest.fixture
def member(cloud: Any) -> Iterator[Callable[..., Any]]:
    """Clients of a user whose only policy has these statements."""
    iam, name = cloud.client("iam"), "authorization-member"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    mine = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def client(service: str, *statements: dict[str, Any]) -> Any:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=document)
        return cloud.client(service, **mine)

    cloud.ask("DELETE", "permissions")
    yield client
    iam.delete_user_policy(UserName=name, PolicyName="only")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def allow(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    """One statement."""
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("iam", lambda it: it.list_roles(), "AccessDenied"),
        ("s3", lambda it: it.list_buckets(), "AccessDenied"),
        ("sns", lambda it: it.list_topics(), "AuthorizationError"),
        ("ssm", lambda it: it.describe_parameters(), "AccessDeniedException"),
        ("kms", lambda it: it.list_keys(), "AccessDeniedException"),
        ("cloudtrail", lambda it: it.list_trails(), "AccessDeniedException"),
        ("logs", lambda it: it.describe_log_groups(), "AccessDeniedException"),
        ("cloudwatch", lambda it: it.describe_alarms(), "AccessDenied"),
    ],
)
def test_a_call_that_no_policy_allows_is_refused_as_its_service_refuses(
    member: Callable[..., Any], service: str, call: Callable[[Any], object], code: str
) -> None:
    client = member(service, allow("sqs:ListQueues", "*"))
    with pytest.raises(ClientError) as refused:
        call(client)
    assert refused.value.response["Error"]["Code"] == code
    assert "is not authorized to perform" in refused.value.response["Error"]["Message"]


def test_a_permission_is_for_one_resource_and_under_its_conditions(member: Callable[..., Any]) -> None:
    tagged = {"StringEquals": {"aws:RequestTag/Application": "EONPRO"}}
    kms = member("kms", allow("kms:CreateKey", "*", **tagged), allow("kms:TagResource", "*", **tagged))
    with pytest.raises(ClientError, match="kms:CreateKey"):
        kms.create_key()
    with pytest.raises(ClientError, match="kms:CreateKey"):
        kms.create_key(Tags=[{"TagKey": "Application", "TagValue": "OTHER"}])
    with pytest.raises(ClientError, match="PutKeyPolicy|Policy"):
        # The permission is there; the error is now the policy's.
        kms.create_key(Tags=[{"TagKey": "Application", "TagValue": "EONPRO"}], Policy="{}")
    ssm = member("ssm", allow("ssm:GetParameters", ARN.format("ssm", "parameter/mine/*")))
    assert ssm.get_parameters(Names=["/mine/a"])["InvalidParameters"] == ["/mine/a"]
    with pytest.raises(ClientError, match="parameter/theirs/a"):
        ssm.get_parameters(Names=["/mine/a", "/theirs/a"])


@pytest.mark.parametrize("sent", [{}, {"Overwrite": False}])
def test_who_may_only_create_a_parameter_does_not_overwrite_it(
    member: Callable[..., Any], cloud: Any, sent: dict[str, bool]
) -> None:
    create = {"StringNotEquals": {"ssm:Overwrite": "true"}}
    mine, name = ARN.format("ssm", "parameter/mine/*"), f"/mine/created-{len(sent)}"
    ssm = member("ssm", allow("ssm:PutParameter", mine, **create))
    ssm.put_parameter(Name=name, Value="first", Type="String", **sent)
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        ssm.put_parameter(Name=name, Value="second", Type="String", **sent)
    with pytest.raises(ClientError, match="not authorized to perform: ssm:PutParameter"):
        ssm.put_parameter(Name=name, Value="second", Type="String", Overwrite=True)
    # And as AWS's own example denies it, whatever else is allowed.
    denied = {"Effect": "Deny", "Action": "ssm:PutParameter", "Resource": "*"}
    ssm = member("ssm", allow("ssm:*", "*"), {**denied, "Condition": {"StringEquals": {"ssm:Overwrite": ["true"]}}})
    ssm.put_parameter(Name=f"{name}-too", Value="first", Type="String", **sent)
    with pytest.raises(ClientError, match="explicit deny"):
        ssm.put_parameter(Name=name, Value="second", Type="String", Overwrite=True)


def test_a_deny_is_the_last_word(member: Callable[..., Any]) -> None:
    s3 = member("s3", allow("*", "*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    with pytest.raises(ClientError, match="explicit deny"):
        s3.list_buckets()


def test_a_used_permission_is_recorded_once_with_its_principal_and_its_source(
    cloud: Any, member: Callable[..., Any]
) -> None:
    ssm = member("ssm", allow("ssm:DescribeParameters", "*"))
    for _ in range(2):
        ssm.describe_parameters()
    with pytest.raises(ClientError):
        ssm.get_parameters(Names=["/theirs/a"])
    told = cloud.ask("GET", "permissions")[1]["permissions"]
    assert [entry for entry in told if entry["principal"].endswith("authorization-member")] == [
        {
            "principal": "arn:aws:iam::123456789012:user/authorization-member",
            "action": "ssm:DescribeParameters",
            "resource": "*",
            "region": "us-east-1",
            "by": "iam",
        }
    ]
    cloud.ask("DELETE", "permissions")
    assert cloud.ask("GET", "permissions")[1]["permissions"] == []


def test_a_dry_run_needs_a_permission_and_does_not_record_it(cloud: Any, member: Callable[..., Any]) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    allowed = member("kms", allow("kms:GenerateDataKeyWithoutPlaintext", key))
    cloud.ask("DELETE", "permissions")
    with pytest.raises(ClientError, match="DryRunOperation"):
        allowed.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256", DryRun=True)
    assert cloud.ask("GET", "permissions")[1]["permissions"] == []
    allowed.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    assert [entry["by"] for entry in cloud.ask("GET", "permissions")[1]["permissions"]] == ["iam"]


def test_the_simulator_returns_the_condition_keys_without_a_value(cloud: Any, member: Callable[..., Any]) -> None:
    # Of every statement, whatever it is about; nothing has a value by itself.
    member(
        "kms",
        allow("kms:CreateKey", "*", StringEquals={"aws:RequestTag/Application": "EONPRO"}),
        allow("s3:GetObject", "*", ArnEquals={"aws:PrincipalArn": "*"}),
    )
    source = "arn:aws:iam::123456789012:user/authorization-member"
    weigh = cloud.client("iam").simulate_principal_policy
    resource = "arn:aws:kms:us-east-1:123456789012:key/1"
    found = weigh(PolicySourceArn=source, ActionNames=["kms:CreateKey"], ResourceArns=[resource])["EvaluationResults"][
        0
    ]
    [part] = found["ResourceSpecificResults"]
    missing = ["aws:PrincipalArn", "aws:RequestTag/Application"]
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("implicitDeny", missing)
    assert (part["EvalResourceDecision"], part["MissingContextValues"]) == ("implicitDeny", missing)
    entries = [
        {"ContextKeyName": name, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for name, value in {"aws:RequestTag/Application": "EONPRO", "aws:PrincipalArn": source}.items()
    ]
    found = weigh(PolicySourceArn=source, ActionNames=["kms:CreateKey"], ContextEntries=entries)["EvaluationResults"][0]
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("allowed", [])
