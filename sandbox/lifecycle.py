"""A sandbox's life: start, stop, status, env, prepare.

It may touch the sandbox's directory, start one server process, end that process, and on `stop` remove a stack's
config file that belongs to the sandbox's account.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox import environment
from sandbox.state import ACCOUNT, PROJECT, Places, State, alive, answers, end, is_server, load, locked, places, running

START_SECONDS = 60.0


class SandboxError(Exception):
    """Something the person at the keyboard can mend; `hint` is the next command to type."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def start() -> int:
    """Start a fresh, empty cloud, unless one already runs; exit 0 either way."""
    where = places()
    with locked(where):
        state = running(where)
        if state is not None:
            say(f"the sandbox already runs (process {state.pid}): AWS {state.aws_url}, Vercel {state.vercel_url}")
        else:
            began = time.monotonic()
            _end_unresponsive(where)
            _clear(where)
            state = _launch(where)
            took = time.monotonic() - began
            say(f"the sandbox runs after {took:.1f} s: AWS {state.aws_url}, Vercel {state.vercel_url}")
        if environment.engine() is None:
            say("no Pulumi engine was chosen yet, so `pulumi` is not part of it: make setup")
        else:
            _install_plugins(where)
    return 0


def stop() -> int:
    """End the sandbox and everything built in it; exit 0, also when none runs."""
    where = places()
    if not where.root.exists():
        say("the sandbox does not run")
        return 0
    with locked(where):
        state = load(where)
        ours = state is not None and alive(state.pid) and (answers(state) or is_server(state.pid))
        if state is not None and ours:
            end(state.pid)
            say("the sandbox has stopped")
        else:
            say("the sandbox does not run")
        _clear(where)
        for removed in remove_stack_configs(where, PROJECT):
            say(f"removed {removed.name}: it described the sandbox's account {ACCOUNT}")
    return 0


def status() -> int:
    """Say whether the sandbox runs; exit 0 when it does, 1 when it does not."""
    where = places()
    state = running(where)
    if state is None:
        print("the sandbox does not run\n  python -m sandbox start")
        return 1
    print(f"the sandbox runs (process {state.pid}, since {state.started_at})")
    print(f"  AWS     {state.aws_url} (account {ACCOUNT})")
    print(f"  Vercel  {state.vercel_url}")
    print(f"  log     {where.log}")
    print('  use it  eval "$(python -m sandbox env)"')
    return 0


def env() -> int:
    """Print the variables that point a shell at the running sandbox; exit 1 when there is none."""
    where = places()
    state = running(where)
    if state is None:
        raise SandboxError("the sandbox does not run", "python -m sandbox start")
    print("\n".join(environment.lines(where, state)))
    return 0


def prepare() -> int:
    """Install the sandbox's Pulumi plug-ins beside the chosen engine; quick when that is done already."""
    where = places()
    with locked(where):
        _install_plugins(where)
    return 0


COMMANDS: dict[str, Callable[[], int]] = {
    "start": start,
    "stop": stop,
    "status": status,
    "env": env,
    "prepare": prepare,
}


def say(line: str) -> None:
    """Progress goes to stderr: stdout is for what programs read."""
    print(line, file=sys.stderr)


def _clear(where: Places) -> None:
    """Drop what described the former cloud. PULUMI_HOME keeps its plug-ins, which describe no cloud."""
    where.state.unlink(missing_ok=True)
    where.web_identity_token.unlink(missing_ok=True)
    for name in (where.backend, where.pulumi_home / "workspaces"):
        shutil.rmtree(name, ignore_errors=True)


def _launch(where: Places) -> State:
    """Start the server process, wait until it says that it answers, and return what it wrote down."""
    furnish(where)
    ready, tell = os.pipe()
    with open(where.log, "wb") as log:
        server = subprocess.Popen(
            [str(environment.interpreter()), "-m", "sandbox.server", str(where.root), str(tell)],
            cwd=PROJECT, env=server_environment(os.environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=(tell,), start_new_session=True,
        )  # fmt: skip
    os.close(tell)
    try:
        # The pipe gives a byte when the server answers, and ends without one when the process died.
        readable, _, _ = select.select([ready], [], [], START_SECONDS)
        said = os.read(ready, 1) if readable else b""
    finally:
        os.close(ready)
    state = load(where) if said else None
    if state is None:
        end(server.pid)
        tail = "\n".join(where.log.read_text(errors="replace").splitlines()[-15:])
        raise SandboxError(f"the sandbox did not start:\n{tail}", f"the whole log: {where.log}")
    return state


def furnish(where: Places) -> None:
    """Make the directories that a server and its users expect."""
    for directory in (where.backend, where.pulumi_home, where.aws_config):
        directory.mkdir(parents=True, exist_ok=True)
    for name in ("config", "credentials"):
        (where.aws_config / name).touch()


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The server's own environment, without anything that would steer the emulator or its SDK."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "MOTO_"))}
    return kept | {"PYTHONUNBUFFERED": "1", "AWS_EC2_METADATA_DISABLED": "true"}


def _end_unresponsive(where: Places) -> None:
    """End a server of ours that lives but no longer answers, so that a fresh one does not run beside it."""
    state = load(where)
    if state is not None and alive(state.pid) and is_server(state.pid):
        end(state.pid)


def remove_stack_configs(where: Places, project: Path) -> tuple[Path, ...]:
    """Remove each `Pulumi.<stack>.yaml` whose account is the sandbox's; only the project's own sandboxes may do so.

    A sandbox of one example, `.sandboxes/<name>`, has one stack, of its name; all others are the sandbox's.

    A stack config of any other account, or without one, is a person's and stays. The sandbox's account is the one
    of AWS's documentation, which nobody has.
    """
    examples = project / ".sandboxes"
    apart = {f"Pulumi.{path.name}.yaml" for path in examples.glob("*")}
    if where.root.parent == examples:
        wanted = {f"Pulumi.{where.root.name}.yaml"}
    elif where.root == project / ".sandbox":
        wanted = {path.name for path in project.glob("Pulumi.*.yaml")} - apart
    else:
        return ()
    mine = {f"eonpro-kms:accountId:{quote}{ACCOUNT}{quote}" for quote in ("", '"', "'")}
    found = tuple(
        path
        for path in sorted(project.glob("Pulumi.*.yaml"))
        if path.name in wanted and any(line.strip().replace(" ", "") in mine for line in path.read_text().splitlines())
    )
    for path in found:
        path.unlink()
    return found


def _install_plugins(where: Places) -> None:
    """Put the plug-ins where the chosen engine looks for them; done in no time when they are there."""
    chosen = environment.engine()
    if chosen is None:
        raise SandboxError("no Pulumi engine was chosen yet", "make setup")
    if not chosen.path.exists():
        raise SandboxError(f"the chosen Pulumi engine is gone: {chosen.path}", "make setup")
    from sandbox.pulumi_plugins.install import InstallError, install

    where.pulumi_home.mkdir(parents=True, exist_ok=True)
    try:
        install(chosen.path, where.pulumi_home, environment.interpreter(), environment.CACHE)
    except InstallError as failed:
        raise SandboxError(str(failed), "make setup") from failed
