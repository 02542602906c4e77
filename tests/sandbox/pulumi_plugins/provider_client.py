"""The provider called in this process as the engine calls it, message by message, without the engine.

It may touch the endpoint it is configured for.
"""

from __future__ import annotations

import json
from typing import Any

import grpc

from sandbox.pulumi_plugins.protocol import provider_pb2
from sandbox.pulumi_plugins.provider.server import AwsProvider
from sandbox.pulumi_plugins.provider.values import Properties, from_struct, to_struct

DiffResponse = provider_pb2.DiffResponse


class ProviderFailure(Exception):
    """The provider ended a call with an error."""


class Context:
    """gRPC's context of a call, as far as the provider uses it."""

    def __init__(self) -> None:
        self.trailing: tuple[Any, ...] = ()

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        """End the call."""
        raise ProviderFailure(details)

    def set_trailing_metadata(self, metadata: tuple[Any, ...]) -> None:
        """Keep the trailing metadata."""
        self.trailing = metadata


class ProviderClient:
    """One configured provider."""

    def __init__(self, **configuration: Any) -> None:
        """Configure it as the engine does: every value a string."""
        self.provider = AwsProvider()
        self.context = Context()
        arguments = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in configuration.items()
        }
        self.provider.Configure(provider_pb2.ConfigureRequest(args=to_struct(arguments)), self.context)

    @staticmethod
    def urn(token: str, name: str = "it") -> str:
        return f"urn:pulumi:dev::project::{token}::{name}"

    def check(self, token: str, inputs: Properties, old: Properties | None = None) -> tuple[Properties, dict[str, str]]:
        """The checked inputs, and the failures by property."""
        response = self.provider.Check(
            provider_pb2.CheckRequest(
                urn=self.urn(token), news=to_struct(inputs), olds=to_struct(old or {}), randomSeed=b"seed"
            ),
            self.context,
        )
        return from_struct(response.inputs), {failure.property: failure.reason for failure in response.failures}

    def create(self, token: str, inputs: Properties, *, preview: bool = False) -> tuple[str, Properties]:
        """The id and the outputs; the inputs must pass Check."""
        checked, failures = self.check(token, inputs)
        assert not failures
        response = self.provider.Create(
            provider_pb2.CreateRequest(urn=self.urn(token), properties=to_struct(checked), preview=preview),
            self.context,
        )
        return response.id, from_struct(response.properties)

    def diff(self, token: str, resource_id: str, state: Properties, inputs: Properties) -> Any:
        """The difference between recorded state and inputs."""
        checked, failures = self.check(token, inputs, state)
        assert not failures
        return self.provider.Diff(
            provider_pb2.DiffRequest(
                id=resource_id, urn=self.urn(token), olds=to_struct(state), news=to_struct(checked)
            ),
            self.context,
        )

    def update(self, token: str, resource_id: str, state: Properties, inputs: Properties) -> Properties:
        """The outputs after an update."""
        checked, _ = self.check(token, inputs, state)
        response = self.provider.Update(
            provider_pb2.UpdateRequest(
                id=resource_id, urn=self.urn(token), olds=to_struct(state), news=to_struct(checked)
            ),
            self.context,
        )
        return from_struct(response.properties)

    def read(
        self, token: str, resource_id: str, state: Properties | None = None, inputs: Properties | None = None
    ) -> tuple[str, Properties, Properties]:
        """The id, the state and the inputs that a refresh, or without state an import, records."""
        response = self.provider.Read(
            provider_pb2.ReadRequest(
                id=resource_id,
                urn=self.urn(token),
                properties=to_struct(state or {}),
                inputs=to_struct(inputs or {}),
            ),
            self.context,
        )
        return response.id, from_struct(response.properties), from_struct(response.inputs)

    def delete(self, token: str, resource_id: str, state: Properties) -> None:
        """Remove a resource."""
        self.provider.Delete(
            provider_pb2.DeleteRequest(id=resource_id, urn=self.urn(token), properties=to_struct(state)),
            self.context,
        )
