"""A provider for the engine that plans a resource of any type and of any package, and makes none.

Mocked: the providers of the types that the sandbox's own AWS provider does not have, and other packages. Their inputs
are planned as they are, because a policy pack is asked between the two. Touches what the sandbox's provider touches.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sandbox.pulumi_plugins.protocol import provider_pb2, provider_pb2_grpc, serve
from sandbox.pulumi_plugins.provider.bridge import EngineLog
from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.resources import find_resource_type
from sandbox.pulumi_plugins.provider.server import AwsProvider, _token

OTHER_PACKAGES = ("aws-native", "command", "pulumi-python")


def _is_ours(urn: str) -> bool:
    try:
        find_resource_type(_token(urn))
    except ProviderError:
        return False
    return True


class AnyType(AwsProvider):
    """The sandbox's provider, with a plan for every other type."""

    def Check(self, request: Any, context: Any) -> Any:
        """Inputs of another type as they are."""
        if _is_ours(request.urn):
            return super().Check(request, context)
        return provider_pb2.CheckResponse(inputs=request.news)

    def Create(self, request: Any, context: Any) -> Any:
        """A plan of another type; nothing is ever made of it."""
        if _is_ours(request.urn):
            return super().Create(request, context)
        assert request.preview, request.urn
        return provider_pb2.CreateResponse(properties=request.properties)


def install(home: Path) -> None:
    """In the place of the sandbox's provider in this PULUMI_HOME, and for the other packages."""
    [plugin] = (home / "plugins").glob("resource-aws-v*/pulumi-resource-aws")
    directory = plugin.parent
    text = plugin.read_text().replace("sandbox.pulumi_plugins.provider.__main__", "tests.guardrails.any_type")
    plugin.unlink()
    version = directory.name.rpartition("-v")[2]
    for package in ("aws", *OTHER_PACKAGES):
        folder = home / "plugins" / f"resource-{package}-v{version}"
        folder.mkdir(exist_ok=True)
        program = folder / f"pulumi-resource-{package}"
        program.write_text(text)
        program.chmod(0o755)


def main() -> None:
    """Serve until the engine ends the process."""
    provider = AnyType(EngineLog(sys.argv[-1] if len(sys.argv) > 1 else ""))
    os._exit(serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)))
