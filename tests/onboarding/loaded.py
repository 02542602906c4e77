"""Processes that begin with their libraries loaded: each wizard, sandbox, AWS CLI and plug-in of the engine is forked.

Touches the processes that it starts. Each is a process like any other, with a folder, an environment and streams of its
own, and loads the project's files by itself; what every one of them would load first, and never changes, it has.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import hashlib
import importlib
import io
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from tools.bootstrap.packages import shebang

PROJECT = Path(__file__).resolve().parents[2]

_OF_THE_WIZARD = (
    *("pulumi.automation", "botocore.session", "botocore.client", "botocore.credentials", "botocore.args"),
    *("botocore.endpoint", "botocore.handlers", "botocore.waiter", "urllib3", "pydantic.types", "yaml"),
    *("asyncio", "argparse", "ssl", "uuid", "zoneinfo"),
    *("pydantic.functional_validators", "pydantic.alias_generators", "difflib", "secrets"),
)
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "wizard": _OF_THE_WIZARD,
    # The server is the project's own, whichever folder a deployment has.
    "sandbox.server": ("sandbox.server", "sandbox.vercel"),
    "aws": ("awscli.clidriver", "awscli.handlers"),
    # The interpreter of the engine's plug-ins, programs and policy packs, of the application's part, and of commands.
    "python": (
        # The real SDK first: the plug-ins would take its messages without it.
        *("pulumi.runtime", "sandbox.pulumi_plugins.language_host", "sandbox.pulumi_plugins.provider.server", "boto3"),
        *(
            "pulumi.policy",
            "pulumi_policy",
            "grpc._server",
            "cryptography.hazmat.primitives.ciphers.aead",
            "pybase64",
        ),
        *(f"pulumi_aws.{each}" for each in "iam kms s3 ssm sns sqs ecs cloudtrail cloudwatch secretsmanager".split()),
        *_OF_THE_WIZARD,
    ),
    "tests.chaos.client": (),
}
"""The libraries that are loaded before a program begins."""

_OF_PHI = tuple(f"eonpro_phi.{each}" for each in "cipher environment kms wrapping reencryption.options".split())
PRODUCT: Mapping[str, tuple[str, ...]] = {
    "wizard": ("components", "wizard"),
    "python": ("components", "wizard", *_OF_PHI),
}
"""What of the product is loaded too, whole packages: for a copy of it that is the same file by file."""

_LONGEST_REQUEST = 1 << 20


_SHIM = """\
{shebang}
import json, os, signal, socket, sys
told, tell = os.pipe()
ended, alive = os.pipe()
wanted = {{"arguments": [*{before!r}, *sys.argv[1:]], "folder": os.getcwd(), "environment": dict(os.environ)}}
wanted["python"] = sys.argv[0]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
    control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    control.connect({control!r})
    socket.send_fds(control, [json.dumps(wanted).encode()], [tell, 1, 2, 0, ended])
os.close(tell)
os.close(ended)
def answered():
    answer = os.read(told, 4)
    return int.from_bytes(answer, "big", signed=True) if answer else sys.exit("the loaded process has ended")
pid = answered()
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, lambda number, _: os.kill(pid, number))
code = answered()
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
"""Signals are passed on, and who kills it kills the program: `alive` is closed by its end alone."""


def answered(told: int) -> int:
    """A number from the process that has a program loaded: the program's process, later its exit code."""
    answer = os.read(told, 4)
    assert answer, "the process that has the program loaded has ended"
    return int.from_bytes(answer, signed=True)


