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
    "CreateGrant",
    "DeleteAlias",
    "UpdateAlias",
    "ReplicateKey",
    "UpdatePrimaryRegion",
)
"""Calls that delete or disable a key, give its use away, or replicate it: a replica has a policy of its own."""

TRAIL_CHANGES = ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors")
"""Calls that stop or weaken a trail."""

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
    return {
        "source": ["aws.cloudtrail", "aws.s3"],
        "detail-type": _API_CALL,
        "detail": {
            "$or": [
                *(
                    {
                        "eventSource": ["cloudtrail.amazonaws.com"],
                        "eventName": list(TRAIL_CHANGES),
                        "requestParameters": {field: trail},
                    }
                    for field in ("name", "trailName")
                ),
                {
                    "eventSource": ["s3.amazonaws.com"],
                    "eventName": [{"prefix": "PutBucket"}, {"prefix": "DeleteBucket"}, "PutObjectLockConfiguration"],
                    "requestParameters": {"bucketName": list(buckets)},
                },
            ]
        },
    }


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
