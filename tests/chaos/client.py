"""The wizard as a process of a history: forked with everything loaded, in a session of its own, with orders.

Touches the process that it runs in: its clock, the time-outs of its clients, and what its files meet. The wizard is the
one of this checkout; the folder that it works in is the history's.
"""

from __future__ import annotations

import errno
import functools
import importlib
import json
import os
import re
import runpy
import signal
import socket
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import semver

import wizard
from tests.chaos import baseline
from tests.chaos.processes import kill_session
from tests.onboarding.loaded import make_clients, modules_of, to_its_end

_SLEEP, _MONOTONIC = time.sleep, time.monotonic
_jumped = 0.0
_jumps = False


def _sleep(seconds: float) -> None:
    global _jumped
    if _jumps:
        _jumped += max(seconds, 0.0)
    else:
        _SLEEP(seconds)


def _monotonic() -> float:
    return _MONOTONIC() + _jumped


# Before anything keeps them as a default: a pause of a history with faults passes at once, and counts.
setattr(time, "sleep", _sleep)  # noqa: B010 - an assignment would not be typed
setattr(time, "monotonic", _monotonic)  # noqa: B010

_OF_PHI = (
    "eonpro_phi.kms",
    "eonpro_phi.environment",
    "eonpro_phi.wrapping",
    "eonpro_phi.cipher",
    "eonpro_phi.reencryption.options",
)
for _module in (*modules_of(wizard), *_OF_PHI):
    importlib.import_module(_module)

make_clients()

_FOLDERS = [
    (module, name)
    for module in list(sys.modules.values())
    if module.__name__.split(".")[0] == "wizard"
    for name in ("PROJECT_FOLDER", "DEFAULT_FOLDER")
    if hasattr(module, name)
]
"""Where the wizard's own folder is named. Looked for here: whoever touches every module copies them all."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_UNCOUNTED = re.compile(r"/\.wizard/logs/|/__pycache__/|\.lock$|^/dev/|^/proc/|^/tmp/[^/]*$")


def become(arguments: list[str]) -> None:
    """Run `-m eonpro_phi ARGUMENTS` or `[-m wizard] ARGUMENTS`, to its end; the orders are in the environment."""
    if arguments[:2] == ["-m", "eonpro_phi"]:
        sys.argv = ["phi", *arguments[2:]]
        to_its_end(functools.partial(runpy.run_module, "eonpro_phi", run_name="__main__", alter_sys=True))
    global _jumps
    if os.getpgid(0) != os.getpid():
        # What a shim began leads a session already.
        os.setsid()
    orders: dict[str, Any] = json.loads(os.environ.pop("CHAOS_ORDERS"))
    if "control" in orders:
        _tell_session(orders["control"])
    folder = Path(orders.get("folder", Path.cwd()))
    for module, name in _FOLDERS:
        vars(module)[name] = folder if name == "PROJECT_FOLDER" else folder / vars(module)[name].name
    # A world stands for somebody's account, not for the sandbox that a person starts.
    vars(importlib.import_module("wizard.cli.request"))["_SANDBOX"] = ""
    # What the wizard starts with its own interpreter is phi: forked from where its libraries are loaded.
    sys.executable = orders["phi"]
    _jumps = bool(orders.get("jumps"))
    if seconds := orders.get("timeOut"):
        _short_time_outs(float(seconds))
    if seconds := orders.get("stalled"):
        from wizard.core import watchdog

        watchdog.SECONDS = float(seconds)
    if seconds := orders.get("later"):
        _later(timedelta(seconds=float(seconds)))
    if url := orders.get("vercel"):
        _vercel_itself(url)
    if recorded := orders.get("engine"):
        _recorded_engine(Path(recorded))
    if orders.get("baseline"):
        baseline.without_laws()
    _Files(orders, folder)
    sys.argv = ["wizard", *(arguments[2:] if arguments[:2] == ["-m", "wizard"] else arguments)]
    from wizard.cli.main import run

    to_its_end(run)


def _tell_session(control: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.connect(control)
        door.sendall(json.dumps({"do": "sid", "sid": os.getpid()}).encode())
        door.recv(64)


def _short_time_outs(seconds: float) -> None:
    from wizard.aws.auth import http
    from wizard.vercel import client

    for name in ("CONNECT_TIMEOUT", "READ_TIMEOUT", "FIRST_READ_TIMEOUT"):
        setattr(http, name, seconds)
    (client.VercelClient.__init__.__kwdefaults__ or {})["timeout"] = seconds


def _vercel_itself(url: str) -> None:
    """Where Vercel is for whom no variable names an endpoint."""
    from wizard.vercel import http

    http.BASE_URL = url


def _later(time_since: timedelta) -> None:
    """What waits for another machine's delivery of an access key to be over finds that it is."""
    from wizard.targets.vercel import access_key

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + time_since

    vars(access_key)["datetime"] = Later