class Loaded:
    """A program, ready to begin."""

    def __init__(self, program: str, python: Path = Path(sys.executable)) -> None:
        self._program = program
        # A socket's path is short, and pytest's folders are not.
        self.control = Path(tempfile.mkdtemp(prefix="loaded-")) / "control"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(str(self.control))
        listening.listen(16)
        with listening:
            self._process = subprocess.Popen(
                [python, "-m", "tests.onboarding.loaded", program, str(listening.fileno())],
                cwd=PROJECT,
                env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))},
                # It ends when this process does.
                stdin=subprocess.PIPE,
                pass_fds=(listening.fileno(),),
            )

    def begin(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        streams: Sequence[int],
        terminal: bool = False,
    ) -> tuple[int, int]:
        """Its process, and a descriptor that gives its exit code once it has ended. `streams`: out, err, and more.

        `terminal`: a wizard's `streams` are the terminal of a session of its own, and its input too.
        """
        told, tell = os.pipe()
        wanted: dict[str, Any] = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        wanted["terminal"] = terminal
        if self._program == "wizard":
            wanted["python"] = str(loaded_python())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST_REQUEST)
            control.connect(str(self.control))
            socket.send_fds(control, [json.dumps(wanted).encode()], [tell, *streams])
        os.close(tell)
        return answered(told), told

    def shim(self, name: str, *before: str) -> Path:
        """A file beside the socket that begins the program when it is started; `before` stands before its arguments."""
        file = self.control.with_name(name)
        file.write_text(
            _SHIM.format(shebang=shebang(Path(sys.executable), "-IS"), control=str(self.control), before=before)
        )
        file.chmod(0o755)
        return file

    def run(
        self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """The program from its beginning to its end."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid, told = self.begin(
                arguments, folder=folder, environment=environment, streams=(out.fileno(), err.fileno())
            )
            try:
                if not select.select([told], [], [], timeout)[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([*arguments], timeout)
                code = answered(told)
            finally:
                os.close(told)
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess([*arguments], code, *said)


@cache
def loaded(program: str) -> Loaded:
    """The program, loaded once by this process."""
    return Loaded(program)


@cache
def loaded_aws(real: Path) -> Path:
    """A folder with an `aws` that begins loaded: the command at `real`, in the environment that it is installed in."""
    aws = Loaded("aws", real.resolve().with_name("python"))
    folder = aws.control.parent
    aws.shim("aws", str(real.resolve()))
    return folder


@cache
def loaded_python() -> Path:
    """An interpreter that begins loaded; it runs what a real one runs, and says nothing of itself. Elsewhere than on
    Linux, the real one.
    """
    return loaded("python").shim("python") if sys.platform == "linux" else Path(sys.executable)


@cache
def loaded_engine(chosen: Path) -> Path:
    """The engine at `chosen` with a language host that begins loaded; `chosen` itself where its host is the official.

    A copy in a folder of its own: the engine looks for the host beside itself.
    """
    host = chosen.with_name("pulumi-language-python")
    if host.exists() and b"# Written by sandbox." not in host.read_bytes()[:200]:
        return chosen
    engine = loaded_python().with_name("engine") / chosen.name
    engine.parent.mkdir()
    try:
        engine.hardlink_to(chosen.resolve())
    except OSError:
        shutil.copy2(chosen, engine)
    return engine


# --- the process that is forked from


def modules_of(package: ModuleType) -> Iterator[str]:
    """The names of a package's modules, also of those in folders without an `__init__.py`; none for a module."""
    for place in getattr(package, "__path__", ()):
        for file in sorted(Path(place).rglob("*.py")):
            name = ".".join((package.__name__, *file.relative_to(place).with_suffix("").parts))
            if file.name != "__main__.py":
                yield name.removesuffix(".__init__")


class Product:
    """A finder of the product's modules, loaded here: a copy of the product has them, unless a file of it differs."""

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            for module in modules_of(importlib.import_module(name)):
                importlib.import_module(module)
        self._roots = {name.partition(".")[0] for name in names}
        of_it = [name for name in sys.modules if name.partition(".")[0] in self._roots]
        self._modules = {name: sys.modules.pop(name) for name in of_it}
        files = [Path(str(module.__file__)) for module in self._modules.values() if module.__file__]
        self._files = [(file.relative_to(PROJECT), self._looks(file)) for file in files]
        # Looked for here: whoever touches every module copies them all.
        self._places = [
            (vars(module), name, type(value), Path(value).relative_to(PROJECT))
            for module in self._modules.values()
            for name, value in vars(module).items()
            if isinstance(value, Path | str) and not name.startswith("__") and Path(value).is_relative_to(PROJECT)
        ]
        self._packages = [
            (module, name.replace(".", "/")) for name, module in self._modules.items() if hasattr(module, "__path__")
        ]

    @staticmethod
    def _looks(file: Path) -> tuple[int, int]:
        status = file.stat()
        return status.st_size, status.st_mtime_ns

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """The first of the packages that is imported decides whose modules they all are."""
        if name not in self._roots:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if spec is None or len(places) != 1 or not self._is_same(folder := Path(places[0]).parent):
            return spec
        for where, what, kind, place in self._places:
            where[what] = kind(folder / place)
        for package, relative in self._packages:
            package.__path__ = [str(folder / relative)]
        sys.modules.update(self._modules)
        spec.loader = self  # type: ignore[assignment]
        return spec

    def _is_same(self, folder: Path) -> bool:
        try:
            return all(self._looks(folder / file) == looks for file, looks in self._files)
        except OSError:
            return False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module as it is."""
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it ran here."""


def main(program: str, control: socket.socket) -> None:
    """Fork whoever is asked for, and tell how each ends; in a child it returns and the program has run."""
    before = dict(os.environ)
    for name in _OF_THE_WIZARD + (program,) if program == "tests.chaos.client" else LIBRARIES[program]:
        # The modules of pulumi_aws are read when something of them is first asked for.
        getattr(importlib.import_module(name), "__all__", ())
    # As awscli's, which tells botocore where its data are.
    set_by_libraries = {name: value for name, value in os.environ.items() if before.get(name) != value}
    if program == "sandbox.server":
        sys.modules["sandbox.aws.app"].read_descriptions()
    product = Product(PRODUCT[program]) if program in PRODUCT else None
    if product:
        make_clients()
        # The first model of a process looks for plug-ins in all that is installed.
        sys.modules["pydantic"].create_model("First")
        hashlib.pbkdf2_hmac = derived_once(Path(control.getsockname()).parent)
    if program == "python":
        sys.modules["sandbox.pulumi_plugins.provider.schema"].package_schema()
        # The engine drops these, after a call for each.
        vars(sys.modules["pulumi.log"])["debug"] = lambda *_, **__: None
    gc.collect()
    gc.freeze()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    tells: dict[int, int] = {}
    waiting: list[Any] = [control, woken, 0]
    while True:
        ready = select.select(waiting, [], [])[0]
        if 0 in ready:
            shutil.rmtree(Path(control.getsockname()).parent)
            return
        if woken in ready:
            os.read(woken, 4096)
            _reap(tells)
        if control in ready:
            asking, _ = control.accept()
            with asking:
                message, given, _, _ = socket.recv_fds(asking, _LONGEST_REQUEST, 8)
            if not given:
                # Who connected was killed before it asked.
                continue
            tell, *streams = given
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                wanted = json.loads(message)
                if product:
                    sys.meta_path.insert(0, product)
                _become(program, {**wanted, "environment": {**set_by_libraries, **wanted["environment"]}}, streams)
                return
            for stream in streams:
                os.close(stream)
            tells[pid] = tell
            # Who began it may have been killed meanwhile; the program ends with it.
            with suppress(BrokenPipeError):
                os.write(tell, pid.to_bytes(4))


def derived_once(folder: Path) -> Callable[..., bytes]:
    """`hashlib.pbkdf2_hmac`, with each key in a file of the folder: a passphrase's takes a quarter of a second."""
    derive = hashlib.pbkdf2_hmac

    def from_file(*arguments: Any) -> bytes:
        file = folder / hashlib.sha256(repr(arguments).encode()).hexdigest()
        if not file.exists():
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_bytes(derive(*arguments))
            partial.replace(file)
        return file.read_bytes()

    return from_file


def asked_once(folder: Path) -> Callable[..., Any]:
    """`subprocess.run`, with the answer of each engine's `pulumi version` in a file: to ask takes 0.07 s."""
    run = subprocess.run

    def from_file(command: Any, *arguments: Any, **named: Any) -> Any:
        engine = Path(shutil.which("pulumi") or "")
        if command != ["pulumi", "version"] or engine.name != "pulumi":
            return run(command, *arguments, **named)
        status = engine.stat()
        file = folder / f"version-{status.st_ino}-{status.st_mtime_ns}"
        if not file.exists():
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_bytes(run(command, *arguments, **named).stdout)
            partial.replace(file)
        return subprocess.CompletedProcess(command, 0, file.read_bytes(), b"")

    return from_file


def _reap(tells: dict[int, int]) -> None:
    while tells:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell = tells.pop(pid)
        # Nobody waits for a server's end.
        with suppress(BrokenPipeError):
            os.write(tell, os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))
        os.close(tell)


