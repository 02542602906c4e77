"""The engine's plug-in protocol: its generated messages, loaded quickly, and the loop that serves them.

Touches the installed pulumi SDK (read only), a loopback port, standard output and signal handlers.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import signal
import sys
import threading
import types
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING

# grpc reads these when it is imported: a plug-in starts children, but never forks itself.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

if TYPE_CHECKING:
    from collections.abc import Callable


def _register_bare_packages() -> None:
    """Register `pulumi.runtime.proto` as bare packages, so that its messages load without the SDK.

    Importing `pulumi` costs a third of a second, and a plug-in needs none of it but the generated messages.
    """
    if "pulumi" in sys.modules:
        return
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the pulumi SDK is not installed for this interpreter", name="pulumi")
    directory = Path(next(iter(spec.submodule_search_locations)))
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        package = types.ModuleType(name)
        package.__path__ = [str(directory.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package


_register_bare_packages()

import grpc  # noqa: E402
from pulumi.runtime.proto import (  # noqa: E402
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

__all__ = [
    "WORKERS",
    "grpc",
    "installed_version",
    "language_pb2",
    "language_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "serve",
    "status_pb2",
]

# The engine asks for as many operations at once as `--parallel` allows, 16 by default.
WORKERS = 24
_ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def installed_version(distribution: str) -> str:
    """The version of an installed distribution; raises PackageNotFoundError when it is not installed."""
    return importlib.metadata.version(distribution)


def serve(register: Callable[[grpc.Server], None], *, on_stop: Callable[[], None] | None = None) -> int:
    """Serve on a free loopback port, print it as the engine expects, and return 0 when the engine is done.

    It is done when it sends SIGINT or SIGTERM, and when it no longer exists.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=_ANY_SIZE)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    parent = os.getppid()
    # An engine that was killed sends no signal: a plug-in whose parent has changed is an orphan.
    while not ended.wait(timeout=2.0):
        if os.getppid() != parent:
            break
    if on_stop is not None:
        on_stop()
    server.stop(grace=0.2).wait(timeout=1.0)
    sys.stdout.flush()
    return 0
