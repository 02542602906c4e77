"""A provider for the engine that plans a resource of any type and of any package, and makes none.

Mocked: the providers of the types that the sandbox's own AWS provider does not have, and other packages. Their inputs
are planned as they are, because a policy pack is asked between the two. Touches what the sandbox's provider touches.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.pulumi_plugins.install import wrapper
from sandbox.pulumi_plugins.protocol import grpc, provider_pb2, provider_pb2_grpc, serve
from sandbox.pulumi_plugins.provider.bridge import EngineLog
from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.resources import find_resource_type
from sandbox.pulumi_plugins.provider.server import AwsProvider, _token
from tests.onboarding.loaded import loaded_python

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


class InFront(AnyType):
    """A plan for every other type, and for the types of the sandbox's provider what another AWS plug-in answers."""

    def __init__(self, plugin: Any) -> None:
        super().__init__()
        self._plugin = plugin
        for method in provider_pb2.DESCRIPTOR.services_by_name["ResourceProvider"].methods:
            if method.name not in ("Check", "Create") and hasattr(plugin, method.name):
                setattr(self, method.name, partial(self._forward, method.name))

    def Check(self, request: Any, context: Any) -> Any:
        """Its inputs."""
        return self._forward("Check", request, context) if _is_ours(request.urn) else super().Check(request, context)

    def Create(self, request: Any, context: Any) -> Any:
        """Its plan."""
        return self._forward("Create", request, context) if _is_ours(request.urn) else super().Create(request, context)

    def _forward(self, name: str, request: Any, context: Any) -> Any:
        try:
            return getattr(self._plugin, name)(request)
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata() or ())
            context.abort(error.code(), error.details())


def install(home: Path) -> None:
    """In the place of the AWS provider in this PULUMI_HOME, or in front of another one; and for the other packages."""
    [plugin] = (home / "plugins").glob("resource-aws-v*/pulumi-resource-aws")
    version = plugin.parent.name.rpartition("-v")[2]
    text = wrapper("a provider of any type", "tests.guardrails.any_type", loaded_python())
    behind = plugin.with_name("behind")
    if "sandbox.pulumi_plugins.provider" not in plugin.read_text():
        plugin.rename(behind)
    plugin.unlink(missing_ok=True)
    for package in ("aws", *OTHER_PACKAGES):
        program = home / "plugins" / f"resource-{package}-v{version}" / f"pulumi-resource-{package}"
        program.parent.mkdir(exist_ok=True)
        in_front = package == "aws" and behind.exists()
        program.write_text(text.replace('"$@"', f'{shlex.quote(str(behind))} "$@"') if in_front else text)
        program.chmod(0o755)


def main() -> None:
    """Serve until the engine ends the process."""
    *behind, engine = sys.argv[1:] or [""]
    if not behind:
        served: AnyType = AnyType(EngineLog(engine))
        os._exit(serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(served, server)))
    with subprocess.Popen([*behind, engine], stdout=subprocess.PIPE, text=True) as plugin:
        assert plugin.stdout is not None
        any_size = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        channel = grpc.insecure_channel(f"127.0.0.1:{plugin.stdout.readline().strip()}", options=any_size)
        served = InFront(provider_pb2_grpc.ResourceProviderStub(channel))
        code = serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(served, server))
        plugin.kill()
    os._exit(code)