def _become(program: str, wanted: dict[str, Any], streams: Sequence[int]) -> None:
    """Run the program as `python -m` does, to its end."""
    out, err, *more = streams
    if program in ("aws", "python", "tests.chaos.client"):
        os.dup2(more.pop(0), 0)
        alive = os.dup(more.pop()) if more else None
    elif wanted.get("terminal"):
        alive = None
        os.setsid()
        fcntl.ioctl(out, termios.TIOCSCTTY, 0)
        os.dup2(out, 0)
    else:
        alive = None
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for index, stream in enumerate(more):
        os.dup2(stream, 3 + index)
    if alive is None:
        os.closerange(3 + len(more), 1024)
    else:
        os.dup2(alive, 3)
        os.closerange(4, 1024)
        # A Ctrl-C at the terminal comes through the one that began it.
        os.setpgrp()
        threading.Thread(target=_end_with, args=(3,), daemon=True).start()
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    at_terminal = os.isatty(1)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", line_buffering=at_terminal
    )
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=at_terminal,
    )
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    # It knows the folder that it was read from. Its package goes with it where nothing else of the package is loaded.
    whole = () if program == "tests.chaos.client" else ("components",)
    for name in ("components.installation", "components.installation.origin", *whole):
        sys.modules.pop(name, None)
    if program == "sandbox.server":
        os.setsid()
        _shuffle()
        sandbox = sys.modules[program].Sandbox()
        paths = sys.modules["sandbox.state"].SandboxPaths(root=Path(wanted["arguments"][0]))
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        threading.Thread(target=_fork, args=(sandbox, paths.root), daemon=True).start()
        sandbox.serve(paths, 3)
        return
    if program == "tests.chaos.client":
        sys.modules[program].become(wanted["arguments"])
        return
    if program == "aws":
        sys.argv = wanted["arguments"]
        to_its_end(lambda: runpy.run_path(sys.argv[0], run_name="__main__"))
    if program == "python":
        _interpret(wanted["arguments"], executable=wanted["python"])
    setattr(subprocess.Popen, "__init__", with_phi_loaded(wanted["python"]))  # noqa: B010 - it would not be typed
    setattr(subprocess, "run", asked_once(Path(wanted["python"]).parent))  # noqa: B010 - it would not be typed
    sys.path[0] = wanted["folder"]
    sys.argv = [program, *wanted["arguments"]]
    to_its_end(lambda: runpy.run_module(program, run_name="__main__", alter_sys=True))


