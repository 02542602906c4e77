"""Starts the provider: serves at once, and loads boto3 at the same time.

Touches what `server` touches.
"""

import gc
import os
import sys
import threading

# A provider runs for seconds and frees little memory.
gc.disable()

from sandbox.pulumi_plugins.protocol import provider_pb2_grpc, serve  # noqa: E402
from sandbox.pulumi_plugins.provider.bridge import EngineLog  # noqa: E402
from sandbox.pulumi_plugins.provider.server import AwsProvider  # noqa: E402


def _load_boto3() -> None:
    # Half of the start-up time; the engine first calls Handshake and Configure.
    import boto3  # noqa: F401


def main() -> None:
    """Serve until the engine ends the process."""
    threading.Thread(target=_load_boto3, daemon=True).start()
    # The engine passes its own address last.
    provider = AwsProvider(EngineLog(sys.argv[-1] if len(sys.argv) > 1 else ""))
    code = serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))
    os._exit(code)


if __name__ == "__main__":
    main()
