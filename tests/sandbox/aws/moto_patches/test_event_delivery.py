"""EventBridge's events of CloudTrail and their way to a topic, as AWS documents it, over HTTP."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

ACCOUNT = "123456789012"
REGION = "us-east-1"
EVENTBRIDGE = {"Service": "events.amazonaws.com"}
ROOT = {
    "Sid": "Root",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass(kw_only=True)
class World:
    """A trail that is logging, a topic with one address, and a rule for the changes of one role."""

    cloud: Any
    name: str
    topic: str
    role: str
    trail: str

    def change(self, region: str = REGION) -> None:
        """The watched call."""
        self.cloud.client("iam").tag_role(RoleName=self.role, Tags=[{"Key": "a", "Value": "b"}])

    def messages(self) -> list[dict[str, Any]]:
        """What reached the topic."""
        _, answer = self.cloud.ask("GET", "messages")
        return [each for each in answer["messages"] if each["topic"] == self.topic]

    def put_rule(self, **changes: Any) -> None:
        pattern = {
            "source": ["aws.iam"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "readOnly": [False],
                "$or": [{"requestParameters": {"roleName": [{"prefix": self.role}]}}],
            },
        }
        values = {"Name": self.name, "EventPattern": json.dumps(pattern), "State": "ENABLED", **changes}
        self.cloud.client("events").put_rule(**values)

    def put_target(self, **changes: Any) -> None:
        target = {
            "Id": "alerts",
            "Arn": self.topic,
            "InputTransformer": {
                "InputPathsMap": {"what": "$.detail.eventName", "error": "$.detail.errorCode"},
                "InputTemplate": '"Call: <what>."\n"Error: <error>"',
            },
        }
        self.cloud.client("events").put_targets(Rule=self.name, Targets=[{**target, **changes}])

    def open_topic(self, **changes: Any) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": EVENTBRIDGE,
            "Action": "sns:Publish",
            "Resource": self.topic,
            **changes,
        }
        self.cloud.client("sns").set_topic_attributes(
            TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy(statement)
        )

    def encrypt(self, *statements: dict[str, Any]) -> str:
        """Encrypt the topic with a key of this policy, and return the key."""
        key: str = self.cloud.client("kms").create_key(Policy=policy(ROOT, *statements))["KeyMetadata"]["KeyId"]
        self.cloud.client("sns").set_topic_attributes(
            TopicArn=self.topic, AttributeName="KmsMasterKeyId", AttributeValue=key
        )
        return key


@pytest.fixture
def world(cloud: Any) -> Iterator[World]:
    name = f"w{uuid.uuid4().hex}"
    cloud.client("s3").create_bucket(Bucket=name)
    cloudtrail = cloud.client("cloudtrail")
    trail = cloudtrail.create_trail(Name=name, S3BucketName=name, IsMultiRegionTrail=True)["TrailARN"]
    cloudtrail.start_logging(Name=trail)
    sns = cloud.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy())
    made = World(cloud=cloud, name=name, topic=topic, role=name, trail=trail)
    made.put_rule()
    made.put_target()
    made.open_topic()
    yield made
    cloudtrail.delete_trail(Name=trail)


def test_a_call_that_a_rule_matches_reaches_the_address_as_a_text(world: World) -> None:
    world.change()
    assert world.messages() == [{"topic": world.topic, "to": ["ops@example.com"], "message": "Call: TagRole.\nError: "}]


def test_a_refused_call_is_an_event_too(world: World) -> None:
    iam = world.cloud.client("iam")
    user = f"u{uuid.uuid4().hex}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    powerless = world.cloud.client(
        "iam", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    with pytest.raises(iam.exceptions.ClientError, match="not authorized"):
        powerless.tag_role(RoleName=world.role, Tags=[{"Key": "a", "Value": "b"}])
    [message] = world.messages()
    assert message["message"] == "Call: TagRole.\nError: AccessDenied"


def test_a_call_that_reads_or_names_something_else_is_no_event_of_the_rule(world: World) -> None:
    iam = world.cloud.client("iam")
    iam.get_role(RoleName=world.role)
    other = f"o{uuid.uuid4().hex}"
    iam.create_role(RoleName=other, AssumeRolePolicyDocument=policy())
    assert world.messages() == []


def test_no_event_is_sent_where_no_trail_is_logging_or_the_rule_is_off(world: World) -> None:
    world.put_rule(State="DISABLED")
    world.change()
    assert world.messages() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": {"Service": "cloudwatch.amazonaws.com"}},
        {"Action": "sns:Subscribe"},
        # EventBridge sends neither an account nor a rule.
        {"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}},
        {"Effect": "Deny"},
    ],
)
def test_a_topic_whose_policy_does_not_let_eventbridge_publish_gets_nothing(world: World, changes: Any) -> None:
    world.open_topic(**changes)
    world.change()
    assert world.messages() == []


USE = {
    "Effect": "Allow",
    "Principal": EVENTBRIDGE,
    "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
    "Resource": "*",
}


def test_an_encrypted_topic_gets_a_message_if_its_key_lets_eventbridge_use_it(world: World) -> None:
    of_the_topic = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": f"arn:aws:sns:*:{ACCOUNT}:*"}}
    world.encrypt({**USE, "Condition": of_the_topic})
    world.change()
    assert len(world.messages()) == 1


@pytest.mark.parametrize("statement", [{}, {"Action": "kms:Decrypt"}, {"Principal": {"Service": "sns.amazonaws.com"}}])
def test_a_message_is_lost_where_the_key_does_not(world: World, statement: dict[str, Any]) -> None:
    world.encrypt(*([{**USE, **statement}] if statement else []))
    world.change()
    assert world.messages() == []


def test_a_message_is_lost_with_a_disabled_key_and_with_the_key_that_aws_manages(world: World) -> None:
    key = world.encrypt(USE)
    world.cloud.client("kms").disable_key(KeyId=key)
    world.change()
    world.cloud.client("sns").set_topic_attributes(
        TopicArn=world.topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"
    )
    world.change()
    assert world.messages() == []


def test_an_event_of_another_region_comes_by_a_role_that_may_put_events(world: World) -> None:
    iam, events = world.cloud.client("iam"), world.cloud.client("events", "eu-west-1")
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    parameter = f"/{world.name}"
    pattern = json.dumps({"source": ["aws.ssm"], "detail": {"requestParameters": {"name": [parameter]}}})
    role = iam.get_role(RoleName=world.role)["Role"]["Arn"]
    events.put_rule(Name=world.name, EventPattern=pattern)
    events.put_targets(Rule=world.name, Targets=[{"Id": "home", "Arn": bus, "RoleArn": role}])
    world.put_rule(EventPattern=pattern)
    ssm = world.cloud.client("ssm", "eu-west-1")
    ssm.put_parameter(Name=parameter, Value="1", Type="String")
    assert world.messages() == []
    grant = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    iam.put_role_policy(RoleName=world.role, PolicyName="Forward", PolicyDocument=policy(grant))
    ssm.put_parameter(Name=parameter, Value="2", Type="String", Overwrite=True)
    assert [each["message"] for each in world.messages()] == ["Call: PutParameter.\nError: "]
