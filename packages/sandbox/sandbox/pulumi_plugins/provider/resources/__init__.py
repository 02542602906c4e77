"""The table of resource types: one class for each type token.

Touches nothing; the resource types touch the endpoint that is passed to them. A new type is a class in the
module of its service, and its name in that module's `RESOURCE_TYPES`.
"""

from importlib import import_module
from pkgutil import walk_packages

from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.resource_type import ResourceType

_MODULES = [import_module(found.name) for found in walk_packages(__path__, f"{__name__}.") if not found.ispkg]
RESOURCE_TYPES: dict[str, ResourceType] = {kind.token: kind() for family in _MODULES for kind in family.RESOURCE_TYPES}


def find_resource_type(token: str) -> ResourceType:
    """The resource type of a token. Raises ProviderError for an unsupported one."""
    kind = RESOURCE_TYPES.get(token)
    if kind is None:
        raise ProviderError(f"the sandbox's AWS provider has no resource type {token}")
    return kind
