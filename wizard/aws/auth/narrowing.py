"""Keeps the credentials of a run that only reads to reading, by STS.

Calls `sts:GetScopedCredentials` through a session.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from botocore.credentials import Credentials

from wizard.core.errors import SetupError

if TYPE_CHECKING:
    from wizard.aws.auth.session import Session

_LOGGER = logging.getLogger("eonpro.aws")

LONGEST_POLICY = 2048
"""Characters of a scope down policy: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetScopedCredentials.html"""

READING_SESSION = "eonpro-kms, a command that only reads"
"""The name that CloudTrail records with the request."""

_VERBS = {
    "Get": "access-analyzer account cloudtrail cloudwatch events kms organizations s3 secretsmanager servicequotas ssm "
    "sso sts",
    "List": "access-analyzer account account-access cloudtrail cloudwatch events kms organizations s3 secretsmanager "
    "servicequotas ssm sso",
    "Describe": "cloudtrail cloudwatch ec2 events kms organizations secretsmanager ssm sso",
}
"""The services whose operations begin with each verb; each operation that does so changes nothing.

Those of the deploy targets and of the stack's named resources come beside them.
"""

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


def narrowed(session: Session, given: Credentials) -> Credentials | None:
    """Read-only credentials in the place of those; None where AWS gives none.

    STS narrows the credentials of a role or a sign-in, not those of an IAM user, and an older endpoint has no such
    call.
    """
    if not given.token:
        _LOGGER.info("AWS does not keep these credentials to reading: they are of an IAM user")
        return None
    sts = session.make_client("sts", keys=given)
    request: dict[str, Any] = {"Policy": reading_policy(), "ScopedSessionDescription": READING_SESSION}
    try:
        keys = session.ask(sts, "sts", "GetScopedCredentials", **request)["Credentials"]
        found = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    except SetupError as error:
        _LOGGER.info("AWS does not keep these credentials to reading: %s", error.message)
        return None
    _LOGGER.info("AWS keeps these credentials to reading (sts:GetScopedCredentials)")
    return found


def reading_policy() -> str:
    """The policy as JSON without white space, at most LONGEST_POLICY characters."""
    # Needed for the first request only.
    from components.policies.named_resources import SERVICES
    from components.targets.platform import platforms

    of_stack = (*SERVICES, *(service for platform in platforms().values() for service in platform.services))
    reads = [f"{service}:{verb}*" for verb, services in _VERBS.items() for service in (*services.split(), *of_stack)]
    statements = [
        {"Effect": "Allow", "Action": [*reads, *_OTHERS], "Resource": "*"},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": _LOCKS},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
