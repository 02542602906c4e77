"""What a stack left is known by its tags, and what bears none is nobody's of ours."""

from __future__ import annotations

from typing import Any

import pytest

from components.settings import ResourceKind

ACCOUNT = "123456789012"
LOGS_ALIAS = "alias/eonpro-audit-key"
READS = f"eonpro-access-logs-{ACCOUNT}-us-east-1"
OURS = {"Application": "EONPRO", "Environment": "Production"}
EVERYTHING = {"deploy_targets": ("ecs", "eks"), "eks_cluster": "clinic", "cloudwatch_logs": True}
TRUST = '{"Version": "2012-10-17", "Statement": []}'
GRANT = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}]}'


def listed(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in tags.items()]


def left(boto: Any, tags: dict[str, str]) -> None:
    """One of everything, with these tags."""
    kms, iam, s3 = boto("kms"), boto("iam"), boto("s3")
    key = kms.create_key(Tags=listed(tags and {**tags, "Purpose": "AuditLogs"}, "TagKey", "TagValue"))
    kms.create_alias(AliasName=LOGS_ALIAS, TargetKeyId=key["KeyMetadata"]["KeyId"])
    s3.create_bucket(Bucket=READS)
    if tags:
        s3.put_bucket_tagging(Bucket=READS, Tagging={"TagSet": listed(tags)})
    s3.put_bucket_policy(Bucket=READS, Policy=TRUST)
    for role in ("eonpro-execution-role", "eonpro-secrets-role", "eonpro-trail-logs-role"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST, Tags=listed(tags))
    iam.create_user(UserName="eonpro-app-user", Tags=listed(tags))
    iam.create_policy(PolicyName="EONPROParameterAccess", PolicyDocument=GRANT, Tags=listed(tags))
    for topic in ("eonpro-alerts", "eonpro-fallback-alerts"):
        boto("sns").create_topic(Name=topic, Tags=listed(tags))
    boto("logs").create_log_group(logGroupName="/aws/cloudtrail/eonpro-audit-trail", **({"tags": tags} if tags else {}))


def test_everything_with_the_stacks_tags_is_found_with_the_engines_ids(boto, aws, settings_of):
    left(boto, OURS)
    found = {each.thing: each.id for each in aws.import_discovery.discover_setup(settings_of(**EVERYTHING)).things}
    key = boto("kms").describe_key(KeyId=LOGS_ALIAS)["KeyMetadata"]["KeyId"]
    assert {thing: id_ for thing, id_ in found.items() if not thing.startswith("access-log-bucket-")} == {
        ResourceKind.LOGS_KEY: key,
        ResourceKind.LOGS_KEY_ALIAS: LOGS_ALIAS,
        ResourceKind.ACCESS_LOG_BUCKET: READS,
        ResourceKind.EXECUTION_ROLE: "eonpro-execution-role",
        ResourceKind.SECRETS_ROLE: "eonpro-secrets-role",
        ResourceKind.VARIABLES_POLICY: f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess",
        ResourceKind.ALERT_TOPIC: f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts",
        ResourceKind.FALLBACK_TOPIC: f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts",
        ResourceKind.LOG_GROUP: "/aws/cloudtrail/eonpro-audit-trail",
        ResourceKind.LOG_ROLE: "eonpro-trail-logs-role",
    }
    assert found[ResourceKind.ACCESS_LOG_BUCKET_POLICY] == found[ResourceKind.ACCESS_LOG_BUCKET_VERSIONING] == READS


def test_the_user_is_looked_for_where_the_settings_make_one(boto, aws, settings_of):
    left(boto, OURS)
    found = aws.import_discovery.discover_setup(settings_of(vercel_access="user")).things
    assert (ResourceKind.APPLICATION_USER, "eonpro-app-user") in [(each.thing, each.id) for each in found]


@pytest.mark.parametrize("tags", [{}, {**OURS, "Environment": "Staging"}], ids=["no tags", "another environment's"])
def test_what_bears_other_tags_is_left_alone(boto, aws, settings_of, tags):
    left(boto, tags)
    for wanted in (settings_of(**EVERYTHING), settings_of(vercel_access="user")):
        assert aws.import_discovery.discover_setup(wanted).things == ()


def test_the_logs_key_without_its_purpose_is_not_the_logs_key_of_a_stack(boto, aws, settings):
    kms = boto("kms")
    key = kms.create_key(Tags=listed(OURS, "TagKey", "TagValue"))["KeyMetadata"]
    kms.create_alias(AliasName=LOGS_ALIAS, TargetKeyId=key["KeyId"])
    found = aws.import_discovery.discover_setup(settings)
    assert found.things == ()
    assert found.logs_key is not None and found.logs_key.arn == key["Arn"]
