"""The table of resource types: one class for each type token.

Touches nothing; the resource types touch the endpoint that is passed to them. A new type is a class in the
module of its service, and its name in that module's `RESOURCE_TYPES`.
"""

from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.resource_type import ResourceType
from sandbox.pulumi_plugins.provider.resources import (
    cloudtrail,
    cloudwatch,
    events,
    kms,
    logs,
    sns,
    ssm,
)
from sandbox.pulumi_plugins.provider.resources.iam import policies, roles, users
from sandbox.pulumi_plugins.provider.resources.s3 import bucket, settings

_MODULES = (
    bucket,
    settings,
    cloudtrail,
    cloudwatch,
    events,
    policies,
    roles,
    users,
    kms,
    logs,
    sns,
    ssm,
)
RESOURCE_TYPES: dict[str, ResourceType] = {kind.token: kind() for family in _MODULES for kind in family.RESOURCE_TYPES}


def find_resource_type(token: str) -> ResourceType:
    """The resource type of a token. Raises ProviderError for an unsupported one."""
    kind = RESOURCE_TYPES.get(token)
    if kind is None:
        raise ProviderError(f"the sandbox's AWS provider has no resource type {token}")
    return kind
