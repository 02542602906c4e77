"""A stage: plays scenes of the wizard over fakes, each in a process of its own, at a terminal of its own.

Everything is real up to the edges: command line, terminal, prompts, interview, steps, drafts on disk. The edges are the
fakes of `tests/wizard/fakes/clients.py`; no cloud and no engine is behind them. Started once, it holds the libraries
and forks for each scene. Touches the folder and the terminal that it is given with each order.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import termios
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import prompt_toolkit  # noqa: F401
import questionary  # noqa: F401

import wizard.aws.auth.sign_in
import wizard.aws.client
import wizard.data_key.verification
import wizard.inputs.vercel_cli
import wizard.pulumi_engine.engine
import wizard.setup.workflow
import wizard.vercel.client
from tests.terminal.scenes import SCENES
from tests.terminal.worlds import World
from wizard.cli import main as cli
from wizard.cli import request

CALLS = "calls-of-the-fakes.txt"
"""What the fakes were asked, one call a line; written when the scene is over."""


def main() -> None:
    """Take orders until whoever gives them is gone."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    # Nobody waits for those who wait for the actors.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, (*descriptors,), _, _ = socket.recv_fds(orders, 65536, 2)
        if not order:
            return
        terminal, told = descriptors
        if os.fork() == 0:
            orders.close()
            _stand_by(json.loads(order), terminal, told)
        os.close(terminal)
        os.close(told)


def _stand_by(order: dict[str, Any], terminal: int, told: int) -> NoReturn:
    """Tell the actor's process id, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    actor = os.fork()
    if actor == 0:
        os.close(told)
        _enter(order, terminal)
    os.close(terminal)
    os.write(told, actor.to_bytes(4))
    _, status = os.waitpid(actor, 0)
    os.write(told, os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))
    os._exit(0)


def _enter(order: dict[str, Any], terminal: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for descriptor in range(3):
            os.dup2(terminal, descriptor)
        os.close(terminal)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        code = _play(order)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001
        # What a person would see of it; the exit code is what Python gives it.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _play(order: dict[str, Any]) -> int:
    scene = SCENES[order["scene"]]
    world = scene.world()
    folder = Path(order["folder"])
    world.engine.folder = folder
    with ExitStack() as replaced:
        for where, name, what in _replaced(world, folder):
            replaced.enter_context(mock.patch.object(where, name, what))
        try:
            return cli.main([*scene.arguments, *order["arguments"]])
        finally:
            (folder / CALLS).write_text("".join(f"{call}\n" for call in world.log))


def _replaced(world: World, folder: Path) -> tuple[tuple[Any, str, Any], ...]:
    """Everything that would reach out of this machine or of the scene's folder, and what stands there instead."""
    return (
        (request, "PROJECT_FOLDER", folder),
        (cli, "PROJECT_FOLDER", folder),
        (wizard.aws.client, "connect", world.connect),
        (wizard.aws.auth.sign_in, "sign_in", world.sign_in),
        (wizard.aws.auth.sign_in, "problem", lambda profile, environ: None),
        (wizard.vercel.client, "VercelClient", world.open_vercel),
        (wizard.inputs.vercel_cli, "can_sign_in", lambda: world.has_vercel_cli),
        (wizard.inputs.vercel_cli, "sign_in", world.sign_in_to_vercel),
        (wizard.pulumi_engine.engine, "Engine", world.pulumi),
        (wizard.data_key.verification, "DecryptVerifier", world.child_prover),
    )


if __name__ == "__main__":
    main()