def with_phi_loaded(python: str) -> Callable[..., None]:
    """`Popen.__init__`, but the application's part, which the wizard starts with its own interpreter, begins loaded."""
    begin = subprocess.Popen.__init__

    def begin_loaded(self: Any, command: Any, *more: Any, **named: Any) -> None:
        if isinstance(command, list) and command[:3] == [sys.executable, "-m", "eonpro_phi"]:
            command = [python, *command[1:]]
        begin(self, command, *more, **named)

    return begin_loaded


def _interpret(arguments: list[str], *, executable: str) -> NoReturn:
    """What `python ARGUMENTS` does, of the arguments that the sandbox's plug-ins and the wizard give it."""
    # What it starts with its own interpreter begins loaded too.
    sys.executable = executable
    options = {argument for argument in arguments[:2] if argument in ("-u", "-P")}
    first, *rest = arguments[len(options) :]
    if "-u" in options:
        raw: Any = io.FileIO(1, "w", closefd=False)
        sys.stdout = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    if first in ("-c", "-m"):
        what, *rest = rest
        sys.argv = [first, *rest]
        if "-P" in options:
            del sys.path[0]
        else:
            sys.path[0] = os.getcwd()
        if first == "-c":
            to_its_end(lambda: exec(what, {"__name__": "__main__"}))
        to_its_end(lambda: runpy.run_module(what, run_name="__main__", alter_sys=True))
    sys.argv = [first, *rest]
    sys.path[0] = str(Path(first).resolve().parent)
    to_its_end(lambda: runpy.run_path(first, run_name="__main__"))


