"""The sandbox's commands: start, stop, status, env, prepare.

Writes the sandbox's directory, starts and ends one server process; `stop` also removes the configuration files of
stacks in the sandbox's account.
"""

import os
import select
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from components import installation
from sandbox import environment
from sandbox import state as processes
from sandbox.pulumi_plugins.install import OWN, InstallError, install, installed_provider

START_SECONDS = 60.0
_SET_UP = f"make -C {shlex.quote(str(processes.SOURCE))} setup"
if installation.IS_INSTALLED:
    _SET_UP = "install the Pulumi CLI, https://www.pulumi.com/docs/install/, then run the same command again"


class SandboxError(Exception):
    """A problem that the user can fix; `hint` is the next command to type."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def check_owner() -> None:
    """Raises SandboxError for the sandbox of another user: its engine's plug-ins would be executed as this one."""
    root = processes.sandbox_paths().root
    if root.exists() and root.stat().st_uid != os.geteuid():
        raise SandboxError(f"{root} belongs to another user", "name one of your own: export EONPRO_SANDBOX_DIR=DIR")


def start() -> int:
    """Start a new, empty sandbox unless one already runs; exit 0 in both cases."""
    paths = processes.sandbox_paths()
    with processes.lock(paths):
        state = processes.running_state(paths)
        is_new = state is None
        if state is not None:
            log(f"the sandbox already runs (process {state.pid}): AWS {state.aws_url}, Vercel {state.vercel_url}")
        else:
            started = time.monotonic()
            _stop_unresponsive_server(paths)
            _delete_state(paths)
            state = _launch(paths)
            took = time.monotonic() - started
            log(f"the sandbox runs after {took:.1f} s")
        if environment.engine() is None:
            log(f"no Pulumi engine was chosen yet, so `pulumi` is not part of it: {_SET_UP}")
        else:
            _install_plugins(paths)
            if (provider := installed_provider(paths.pulumi_home)) != OWN:
                log(f"  Pulumi's AWS plug-in: {provider}")
        bring_aws_cli(paths)
        if "EONPRO_CALLER_PATH" not in os.environ:
            # `make demo` and `make wizard` say it in their last lines.
            log(f"  to use it in your own shell, type there first:\n    {environment.eval_line(paths)}")
        if not is_new:
            log("  it has what earlier runs made in it; to begin anew, delete it and run the same command again:")
            log(f"    {environment.program(paths)} stop")
    return 0


def stop() -> int:
    """Stop the sandbox and delete everything in it; exit 0, also when none runs."""
    paths = processes.sandbox_paths()
    if not paths.root.exists():
        log("the sandbox does not run")
        return 0
    with processes.lock(paths):
        state = processes.load_state(paths)
        is_ours = (
            state is not None
            and processes.is_alive(state.pid)
            and (processes.is_reachable(state) or processes.is_server(state.pid))
        )
        if state is not None and is_ours:
            processes.stop_process(state.pid)
            log("the sandbox has stopped")
        else:
            log("the sandbox does not run")
        _delete_state(paths)
        for removed in remove_stack_configs(paths, processes.PROJECT):
            log(f"removed {removed.name}: it described the sandbox's account {processes.ACCOUNT}")
    return 0


def status() -> int:
    """Print whether the sandbox runs; exit 0 when it does, 1 when it does not."""
    paths = processes.sandbox_paths()
    state = processes.running_state(paths)
    if state is None:
        print(f"the sandbox does not run\n  {environment.program(paths)} start")
        return 1
    print(f"the sandbox runs: process {state.pid}, log {paths.log}")
    print(f"  AWS {state.aws_url}, Vercel {state.vercel_url}")
    if provider := installed_provider(paths.pulumi_home):
        print(f"  Pulumi's AWS plug-in: {provider}")
    print(f"  to use it in your own shell, type there first:\n    {environment.eval_line(paths)}")
    print(f"  to end it, and delete everything in it:\n    {environment.program(paths)} stop")
    return 0


def env() -> int:
    """Print the variables that a shell needs for the running sandbox; exit 1 when none runs."""
    paths = processes.sandbox_paths()
    state = processes.running_state(paths)
    if state is None:
        raise SandboxError("the sandbox does not run", f"{environment.program(paths)} start")
    print("\n".join(environment.shell_lines(paths, state)))
    return 0


def prepare() -> int:
    """Install the sandbox's Pulumi plug-ins for the chosen engine, unless they are installed already."""
    paths = processes.sandbox_paths()
    with processes.lock(paths):
        _install_plugins(paths)
    return 0


COMMANDS: dict[str, Callable[[], int]] = {command.__name__: command for command in (start, stop, status, env, prepare)}


