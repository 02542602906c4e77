"""The events of the account that cause an alert: EventBridge patterns on CloudTrail's records.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Pattern = dict[str, Any]
"""An EventBridge event pattern. A rule accepts at most 2,048 characters, whatever the number of Regions."""

KEY_CHANGES = (
    "ScheduleKeyDeletion",
    "DisableKey",
    "PutKeyPolicy",
    "DisableKeyRotation",
    "EnableKeyRotation",
    "CancelKeyDeletion",
    "CreateGrant",
    "DeleteAlias",
    "UpdateAlias",
    "ReplicateKey",
    "UpdatePrimaryRegion",
)
"""Calls that delete, disable or enable a key, give its use away, or replicate it: a replica has its own policy.

EnableKeyRotation sets the period too.
"""

TRAIL_CHANGES = ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors")
"""Calls that stop or weaken a trail."""

ROLE_CHANGES = ("UpdateAssumeRolePolicy", "AttachRolePolicy", "PutRolePolicy")
USER_CHANGES = ("CreateAccessKey", "AttachUserPolicy", "PutUserPolicy", "AddUserToGroup")
POLICY_CHANGES = ("CreatePolicyVersion", "SetDefaultPolicyVersion")
"""Calls that let somebody else be the application, or let the application do more."""

PARAMETER_CHANGES = ("PutParameter", "DeleteParameter", "DeleteParameters")
SECRET_CHANGES = ("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "DeleteSecret", "PutResourcePolicy")
"""Calls that replace or delete a stored value, or let another account do so."""

RULE_CHANGES = ("DisableRule", "DeleteRule", "RemoveTargets", "PutRule", "PutTargets")
"""Calls that end an alert; the last two replace what it matches and who gets it."""

_API_CALL = ["AWS API Call via CloudTrail"]


def key_changes_pattern(*, key_arns: Sequence[str], aliases: Sequence[str]) -> Pattern:
    """Every call that changes one of these keys or moves one of these aliases, also if it was refused.

    The record has the key's ARN in `resources` (both ARNs for an alias), and in `requestParameters` what the caller
    typed: an id, an ARN or an alias. For a call that IAM refused, the record may have only the message.
    https://docs.aws.amazon.com/kms/latest/developerguide/understanding-kms-entries.html
    """
    return _of_kms({"eventName": list(KEY_CHANGES)}, _names_a_key(key_arns, aliases))


def denied_use_pattern(*, key_arns: Sequence[str], aliases: Sequence[str]) -> Pattern:
    """Every use of one of these keys that was denied.

    Decrypt needs no key id: the message of such a denial says that the ciphertext refers to a key, but not to which.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
    """
    denied = {
        "eventName": ["Decrypt", "Encrypt", "ReEncrypt", {"prefix": "GenerateDataKey"}],
        "errorCode": [{"prefix": "AccessDenied"}],
    }
    of_some_key = {"errorMessage": [{"prefix": "The ciphertext refers to"}]}
    return _of_kms(denied, [*_names_a_key(key_arns, aliases), of_some_key])


def trail_changes_pattern(*, trail_arn: str, buckets: Sequence[str]) -> Pattern:
    """Every call that could stop or weaken the trail, and every change of the settings of its buckets.

    A call names a trail by its name or its ARN.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StopLogging.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
    """
    trail = [trail_arn.rpartition("/")[2], trail_arn]
    settings = ({"prefix": "PutBucket"}, {"prefix": "DeleteBucket"}, "PutObjectLockConfiguration")
    return _of_any(
        *_calls("cloudtrail", TRAIL_CHANGES, name=trail, trailName=trail),
        *_calls("s3", settings, bucketName=buckets),
    )


def access_changes_pattern(
    *, roles: Sequence[str], users: Sequence[str], policy_arns: Sequence[str], prefix: str, alert_changes_rule: str
) -> Pattern:
    """Every call that changes who is one of these roles or users and what they may do, or a value under the prefix.

    `alert_changes_rule` cannot tell of its own removal, so that this pattern has it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
    """
    name = [{"prefix": f"{prefix}/"}]
    secret = [*name, {"wildcard": f"*:secret:{prefix}/*"}]
    return _of_any(
        *_calls("iam", ROLE_CHANGES, roleName=roles),
        *_calls("iam", USER_CHANGES, userName=users),
        *_calls("iam", POLICY_CHANGES, policyArn=policy_arns),
        *_calls("ssm", PARAMETER_CHANGES, name=name, names=name),
        *_calls("secretsmanager", SECRET_CHANGES, secretId=secret),
        *_calls("events", RULE_CHANGES, name=[alert_changes_rule], rule=[alert_changes_rule]),
    )


def alert_changes_pattern(*, rules: Sequence[str], topic_arn: str, alarm: str) -> Pattern:
    """Every call that ends one of these rules, the topic or its alarm, or unsubscribes somebody.

    An unsubscription by the link in an e-mail is not recorded.
    https://docs.aws.amazon.com/sns/latest/dg/logging-using-cloudtrail.html
    """
    return _of_any(
        *_calls("events", RULE_CHANGES, name=rules, rule=rules),
        *_calls("sns", ("DeleteTopic", "SetTopicAttributes"), topicArn=[topic_arn]),
        *_calls("sns", ("Unsubscribe",), subscriptionArn=[{"prefix": f"{topic_arn}:"}]),
        *_calls("monitoring", ("DeleteAlarms", "DisableAlarmActions"), alarmNames=[alarm]),
    )


def _of_any(*calls: Pattern) -> Pattern:
    services = dict.fromkeys(call["eventSource"][0].partition(".")[0] for call in calls)
    return {
        "source": [f"aws.{service}" for service in services],
        "detail-type": _API_CALL,
        "detail": {"$or": [*calls]},
    }


def _calls(service: str, operations: Sequence[Any], **parameters: Sequence[Any]) -> list[Pattern]:
    """These operations where one of the parameters has one of its values."""
    return [
        {
            "eventSource": [f"{service}.amazonaws.com"],
            "eventName": list(operations),
            "requestParameters": {name: list(values)},
        }
        for name, values in parameters.items()
        if values
    ]


def _of_kms(detail: Pattern, either: list[Pattern]) -> Pattern:
    return {
        "source": ["aws.kms"],
        "detail-type": _API_CALL,
        "detail": {"eventSource": ["kms.amazonaws.com"], **detail, "$or": either},
    }


def _names_a_key(key_arns: Sequence[str], aliases: Sequence[str]) -> list[Pattern]:
    # A replica has its primary's id and alias, so that one pattern matches in every Region.
    ids = list(dict.fromkeys(arn.rpartition("/")[2] for arn in key_arns))
    return [
        {"resources": {"ARN": [{"suffix": f":{name}"} for name in (*(f"key/{id_}" for id_ in ids), *aliases)]}},
        {"requestParameters": {"keyId": [{"suffix": name} for name in (*ids, *aliases)]}},
        {"requestParameters": {"aliasName": list(aliases)}},
        {"errorMessage": [{"wildcard": f"*{id_}*"} for id_ in ids]},
    ]
