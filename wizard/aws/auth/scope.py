"""The policy that keeps a session to reading: STS narrows temporary credentials by it, and AWS enforces it.

Pure.
"""

import json

LONGEST = 2048
"""Characters of a scope down policy: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetScopedCredentials.html"""

DESCRIPTION = "eonpro-kms, a command that only reads"
"""The name that CloudTrail records with the request."""

_VERBS = {
    "Get": (
        "access-analyzer account cloudtrail cloudwatch codedeploy ecs elasticloadbalancing events iam kms logs "
        "organizations s3 secretsmanager servicequotas sns ssm sso sts"
    ),
    "List": (
        "access-analyzer account account-access cloudtrail cloudwatch codedeploy ecs eks events iam kms logs "
        "organizations s3 secretsmanager servicequotas sns ssm sso"
    ),
    "Describe": (
        "cloudtrail cloudwatch ec2 ecs eks elasticloadbalancing events kms logs organizations secretsmanager ssm sso"
    ),
}
"""The services whose operations begin with each verb; each operation that does so changes nothing."""

_OTHERS = (
    "access-analyzer:Check*",
    "access-analyzer:Validate*",
    "cloudtrail:LookupEvents",
    "iam:Simulate*",
    # Of the stack's secrets in Pulumi's state, and of the logs; the data key is opened as the application.
    "kms:Decrypt",
    "sts:AssumeRole",
)

_LOCKS = "arn:*:s3:::*/.pulumi/locks/*"
"""Pulumi's locks in a bucket, which its preview takes, too."""


def reading_policy() -> str:
    """The policy as JSON without white space, at most LONGEST characters."""
    reads = [f"{service}:{verb}*" for verb, services in _VERBS.items() for service in services.split()]
    statements = [
        {"Effect": "Allow", "Action": [*reads, *_OTHERS], "Resource": "*"},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": _LOCKS},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
