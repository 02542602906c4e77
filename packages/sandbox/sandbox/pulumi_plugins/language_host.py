"""`pulumi-language-python`: runs Python programs and policy packs for the engine with this interpreter.

Reads the program's directory, starts child processes, and talks to the engine that started it.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import empty_pb2

from sandbox.pulumi_plugins.protocol import grpc, installed_version, language_pb2, language_pb2_grpc, plugin_pb2, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The executor's exit code for "the message was shown": the engine then adds none.
SHOWN_ALREADY = 32
_EXECUTOR = Path(__file__).with_name("run_program.py")


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The engine's LanguageRuntime service for Python."""

    def __init__(self, engine: str) -> None:
        """Serve for the engine at `engine` (host:port)."""
        self._engine = engine
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def Handshake(self, request: Any, context: Any) -> Any:
        """Learn the engine's address, which may differ from the one on the command line."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version of the SDK that programs run with."""
        return plugin_pb2.PluginInfo(version=installed_version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """The providers whose SDKs are installed for this interpreter."""
        packages = [plugin_pb2.PackageDependency(kind="resource", **each) for each in _installed_providers()]
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:
        """The required plug-ins, as older engines ask for them."""
        plugins = [plugin_pb2.PluginDependency(kind="resource", **each) for each in _installed_providers()]
        return language_pb2.GetRequiredPluginsResponse(plugins=plugins)

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """Every distribution the interpreter can import, for `pulumi about`."""
        packages = sorted({(entry.name, entry.version) for entry in metadata.distributions()})
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in packages]
        )

    def About(self, request: Any, context: Any) -> Any:
        """The interpreter that runs programs."""
        return language_pb2.AboutResponse(executable=sys.executable, version=platform.python_version())

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        """No questions. Of the options, `virtualenv` is read: programs run with its interpreter, where it exists."""
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Nothing to install: the interpreter's environment is installed before the engine."""
        yield language_pb2.InstallDependenciesResponse(stdout=f"Dependencies are those of {sys.executable}\n".encode())

    def Cancel(self, request: Any, context: Any) -> Any:
        """End the running programs and packs."""
        self.end_children()
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        """Run a program to its end; its output goes where the official executor's output goes."""
        environment = dict(os.environ)
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        directory = request.info.program_directory or request.pwd
        entry = request.info.entry_point or request.program or "."
        command = [
            *(str(_interpreter(request.info)), "-u", str(_EXECUTOR)),
            *("--project", request.project, "--stack", request.stack, "--organization", request.organization),
            *("--root-directory", request.info.root_directory or directory),
            *("--monitor", request.monitor_address, "--engine", self._engine),
            *("--parallel", str(request.parallel), "--pwd", request.pwd or directory),
            *(("--dry-run",) if request.dryRun else ()),
            *("--", os.path.normpath(os.path.join(directory, entry)), *request.args),
        ]
        child = self._start(command, env=environment, cwd=request.pwd or directory)
        context.add_callback(lambda: _end(child))
        code = child.wait()
        self._forget(child)
        if code == 0:
            return language_pb2.RunResponse()
        if code == SHOWN_ALREADY:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack and stream its output until it ends or the call is cancelled."""
        if request.kind != "analyzer":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this host runs no plug-ins of kind {request.kind!r}")
        program = os.path.normpath(os.path.join(request.info.program_directory, request.info.entry_point or "."))
        environment = dict(os.environ)
        environment.update(entry.split("=", 1) for entry in request.env if "=" in entry)
        child = self._start(
            [sys.executable, "-u", "-m", "pulumi.policy", *request.args, program],
            env=environment,
            cwd=request.pwd or None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(lambda: _end(child))
        yield from _output_of(child)
        code = child.wait()
        self._forget(child)
        yield language_pb2.RunPluginResponse(exitcode=code)

    def GenerateProgram(self, request: Any, context: Any) -> Any:
        """Not supported: it needs the official host's code generator. `pulumi import` calls it last."""
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "the import is done, but this language host writes no Python for it: "
            "add --generate-code=false, or use the official Pulumi CLI",
        )

    def end_children(self) -> None:
        with self._lock:
            children = tuple(self._children)
        for child in children:
            _end(child)

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, **options)
        with self._lock:
            self._children.add(child)
        return child

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._children.discard(child)


def _interpreter(program: Any) -> Path:
    """The Python of the project's `virtualenv`, as the official host takes it; without one, this interpreter."""
    name = dict(program.options).get("virtualenv")
    python = Path(program.root_directory, str(name), "bin", "python")
    return python if name and python.exists() else Path(sys.executable)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()


def _output_of(child: subprocess.Popen[bytes]) -> Iterator[Any]:
    """The output of a child, as messages, in the order of arrival from both pipes."""
    pieces: queue.Queue[Any] = queue.Queue()

    def drain(pipe: Any, message: Callable[[bytes], Any]) -> None:
        while text := os.read(pipe.fileno(), 65536):
            pieces.put(message(text))
        pieces.put(None)

    readers = (
        (child.stdout, lambda text: language_pb2.RunPluginResponse(stdout=text)),
        (child.stderr, lambda text: language_pb2.RunPluginResponse(stderr=text)),
    )
    for reader in readers:
        threading.Thread(target=drain, args=reader, daemon=True).start()
    open_pipes = len(readers)
    while open_pipes:
        piece = pieces.get()
        if piece is None:
            open_pipes -= 1
        else:
            yield piece


def _installed_providers() -> list[dict[str, Any]]:
    providers: dict[str, dict[str, Any]] = {}
    # Found by their folders: to ask each distribution for its name and its files takes 40 ms.
    for description in (file for folder in sys.path for file in Path(folder).glob("pulumi_*/pulumi-plugin.json")):
        try:
            plugin = json.loads(description.read_text(encoding="utf-8"))
            version = plugin.get("version") or metadata.version(description.parent.name)
        except (OSError, ValueError, metadata.PackageNotFoundError):
            continue
        package = plugin.get("name") or description.parent.name.removeprefix("pulumi_")
        if plugin.get("resource") and package not in providers:
            version = f"v{version.removeprefix('v')}"
            providers[package] = {"name": package, "version": version, "server": plugin.get("server", "")}
    return [providers[package] for package in sorted(providers)]


def main() -> None:
    """Serve the engine whose address is the last argument, until it is done."""
    engine = sys.argv[-1] if len(sys.argv) > 1 else ""
    host = LanguageHost(engine)
    code = serve(
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server),
        on_stop=host.end_children,
    )
    # Threads of the pool may still wait for a program.
    os._exit(code)


if __name__ == "__main__":
    main()
