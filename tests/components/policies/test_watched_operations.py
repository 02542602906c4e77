"""Which operations of AWS cause an alert: each that writes is watched, or has a reason why not.

Reads botocore's operations.
"""

from __future__ import annotations

import re

import pytest

from tests.components.policies.watched_operations import REASONS, SERVICES, operations

OPERATIONS = tuple(operations())


@pytest.mark.parametrize("service", SERVICES)
def test_no_operation_that_writes_is_unnamed(service: str) -> None:
    unnamed = [each.name for each in OPERATIONS if each.service == service and not (each.rule or each.reason)]
    assert unnamed == []


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sns", "SetSubscriptionAttributes"),
        ("sns", "AddPermission"),
        ("sns", "RemovePermission"),
        ("cloudwatch", "PutMetricAlarm"),
        ("cloudwatch", "PutAlarmMuteRule"),
        ("iam", "PutRolePolicy"),
        ("iam", "DeleteRolePolicy"),
        ("iam", "UpdateAccessKey"),
        ("iam", "CreateLoginProfile"),
        ("iam", "AddClientIDToOpenIDConnectProvider"),
        ("kms", "PutKeyPolicy"),
        ("s3", "PutObjectLockConfiguration"),
        ("s3", "PutBucketPolicy"),
        ("cloudtrail", "PutEventSelectors"),
        ("secretsmanager", "PutResourcePolicy"),
        ("ssm", "PutResourcePolicy"),
    ],
)
def test_what_lets_somebody_in_or_ends_an_alert_is_watched(service: str, operation: str) -> None:
    [found] = [each for each in OPERATIONS if (each.service, each.name) == (service, operation)]
    assert found.rule, found.reason


def test_each_reason_is_of_an_operation() -> None:
    names = {service: [each.name for each in OPERATIONS if each.service == service] for service in SERVICES}
    idle = [
        pattern
        for service, reasons in REASONS.items()
        for pattern, _ in reasons
        if not any(re.fullmatch(pattern, name) for name in names[service])
    ]
    assert idle == []
