"""What is told of: CloudTrail's records against the patterns of the alerts, as EventBridge matches them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from components.policies import event_patterns
from components.policies.alerts import pattern_of
from components.policies.stack import AlertRule, alert_rules_of, alert_topics_of
from components.settings import Settings

ACCOUNT = "111122223333"
IAM = f"arn:aws:iam::{ACCOUNT}"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"
FALLBACK_TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts"
AUDIT_KEY = "5678efab-12ab-34cd-56ef-1234567890ab"
STORED = "/eonpro/production/ENCRYPTED_PHI_KEY"


def settings(**changes: Any) -> Settings:
    """A stack on Vercel, ECS and EKS, with an IAM user on Vercel."""
    answers = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "administrators": [f"{IAM}:user/officer"],
        "deploy_targets": ["vercel", "ecs", "eks"],
        "vercel_team": "acme",
        "vercel_project": "portal",
        "vercel_access": "user",
        "eks_cluster": "clinic",
    }
    return Settings.read({**answers, **changes})


def matches(pattern: Any, value: Any) -> bool:
    """Whether EventBridge matches a value, with the operators that the patterns use."""
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and all(
            any(matches(one, value) for one in rest) if name == "$or" else matches(rest, value.get(name))
            for name, rest in pattern.items()
        )
    values = value if isinstance(value, list) else [value]
    return any(_is_one(one, each) for one in pattern for each in values)


def _is_one(pattern: Any, value: Any) -> bool:
    if not isinstance(pattern, Mapping):
        return bool(pattern == value)
    ((operator, text),) = pattern.items()
    if operator == "anything-but":
        return value is not None and not _is_one(text, value)
    glob = {"prefix": f"{text}*", "suffix": f"*{text}", "wildcard": text}[operator]
    return isinstance(value, str) and fnmatchcase(value, glob)


def event(service: str, operation: str, parameters: Mapping[str, Any], *, read_only: bool = False) -> dict[str, Any]:
    """A record of CloudTrail as it is on the bus."""
    return {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": operation,
            "readOnly": read_only,
            "requestParameters": dict(parameters),
        },
    }


def patterns(of: Settings) -> dict[str, Any]:
    """The patterns of the ways round the key, and of the key."""
    key, audit_key = (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{id_}" for id_ in ("1234abcd", AUDIT_KEY))
    return {
        "key-changes": event_patterns.key_changes_pattern(
            key_arns=[key, audit_key], aliases=["alias/eonpro-phi-key", of.names.trail_key_alias]
        ),
        "access-changes": pattern_of(of, "access-changes"),
        "alert-changes": pattern_of(of, "alert-changes"),
        "fallback": pattern_of(of, "fallback", logs_key_arn=audit_key),
        "trail-changes": event_patterns.trail_changes_pattern(
            trail_arn=f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail", buckets=["eonpro-logs"]
        ),
    }


def told(of: Settings, *call: Any, read_only: bool = False) -> set[str]:
    """The kinds of rules that tell of a call."""
    record = event(*call, read_only=read_only)
    return {kind for kind, pattern in patterns(of).items() if matches(pattern, record)}


NOBODY: dict[str, Any] = {
    "policyArn": f"{IAM}:policy/Other",
    "roleName": "other",
    "name": "/other",
    "secretId": "other",
}
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{STORED}-AbCdEf"

ROUND_THE_KEY = [
    *(
        ("iam", operation, {"roleName": role})
        for operation in ("UpdateAssumeRolePolicy", "AttachRolePolicy", "PutRolePolicy")
        for role in ("eonpro-app-role", "eonpro-execution-role", "eonpro-secrets-role")
    ),
    ("iam", "CreateAccessKey", {"userName": "eonpro-app-user"}),
    ("iam", "PutUserPolicy", {"userName": "eonpro-app-user"}),
    ("iam", "UpdateAccessKey", {"userName": "eonpro-app-user"}),
    ("iam", "CreateLoginProfile", {"userName": "eonpro-app-user"}),
    ("iam", "DeleteUserPermissionsBoundary", {"userName": "eonpro-app-user"}),
    ("iam", "DeleteRolePolicy", {"roleName": "eonpro-app-role"}),
    ("iam", "AnOperationOfNextYear", {"roleName": "eonpro-app-role"}),
    ("ssm", "PutResourcePolicy", {"resourceArn": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{STORED}"}),
    ("ssm", "RemoveTagsFromResource", {"resourceId": STORED}),
    ("secretsmanager", "DeleteResourcePolicy", {"secretId": SECRET}),
    ("secretsmanager", "ReplicateSecretToRegions", {"secretId": SECRET}),
    ("iam", "CreatePolicyVersion", {"policyArn": f"{IAM}:policy/EONPROKMSAccess"}),
    ("iam", "SetDefaultPolicyVersion", {"policyArn": f"{IAM}:policy/EONPROKMSAccess"}),
    ("iam", "CreatePolicyVersion", {"policyArn": f"{IAM}:policy/EONPROParameterAccess"}),
    ("ssm", "PutParameter", {"name": STORED}),
    ("ssm", "DeleteParameter", {"name": "/eonpro/production/data-keys/0123456789abcdef"}),
    ("ssm", "DeleteParameters", {"names": ["/other", STORED]}),
    ("secretsmanager", "PutSecretValue", {"secretId": STORED}),
    ("secretsmanager", "DeleteSecret", {"secretId": SECRET}),
]


@pytest.mark.parametrize("call", ROUND_THE_KEY, ids=lambda call: f"{call[1]}-{list(call[2].values())[0]}")
def test_nobody_gets_to_the_data_key_past_the_key_without_an_alert(call: tuple[str, str, Mapping[str, Any]]) -> None:
    assert "access-changes" in told(settings(), *call)
    assert told(settings(), call[0], call[1], NOBODY) == set()


ENDING_THE_ALERTS = [
    ("events", "DisableRule", {"name": "eonpro-key-changes"}),
    ("events", "DeleteRule", {"name": "eonpro-access-changes"}),
    ("events", "PutRule", {"name": "eonpro-trail-changes"}),
    ("events", "RemoveTargets", {"rule": "eonpro-denied-use"}),
    ("events", "PutTargets", {"rule": "eonpro-access-changes"}),
    ("sns", "DeleteTopic", {"topicArn": TOPIC}),
    ("sns", "SetTopicAttributes", {"topicArn": TOPIC}),
    ("sns", "AddPermission", {"topicArn": TOPIC}),
    ("sns", "RemovePermission", {"topicArn": TOPIC}),
    ("sns", "PutDataProtectionPolicy", {"resourceArn": TOPIC}),
    ("sns", "SetSubscriptionAttributes", {"subscriptionArn": f"{TOPIC}:12345678-1234-1234-1234-123456789012"}),
    ("sns", "Unsubscribe", {"subscriptionArn": f"{TOPIC}:12345678-1234-1234-1234-123456789012"}),
]
"""What breaks the way of the alerts."""
OF_THE_SECOND_WAY = [
    ("sns", "DeleteTopic", {"topicArn": FALLBACK_TOPIC}),
    ("sns", "SetTopicAttributes", {"topicArn": FALLBACK_TOPIC}),
    ("sns", "Unsubscribe", {"subscriptionArn": f"{FALLBACK_TOPIC}:12345678-1234-1234-1234-123456789012"}),
    ("monitoring", "PutMetricAlarm", {"alarmName": "eonpro-denied-use"}),
    ("monitoring", "SetAlarmState", {"alarmName": "eonpro-denied-use"}),
    ("monitoring", "DeleteAlarms", {"alarmNames": ["eonpro-denied-use"]}),
    ("iam", "PutRolePolicy", {"roleName": "eonpro-alerts-forwarding"}),
    ("iam", "DeleteRolePolicy", {"roleName": "eonpro-alerts-forwarding"}),
]
"""What ends an alert, and leaves the way of the alerts as it is."""
# In another Region than IAM's the stack has the role that forwards its events.
ELSEWHERE = {"multi_region": True, "replica_regions": ["eu-west-1"]}


@pytest.mark.parametrize("call", ENDING_THE_ALERTS, ids=lambda call: call[1])
def test_nobody_breaks_the_way_of_the_alerts_without_an_alert_by_each_way(
    call: tuple[str, str, Mapping[str, Any]],
) -> None:
    assert told(settings(**ELSEWHERE), *call) == {"alert-changes", "fallback"}
    (field,) = call[2]
    assert told(settings(**ELSEWHERE), call[0], call[1], {field: f"{TOPIC}-other"}) == set()


@pytest.mark.parametrize("call", OF_THE_SECOND_WAY, ids=lambda call: f"{call[1]}-{list(call[2].values())[0]}")
def test_nobody_ends_an_alert_without_an_alert(call: tuple[str, str, Mapping[str, Any]]) -> None:
    assert told(settings(**ELSEWHERE), *call) == {"alert-changes"}


@pytest.mark.parametrize("call", [("DisableRule", "name"), ("DeleteRule", "name"), ("PutTargets", "rule")])
def test_each_rule_that_watches_the_alerts_is_watched_by_two_others(call: tuple[str, str]) -> None:
    operation, parameter = call
    watched = {
        kind: told(settings(), "events", operation, {parameter: name}) - {kind}
        for kind, name in (
            ("alert-changes", "eonpro-alert-changes"),
            ("fallback", "eonpro-fallback-alerts"),
            ("access-changes", "eonpro-access-changes"),
        )
    }
    assert watched == {
        "alert-changes": {"access-changes", "fallback"},
        "fallback": {"access-changes", "alert-changes"},
        "access-changes": {"alert-changes", "fallback"},
    }


TO_THE_AUDIT_KEY = (
    *("PutKeyPolicy", "DisableKey", "ScheduleKeyDeletion", "RevokeGrant", "CreateGrant", "UntagResource"),
    "AnOperationOfNextYear",
)


@pytest.mark.parametrize("name", [AUDIT_KEY, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{AUDIT_KEY}", "the alias"])
@pytest.mark.parametrize("operation", TO_THE_AUDIT_KEY)
def test_a_change_of_the_key_that_encrypts_the_alerts_is_told_past_that_key(operation: str, name: str) -> None:
    of = settings()
    parameters = {"keyId": of.names.trail_key_alias if name == "the alias" else name}
    assert told(of, "kms", operation, parameters) == {"key-changes", "fallback"}
    assert told(of, "kms", operation, parameters, read_only=True) == set()
    assert told(of, "kms", operation, {"keyId": "another"}) == set()
    # What happens to the PHI key passes through no key of its own.
    assert told(of, "kms", operation, {"keyId": "1234abcd"}) == {"key-changes"}


def receivers(of: Settings, *call: Any) -> set[tuple[str, str | None]]:
    """The rules that tell of a call, and their topics."""
    kinds = told(of, *call)
    return {(rule.name, rule.target) for rule in alert_rules_of(of) if rule.kind in kinds and rule.region == of.region}


@pytest.mark.parametrize("changes", [{}, {"environment": "staging"}, {"trail_key": False}, ELSEWHERE])
def test_no_alert_passes_through_what_it_reports_on(changes: dict[str, Any]) -> None:
    of = settings(**changes)
    topics, rules = alert_topics_of(of), [rule for rule in alert_rules_of(of) if rule.region == of.region]
    assert len(topics) == 2 and len(rules) == 6
    for topic in topics:
        others = receivers(of, "sns", "DeleteTopic", {"topicArn": topic.arn}) - {
            (rule.name, topic.arn) for rule in rules
        }
        assert {arn for _, arn in others} == {each.arn for each in topics} - {topic.arn}
        subscription = {"subscriptionArn": f"{topic.arn}:12345678"}
        assert {arn for _, arn in receivers(of, "sns", "Unsubscribe", subscription)} - {topic.arn}
    for rule in rules:
        for call in (("DisableRule", {"name": rule.name}), ("RemoveTargets", {"rule": rule.name})):
            assert {name for name, _ in receivers(of, "events", *call)} - {rule.name}
    open_topics = {topic.arn for topic in topics if not topic.is_encrypted}
    assert {arn for _, arn in receivers(of, "kms", "PutKeyPolicy", {"keyId": AUDIT_KEY})} & open_topics


def test_the_fallback_topic_of_one_environment_is_the_topic_of_no_other() -> None:
    names = {
        topic.name
        for environment in ("production", "fallback", "alerts", "fallback-alerts", "staging")
        for topic in alert_topics_of(settings(environment=environment))
    }
    assert len(names) == 10


def test_an_alarm_that_is_muted_is_told() -> None:
    assert told(
        settings(), "monitoring", "PutAlarmMuteRule", {"muteTargets": {"alarmNames": ["eonpro-denied-use"]}}
    ) == {"alert-changes"}
    assert told(settings(), "monitoring", "PutAlarmMuteRule", {"muteTargets": {"alarmNames": ["other"]}}) == set()


def test_a_provider_that_also_takes_the_tokens_of_another_audience_is_told() -> None:
    oidc = settings(vercel_access="oidc")
    arn = f"{IAM}:oidc-provider/oidc.vercel.com/acme"
    call = ("iam", "AddClientIDToOpenIDConnectProvider", {"openIDConnectProviderArn": arn})
    assert told(oidc, *call) == {"access-changes"}


@pytest.mark.parametrize("operation", ["PutBucketPolicy", "DeleteBucketLifecycle", "PutObjectLockConfiguration"])
def test_another_setting_of_the_logs_bucket_is_told(operation: str) -> None:
    assert told(settings(), "s3", operation, {"bucketName": "eonpro-logs"}) == {"trail-changes"}


def test_what_happens_all_day_is_not_told() -> None:
    of = settings()
    assert told(of, "s3", "PutObject", {"bucketName": "eonpro-logs"}) == set()
    assert told(of, "sns", "Publish", {"topicArn": TOPIC}) == set()
    assert told(of, "ssm", "GetParameter", {"name": STORED}, read_only=True) == set()
    assert told(of, "kms", "Decrypt", {"keyId": "1234abcd"}, read_only=True) == set()
    assert told(of, "iam", "GetRole", {"roleName": "eonpro-app-role"}, read_only=True) == set()


@pytest.mark.parametrize("operation", ["EnableKeyRotation", "DisableKeyRotation", "CancelKeyDeletion"])
def test_another_period_of_rotation_and_a_deletion_that_is_taken_back_are_told(operation: str) -> None:
    assert told(settings(), "kms", operation, {"keyId": "1234abcd"}) == {"key-changes"}


@pytest.mark.parametrize(
    ("changes", "call"),
    [
        (
            {"deploy_targets": ["ecs"], "app_principal_arn": f"{IAM}:role/teams/portal", "vercel_access": "oidc"},
            ("iam", "UpdateAssumeRolePolicy", {"roleName": "portal"}),
        ),
        (
            {"deploy_targets": ["ecs"], "app_principal_arn": f"{IAM}:user/apps/portal", "vercel_access": "oidc"},
            ("iam", "CreateAccessKey", {"userName": "portal"}),
        ),
        (
            {"ecs_execution_role_arn": f"{IAM}:role/ecs/starter"},
            ("iam", "PutRolePolicy", {"roleName": "starter"}),
        ),
        (
            {"secret_store": "secrets-manager"},
            ("iam", "CreatePolicyVersion", {"policyArn": f"{IAM}:policy/EONPROSecretAccess"}),
        ),
    ],
)
def test_what_existed_before_the_stack_is_watched_like_its_own(changes: dict[str, Any], call: tuple[Any, ...]) -> None:
    assert told(settings(**changes), *call) == {"access-changes"}


def rules_in(of: Settings, region: str) -> set[str]:
    """The kinds of rules in a Region."""
    return {rule.kind for rule in alert_rules_of(of) if rule.region == region}


@pytest.mark.parametrize(
    ("region", "iam"),
    [("eu-central-1", "us-east-1"), ("us-gov-east-1", "us-gov-west-1"), ("cn-northwest-1", "cn-north-1")],
)
def test_a_change_of_iam_is_told_in_a_stack_of_another_region_than_iams(region: str, iam: str) -> None:
    partition = {"us-gov-east-1": "aws-us-gov", "cn-northwest-1": "aws-cn"}.get(region, "aws")
    officer = f"arn:{partition}:iam::{ACCOUNT}:user/officer"
    there = settings(region=region, administrators=[officer])
    assert rules_in(there, iam) == {"access-changes", "alert-changes"}
    assert rules_in(there, region) == {
        *("key-changes", "trail-changes", "denied-use", "access-changes", "alert-changes", "fallback"),
    }
    assert {rule.region for rule in alert_rules_of(settings())} == {"us-east-1"}


def test_a_copy_of_the_data_key_in_another_region_is_watched_there() -> None:
    replicated = settings(multi_region=True, replica_regions=["eu-west-1"])
    assert rules_in(replicated, "eu-west-1") == {"key-changes", "denied-use", "access-changes", "alert-changes"}
    assert all(isinstance(rule, AlertRule) for rule in alert_rules_of(replicated))


LONG = "n" * 64


@pytest.mark.parametrize("changes", [{}, {"vercel_access": "oidc", "app_principal_arn": f"{IAM}:role/{LONG}"}])
def test_the_longest_names_still_fit_into_a_rule(changes: dict[str, Any]) -> None:
    longest = settings(
        environment="a" + "b" * 15,
        ecs_execution_role_arn=f"{IAM}:role/{LONG[1:]}x",
        secret_store="secrets-manager",
        multi_region=True,
        replica_regions=["eu-west-1", "eu-west-2"],
        **changes,
    )
    lengths = {kind: len(event_patterns.text_of(pattern)) for kind, pattern in patterns(longest).items()}
    assert max(lengths.values()) <= 2000, lengths
