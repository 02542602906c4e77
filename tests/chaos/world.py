"""A world of a history: a folder, a state backend and a cloud, forked from one that was set up once.

Starts and ends the processes of a world; writes below the folder that it is given.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

from sandbox import environment
from sandbox.lifecycle import server_environment
from sandbox.state import SandboxPaths, State
from tests.chaos.processes import kill_session
from tests.onboarding.deployment import PROJECT, clean_environment, plugins
from tests.onboarding.loaded import Loaded, answered
from tools.bootstrap.places import PARTS

PASSPHRASE = "canary-passphrase-6f1d2c"
VERCEL_TOKEN = "canaryVercelToken9f27d1c4"
SECONDS = 90.0
"""For one command. One that takes longer never ends, and its history says so."""
ENDLESS, KILLED = 1000, -signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command that has ended."""

    arguments: tuple[str, ...]
    code: int
    output: str = field(repr=False)

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL."""
        return self.code == KILLED


@cache
def forge() -> Loaded:
    """The process that every wizard is forked from."""
    return Loaded("tests.chaos.client")


@cache
def phi() -> Path:
    """What a history's wizard starts instead of its interpreter: the application's part, with its libraries loaded."""
    return forge().shim("phi")


class Running:
    """A command under way."""

    def __init__(self, arguments: tuple[str, ...], pid: int, told: int, out: IO[bytes]) -> None:
        self.arguments, self.pid, self._told, self._out = arguments, pid, told, out

    def wait(self, seconds: float = SECONDS) -> Run:
        """Its end; one that takes too long is ended."""
        code = ENDLESS
        if select.select([self._told], [], [], seconds)[0]:
            code = answered(self._told)
        kill_session(self.pid)
        os.close(self._told)
        self._out.seek(0)
        output = self._out.read().decode(errors="replace")
        self._out.close()
        return Run(arguments=self.arguments, code=code, output=output)


class World:
    """One folder, one backend, one cloud."""

    def __init__(self, root: Path, begun: Mapping[str, Any], engine: Path, home: Path) -> None:
        self.root, self._begun, self._engine, self._home = root, begun, engine, home
        self.folder = root / "project"
        self.environment = self._environment()
        self.runs: list[Run] = []
        self.secrets = {PASSPHRASE, VERCEL_TOKEN, str(begun["secret_access_key"])}
        self.recorded: Path | None = None

    def _environment(self) -> dict[str, str]:
        paths, begun = SandboxPaths(root=self.root), self._begun
        state = State(nonce="chaos", **{key: begun[key] for key in State.__annotations__ if key in begun})
        named = environment.variables(paths, state, clean_environment())
        mine = {
            # Its plug-ins begin loaded.
            "PATH": f"{self._engine.parent}{os.pathsep}{named['PATH']}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(self._home),
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "temporary"),
        }
        return {**clean_environment(), **named, **mine}

    # --- processes

    def fork(self, root: Path, *, seed: int = 0) -> World:
        """A world like this one, that goes a way of its own."""
        root.mkdir(parents=True)
        for part in ("project", "backend", "home", "temporary", "aws"):
            shutil.copytree(self.root / part, root / part, symlinks=True)
        begun = self._ask({"do": "fork", "root": str(root), "seed": seed})
        world = World(root, begun, self._engine, self._home)
        world.secrets, world.recorded = set(self.secrets), self.recorded
        return world

    def stop(self) -> None:
        """End the cloud, and remove everything."""
        os.kill(int(self._begun["pid"]), signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.connect(str(self.root / "control"))
            control.sendall(json.dumps(order).encode())
            control.shutdown(socket.SHUT_WR)
            parts = list(iter(lambda: control.recv(1 << 20), b""))
        answer: dict[str, Any] = json.loads(b"".join(parts) or b"{}")
        return answer

    # --- commands

    def run(self, *arguments: str, **options: Any) -> Run:
        """One command to its end; see `begin`."""
        seconds = options.pop("seconds", SECONDS)
        ended = self.begin(*arguments, **options).wait(seconds)
        self.runs.append(ended)
        return ended

    def begin(
        self,
        *arguments: str,
        orders: Mapping[str, Any] | None = None,
        client: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        typed: str = "",
        fresh: bool = True,
    ) -> Running:
        """One command; `orders` are the server's, `client` the client's, `typed` its standard input."""
        if fresh:
            self.order(who=" ".join(arguments[:2]), **(orders or {}))
        told = {"control": str(self.root / "control"), "phi": str(phi()), **(client or {})}
        if self.recorded and "engine" not in told:
            told["engine"] = str(self.recorded)
        environment = {**self.environment, "CHAOS_ORDERS": json.dumps(told), **(env or {})}
        out = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the command has ended
        with tempfile.TemporaryFile() as given:
            given.write(typed.encode())
            given.seek(0)
            streams = (out.fileno(), out.fileno(), given.fileno())
            pid, ended = forge().begin(
                arguments, folder=folder or self.folder, environment=environment, streams=streams
            )
        return Running(arguments, pid, ended, out)

    def another_folder(self) -> Path:
        """A second checkout that shares the cloud and the backend."""
        other = self.root / "colleague"
        if not other.exists():
            shutil.copytree(self.folder, other, symlinks=True)
        return other

    def other_backend(self, *, empty: bool) -> Path:
        """A backend of another machine: an empty one, or a copy of this one."""
        other = self.root / "other-backend"
        if empty:
            other.mkdir()
        else:
            shutil.copytree(self.root / "backend", other, symlinks=True)
        return other

    def pulumi(self, *arguments: str) -> str:
        """What the engine prints. Raises CalledProcessError."""
        return subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    def record_engine(self) -> None:
        """Keep what the engine says about the state as it is now: asked a thousand times, it says the same."""
        self.recorded = self.root.with_name(f"{self.root.name}-engine")
        self.recorded.mkdir()
        state = self.root / "backend/.pulumi/stacks/eonpro-kms/production.json"
        shutil.copy(state, self.recorded / "state.json")
        exported = self.pulumi("stack", "export", "--stack", "production")
        (self.recorded / "export.json").write_text(exported)
        (self.recorded / "user.json").write_text(self.pulumi("whoami", "--json"))
        (self.recorded / "version.txt").write_text(self.pulumi("version").strip())

    # --- the cloud

    def order(self, **orders: Any) -> None:
        """What is to happen to calls from now on; nothing, without orders."""
        self._ask({"do": "orders", **orders})

    def by_hand(self, what: str) -> None:
        """Something that a person deletes."""
        self._ask({"do": "by hand", "what": what})

    def account(self) -> dict[str, Any]:
        """What there is, and what happened."""
        found = self._ask({"do": "look", "account": True})
        self.secrets |= set(found["secrets"])
        return found

    def leaks(self, account: Mapping[str, Any]) -> list[str]:
        """Where a secret can be read that is in no place made for it."""
        found = [*account["argv"]]
        secrets = [secret.encode() for secret in self.secrets]
        for run in self.runs:
            found += [f"the output of {' '.join(run.arguments)}" for secret in secrets if secret in run.output.encode()]
        for part in ("project", "colleague", "home", "temporary", "backend"):
            for folder, folders, names in os.walk(self.root / part):
                folders[:] = [name for name in folders if not Path(folder, name).is_symlink()]
                for path in (Path(folder, name) for name in names):
                    if not path.is_symlink() and path.is_file():
                        content = path.read_bytes()
                        found += [f"{path.relative_to(self.root)}" for secret in secrets if secret in content]
        return sorted(set(found))


@contextmanager
def empty_world(root: Path) -> Iterator[World]:
    """A world where nothing has been made, with the product's folder; it and its processes end with the block."""
    engine, home = plugins()
    first = root / "empty"
    for part in ("project", "backend", "home", "temporary", "aws"):
        (first / part).mkdir(parents=True)
    for name in ("config", "credentials"):
        (first / "aws" / name).touch()
    for part in PARTS:
        if (PROJECT / part).is_dir():
            (first / "project" / part).parent.mkdir(exist_ok=True)
            (first / "project" / part).symlink_to(PROJECT / part)
        else:
            shutil.copy2(PROJECT / part, first / "project" / part)
    with (root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.server", str(first), VERCEL_TOKEN],
            cwd=PROJECT, env=server_environment(clean_environment()), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        assert server.stdout is not None
        begun = json.loads(server.stdout.readline())
        yield World(first, begun, engine, home)
    finally:
        # The forks are of its session.
        kill_session(server.pid)
        server.wait()
