"""The form of a resource type's test case, and the policies that several cases share.

It may touch nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.pulumi_plugins.engine_project import ACCOUNT


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ROOT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Resource": "*"}
KEY_POLICY = document({**ROOT, "Sid": "root", "Action": "kms:*"})
# The same grants in other words: AWS and programs spell them as they like.
SAME_KEY_POLICY = json.dumps(
    {
        "Statement": {"Action": ["kms:*"], "Sid": "root", **ROOT, "Principal": {"AWS": [ACCOUNT]}},
        "Version": "2012-10-17",
    }
)
TRUST = document({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"})
LOGS_POLICY = document(
    *(
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": action,
            "Resource": f"arn:aws:s3:::surroundings-trail{objects}",
        }
        for action, objects in (("s3:GetBucketAcl", ""), ("s3:PutObject", "/AWSLogs/*"))
    )
)
READ = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
WRITE = document({"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "*"})


@dataclass(frozen=True, kw_only=True)
class ResourceCase:
    """A resource's inputs, equivalent inputs, a change in place, a change that replaces."""

    token: str
    inputs: dict[str, Any]
    same: dict[str, Any] = field(default_factory=dict)
    update: dict[str, Any] = field(default_factory=dict)
    replace: dict[str, Any] = field(default_factory=dict)
    state_only: frozenset[str] = frozenset()
    import_id: str = ""
    """The import id, where it differs from the recorded id."""
