"""The table of resource types: one module a family, one class a type token.

May touch nothing; the kinds in it touch the endpoint they are handed. A new type is a class in the module of
its family, and its name in that module's `KINDS`.
"""

from __future__ import annotations

from sandbox.plugins.provider.errors import ProviderError
from sandbox.plugins.provider.kind import Kind
from sandbox.plugins.provider.kinds import (
    bucket,
    bucket_retention,
    bucket_settings,
    cloudtrail,
    cloudwatch,
    events,
    iam_attachments,
    iam_policies,
    iam_roles,
    iam_users,
    kms,
    kms_aliases,
    logs,
    secretsmanager,
    sns,
    ssm,
)

_FAMILIES = (
    bucket,
    bucket_retention,
    bucket_settings,
    cloudtrail,
    cloudwatch,
    events,
    iam_attachments,
    iam_policies,
    iam_roles,
    iam_users,
    kms,
    kms_aliases,
    logs,
    secretsmanager,
    sns,
    ssm,
)
KINDS: dict[str, Kind] = {kind.token: kind() for family in _FAMILIES for kind in family.KINDS}


def kind_of(token: str) -> Kind:
    """The kind of a type token; raises ProviderError for one the stand-in does not have."""
    kind = KINDS.get(token)
    if kind is None:
        raise ProviderError(f"the sandbox's AWS provider has no resource type {token}")
    return kind