def _recorded_engine(folder: Path) -> None:
    """Answers of the engine about itself and a state that has not changed: as it gave them when they were recorded."""
    from pulumi.automation import CommandResult

    from wizard.pulumi_engine import passphrase
    from wizard.pulumi_engine.automation import Cli
    from wizard.pulumi_engine.process import EngineProcess

    # A quarter of a second for each run, and no history has a wrong one.
    setattr(passphrase, "opens", lambda *_: True)  # noqa: B010 - an assignment would not be typed
    state, version = folder / "state.json", (folder / "version.txt").read_text()
    real = EngineProcess.run

    def begin(self: Any, *_: Any, **__: Any) -> None:
        self.command, self.version = "pulumi", semver.VersionInfo.parse(version.lstrip("v"))

    def run(self: Any, args: list[str], cwd: str, additional_env: Any, *more: Any, **named: Any) -> Any:
        now = Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi/stacks/eonpro-kms"
        if args[0] == "whoami":
            user = {**json.loads((folder / "user.json").read_text()), "url": os.environ["PULUMI_BACKEND_URL"]}
            return CommandResult(stdout=json.dumps(user), stderr="", code=0)
        if args[:2] == ["stack", "export"] and "production" in args:
            try:
                if (now / "production.json").read_bytes() == state.read_bytes():
                    return CommandResult(stdout=(folder / "export.json").read_text(), stderr="", code=0)
            except OSError:
                pass
        return real(self, args, cwd, additional_env, *more, **named)

    setattr(Cli, "__init__", begin)  # noqa: B010 - an assignment would not be typed
    setattr(EngineProcess, "run", run)  # noqa: B010


class _Files:
    """Every change of a file that the wizard makes: counted, ended at, or refused."""

    def __init__(self, orders: dict[str, Any], folder: Path) -> None:
        self.kill = orders.get("killFile")
        self.refusal = {"full": errno.ENOSPC, "read-only": errno.EROFS}.get(orders.get("disk", ""))
        self.refused_from = int(orders.get("diskFrom", 0))
        self.places = (str(folder), os.environ["HOME"])
        self.count = 0
        self.list = orders.get("listFiles")
        if self.kill is not None or self.refusal or self.list:
            sys.addaudithook(self)
            for name in ("replace", "link"):
                self._watch_end(name)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if not (flags or 0) & _WRITES:
                return
        elif event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.symlink"):
            path = arguments[1] if event in ("os.rename", "os.link", "os.symlink") else arguments[0]
        else:
            return
        self._meets(event, os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "")

    def _meets(self, event: str, path: str) -> None:
        path = os.path.abspath(path) if path else ""
        if not path.startswith(self.places) or _UNCOUNTED.search(path):
            return
        number, self.count = self.count, self.count + 1
        if self.refusal and number >= self.refused_from and event != "os.remove":
            raise OSError(self.refusal, os.strerror(self.refusal), path)
        if self.list:
            descriptor = os.open(self.list, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{event} {path}\n".encode())
            os.close(descriptor)
        if self.kill and number == self.kill[0] and self.kill[1] == "before":
            self._end()

    def _watch_end(self, name: str) -> None:
        real = getattr(os, name)

        def then_end(*arguments: Any, **named: Any) -> Any:
            before = self.count
            result = real(*arguments, **named)
            if self.kill and self.kill[1] != "before" and before <= self.kill[0] < self.count:
                self._end()
            return result

        setattr(os, name, then_end)

    @staticmethod
    def _end() -> None:
        kill_session(os.getsid(0))
        os.kill(os.getpid(), signal.SIGKILL)
