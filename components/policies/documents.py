"""The type of a policy document, and the parts that all documents share.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Statement = dict[str, Any]
Policy = dict[str, Any]

_VERSION = "2012-10-17"


def allow(
    sid: str,
    action: str | list[str],
    resource: str | list[str] | None = None,
    *,
    principal: dict[str, Any] | None = None,
    condition: dict[str, Any] | None = None,
) -> Statement:
    """A statement that allows; of a trust policy without a resource, of an identity policy without a principal."""
    fields = {"Principal": principal, "Action": action, "Resource": resource, "Condition": condition}
    return {"Sid": sid, "Effect": "Allow", **{name: value for name, value in fields.items() if value is not None}}


def policy(statements: Iterable[Statement]) -> Policy:
    return {"Version": _VERSION, "Statement": list(statements)}


def account_root_statement(*, account_id: str, partition: str = "aws") -> Statement:
    """Delegates to IAM: an IAM policy of this account can allow an action on the key.

    Without it, IAM policies have no effect on the key, and nobody can manage the key after its administrators are
    deleted: the account's root is the only principal that cannot be deleted.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    root = {"AWS": f"arn:{partition}:iam::{account_id}:root"}
    return allow("Enable IAM policies", "kms:*", "*", principal=root)