def bring_aws_cli(paths: processes.SandboxPaths) -> None:
    """Let uv run the AWS CLI where the machine has none: the wheel's set-up installs none."""
    if not installation.IS_INSTALLED or shutil.which("aws", path=environment.search_path(paths, os.environ)):
        return
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        log("no AWS CLI was found, so the printed lines with `aws` do not run: https://aws.amazon.com/cli/")
        return
    with open(processes.SOURCE / "pyproject.toml", "rb") as file:
        (package,) = tomllib.load(file)["dependency-groups"]["awscli"]
    words = shlex.join((uv, "tool", "run", "--quiet", "--from", package, "aws"))
    paths.programs.mkdir(exist_ok=True)
    (paths.programs / "aws").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    (paths.programs / "aws").chmod(0o755)


def log(line: str) -> None:
    """Print progress to stderr: stdout is for programs."""
    print(line, file=sys.stderr)


def _delete_state(paths: processes.SandboxPaths) -> None:
    """Delete the state of the previous sandbox. PULUMI_HOME keeps its plug-ins."""
    paths.state.unlink(missing_ok=True)
    paths.web_identity_token.unlink(missing_ok=True)
    for name in (paths.backend, paths.pulumi_home / "workspaces"):
        shutil.rmtree(name, ignore_errors=True)


def _launch(paths: processes.SandboxPaths) -> processes.State:
    """Start the server process, wait until it answers, and return the state that it wrote."""
    create_directories(paths)
    ready_reader, ready_writer = os.pipe()
    with open(paths.log, "wb") as log:
        server = subprocess.Popen(
            [str(environment.interpreter()), "-m", "sandbox.server", str(paths.root), str(ready_writer)],
            cwd=processes.SOURCE, env=server_environment(os.environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=(ready_writer,), start_new_session=True,
        )  # fmt: skip
    os.close(ready_writer)
    try:
        # The pipe delivers a byte when the server answers, and ends without one when the process dies.
        readable, _, _ = select.select([ready_reader], [], [], START_SECONDS)
        signal_byte = os.read(ready_reader, 1) if readable else b""
    finally:
        os.close(ready_reader)
    state = processes.load_state(paths) if signal_byte else None
    if state is None:
        processes.stop_process(server.pid)
        tail = "\n".join(paths.log.read_text(errors="replace").splitlines()[-15:])
        raise SandboxError(f"the sandbox did not start:\n{tail}", f"the whole log: {paths.log}")
    return state


def create_directories(paths: processes.SandboxPaths) -> None:
    """Create the directories that a server and its users expect."""
    for directory in (paths.backend, paths.pulumi_home, paths.aws_config):
        directory.mkdir(parents=True, exist_ok=True)
    for name in ("config", "credentials"):
        (paths.aws_config / name).touch()


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The server's environment, without variables that would configure moto or botocore."""
    inherited = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "MOTO_"))}
    return inherited | {"PYTHONUNBUFFERED": "1", "AWS_EC2_METADATA_DISABLED": "true"}


def _stop_unresponsive_server(paths: processes.SandboxPaths) -> None:
    """Stop a server of this sandbox that runs but no longer answers."""
    state = processes.load_state(paths)
    if state is not None and processes.is_alive(state.pid) and processes.is_server(state.pid):
        processes.stop_process(state.pid)


def remove_stack_configs(paths: processes.SandboxPaths, project: Path) -> tuple[Path, ...]:
    """Remove each `Pulumi.<stack>.yaml` of the sandbox's account; only sandboxes in the project's directory do so.

    A sandbox of one example, `.sandboxes/<name>`, has one stack, of its name; `.sandbox` has all others.

    A stack configuration of another account, or without one, is the user's and stays. The sandbox's account id is
    that of AWS's documentation, which no real account has.
    """
    examples = project / ".sandboxes"
    example_configs = {f"Pulumi.{path.name}.yaml" for path in examples.glob("*")}
    if paths.root.parent == examples:
        candidates = {f"Pulumi.{paths.root.name}.yaml"}
    elif paths.root == project / ".sandbox":
        candidates = {path.name for path in project.glob("Pulumi.*.yaml")} - example_configs
    else:
        return ()
    account_lines = {f"eonpro-kms:accountId:{quote}{processes.ACCOUNT}{quote}" for quote in ("", '"', "'")}
    configs = tuple(
        path
        for path in sorted(project.glob("Pulumi.*.yaml"))
        if path.name in candidates
        and any(line.strip().replace(" ", "") in account_lines for line in path.read_text().splitlines())
    )
    for path in configs:
        path.unlink()
    return configs


def _install_plugins(paths: processes.SandboxPaths) -> None:
    """Install the plug-ins where the chosen engine looks for them, unless they are installed already."""
    chosen = environment.engine()
    if chosen is None:
        raise SandboxError("no Pulumi engine was chosen yet", _SET_UP)
    if not chosen.path.exists():
        raise SandboxError(f"the chosen Pulumi engine no longer exists: {chosen.path}", _SET_UP)
    try:
        install(chosen.path, paths.pulumi_home, environment.interpreter())
    except InstallError as error:
        raise SandboxError(str(error), error.hint or _SET_UP) from error