def _end_with(alive: int) -> None:
    """End this process and all that it started when the one that began it is gone."""
    os.read(alive, 1)
    os.killpg(0, signal.SIGKILL)


def to_its_end(program: Callable[[], object]) -> NoReturn:
    """Run it, and leave without taking apart what was loaded for a hundred others: that takes longer than the run."""
    code: object = 0
    try:
        program()
    except SystemExit as left:
        code = left.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def remember_descriptions() -> None:
    """What botocore reads of the services, of what its handlers take and of the services' other names: once each."""
    import botocore.compat
    import botocore.hooks
    import botocore.loaders
    import botocore.session

    # phi takes the loader from its own module.
    botocore.session.create_loader = botocore.loaders.create_loader = cache(botocore.loaders.create_loader)
    vars(botocore.hooks)["accepts_kwargs"] = cache(botocore.compat.accepts_kwargs)
    alias = cache(botocore.hooks.EventAliaser(None)._alias_event_name)
    setattr(botocore.hooks.EventAliaser, "_alias_event_name", lambda _, name: alias(name))  # noqa: B010


def make_clients() -> None:
    """The descriptions of the services are read once, not by every process that is forked."""
    import botocore.session

    from sandbox.state import SERVICES

    remember_descriptions()
    for service in SERVICES:
        session = botocore.session.Session()
        session.create_client(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
        session.get_paginator_model(service)


def _fork(sandbox: Any, root: Path) -> None:
    """Fork this server, and all it holds, whenever it is asked; the copy serves for the folder that is asked for."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.bind(f"\0sandbox-{os.getpid()}")
    control.listen(16)
    while True:
        asking, _ = control.accept()
        with asking:
            message, [tell], _, _ = socket.recv_fds(asking, _LONGEST_REQUEST, 1)
        # No call is being answered meanwhile.
        with sandbox.aws._lock:
            pid = os.fork()
        if pid == 0:
            break
        os.close(tell)
    control.close()
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for server in sandbox.servers:
        server.socket.close()
    _shuffle()
    paths = sys.modules["sandbox.state"].SandboxPaths(root=Path(os.fsdecode(message)))
    for backend in sys.modules["moto.ssm.models"].ssm_backends["123456789012"].values():
        for name, versions in backend._parameters.items():
            if name.endswith("/claim"):
                # The claim of an environment names the folder of its state, which was copied too.
                for version in versions:
                    version.value = version.value.replace(str(root), str(paths.root))
    threading.Thread(target=_fork, args=(sandbox, paths.root), daemon=True).start()
    sandbox.serve(paths, tell)
    os._exit(0)


def _shuffle() -> None:
    """Ids that differ from those of every other process that was forked from this one."""
    import random

    from moto.moto_api._internal import mock_random

    random.seed()
    mock_random.seed()


if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
