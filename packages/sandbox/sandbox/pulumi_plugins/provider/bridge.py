"""Errors as the real provider reports them, twice: logged to the engine, and returned with the resource's URN.

Touches the engine that started the provider, at a loopback address.
"""

from sandbox.pulumi_plugins.protocol import grpc, installed_version

_WRAPPED = "{action} {urn}: 1 error occurred:\n\t* {reason}\n\n"


def returned(reason: str, *, action: str, urn: str) -> str:
    """The text that the engine gets as the error of the call."""
    return _WRAPPED.format(action=action, urn=urn, reason=reason)


class EngineLog:
    """The engine's log, to which a bridged provider writes the reports of the provider within it."""

    def __init__(self, address: str) -> None:
        """`address` is the engine's, host and port; empty without an engine."""
        self._address = address

    def error(self, reason: str, urn: str) -> None:
        """Show an error of the resource to the person who runs the engine."""
        if not self._address:
            return
        # Most runs have no error, and each import takes time.
        from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

        source = "sdk-v2/provider2.go:572: sdk.helper_schema"
        message = f"{source}: {reason}: provider=aws@{installed_version('pulumi-aws')}"
        request = engine_pb2.LogRequest(severity=engine_pb2.ERROR, message=message, urn=urn)
        with grpc.insecure_channel(self._address) as channel:
            engine_pb2_grpc.EngineStub(channel).Log(request, timeout=10)
