"""The test cases of resources that watch an account: topics, rules, log groups, alarms; and of a secret's policy.

It may touch nothing.
"""

from __future__ import annotations

import json

from tests.sandbox.pulumi_plugins.engine_project import ACCOUNT, REGION
from tests.sandbox.pulumi_plugins.provider.resource_cases import ResourceCase, document

PATTERN = {"source": ["aws.kms"], "detail": {"eventName": ["ScheduleKeyDeletion", "DisableKey"]}}
PUBLISH = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sns:Publish",
    "Resource": "{topic}",
}

CASES = (
    ResourceCase(
        token="aws:sns/topic:Topic",
        inputs={
            "name": "life",
            "displayName": "EONPRO",
            "kmsMasterKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{key}}",
            "tags": {"a": "b"},
        },
        update={"displayName": "PHI", "tags": {"c": "d"}},
        replace={"name": "other"},
    ),
    ResourceCase(
        token="aws:sns/topicPolicy:TopicPolicy",
        inputs={"arn": "{topic}", "policy": document(PUBLISH)},
        same={"policy": document({**PUBLISH, "Action": ["sns:Publish"]})},
        update={"policy": document({**PUBLISH, "Sid": "Alerts"})},
        replace={"arn": "{other_topic}"},
    ),
    ResourceCase(
        token="aws:sns/topicSubscription:TopicSubscription",
        inputs={"topic": "{topic}", "protocol": "email", "endpoint": "security@example.com"},
        update={"filterPolicy": json.dumps({"severity": ["high"]})},
        replace={"endpoint": "privacy@example.com"},
        state_only=frozenset({"confirmationTimeoutInMinutes"}),
    ),
    ResourceCase(
        token="aws:cloudwatch/eventRule:EventRule",
        inputs={
            "name": "life",
            "description": "d",
            "eventPattern": json.dumps(PATTERN),
            "tags": {"a": "b"},
        },
        same={"eventPattern": json.dumps(PATTERN, indent=2, sort_keys=True)},
        update={"eventPattern": json.dumps({"source": ["aws.cloudtrail"]}), "state": "DISABLED", "tags": {"a": "c"}},
        replace={"name": "other"},
    ),
    ResourceCase(
        token="aws:cloudwatch/eventTarget:EventTarget",
        inputs={
            "rule": "{rule}",
            "targetId": "alerts",
            "arn": "{topic}",
            "inputTransformer": {"inputPaths": {"who": "$.detail.userIdentity.arn"}, "inputTemplate": '"<who> did it"'},
        },
        update={"arn": "{other_topic}"},
        replace={"rule": "another"},
        import_id="{rule}/alerts",
    ),
    ResourceCase(
        token="aws:cloudwatch/logGroup:LogGroup",
        inputs={
            "name": "/eonpro/life",
            "kmsKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{key}}",
            "retentionInDays": 2557,
            "tags": {"a": "b"},
        },
        update={"retentionInDays": 3653, "tags": {"a": "c"}},
        replace={"name": "/eonpro/other"},
    ),
    ResourceCase(
        token="aws:cloudwatch/metricAlarm:MetricAlarm",
        inputs={
            "name": "life",
            "alarmDescription": "d",
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "evaluationPeriods": 1,
            "metricName": "DeniedDecrypts",
            "namespace": "EONPRO",
            "period": 300,
            "statistic": "Sum",
            "threshold": 5,
            "treatMissingData": "notBreaching",
            "alarmActions": ["{topic}"],
            "dimensions": {"Trail": "life"},
            "tags": {"a": "b"},
        },
        update={"threshold": 10, "okActions": ["{topic}"], "tags": {"a": "c"}},
        replace={"name": "other"},
    ),
)
