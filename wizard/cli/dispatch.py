"""Runs the command of a command line: offline, or with a request and clients; to an exit code and one JSON document.

Touches what the command touches, and the log of the run. Loads the clients when a command needs them.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wizard import PROJECT_FOLDER
from wizard.cli import request
from wizard.cli.parser import CommandLine
from wizard.core.next_command import PROGRAM, Offline, Result, RunOptions

if TYPE_CHECKING:
    from wizard.cli.run_log import Log
    from wizard.terminal.terminal import Terminal


@contextmanager
def logging_of(line: CommandLine, terminal: Terminal, words: Sequence[str]) -> Iterator[Log | None]:
    """The log of the run while inside; None for a command that asks no service."""
    options = line.run
    if line.command.is_offline and options.log is None:
        yield None
        return
    from wizard.cli import run_log

    loudness = (
        run_log.Loudness.ALL if options.debug else run_log.Loudness.CALLS if options.verbose else run_log.Loudness.QUIET
    )
    with run_log.keep(
        stack=options.stack,
        folder=PROJECT_FOLDER,
        environ=os.environ,
        err=sys.stderr,
        file=options.log,
        loudness=loudness,
        before=terminal.settle,
    ) as log:
        system = os.uname()
        facts = {"Python": sys.version.split()[0], "on": f"{system.sysname} {system.release} {system.machine}"}
        run_log.started(shlex.join((*PROGRAM.split(), *words)), facts)
        yield log


def run(line: CommandLine, terminal: Terminal, log: Log | None = None) -> Result:
    """One command to its end. Raises SetupError. The log is given every secret that the run reads, to leave it out."""
    if line.command.is_offline:
        result: Result = line.options.run_offline(_offline(line.run))
        return result
    every_stack = getattr(line.options, "all_stacks", False)
    terminal.title(f"EONPRO KMS · {line.command.name} · {'every stack' if every_stack else f'stack {line.run.stack}'}")
    asked, clients = request.build_request(
        line.run,
        terminal,
        log.secret if log is not None else lambda value, name: None,
        tolerates_settings=line.command.tolerates_settings,
    )
    result = line.options.run(asked, clients)
    return result


def _offline(options: RunOptions) -> Offline:
    from wizard.pulumi_engine import config
    from wizard.terminal.text import print_text

    return Offline(
        run=options,
        project=PROJECT_FOLDER,
        saved=lambda: config.saved_settings(PROJECT_FOLDER, options.stack),
        saved_name=config.file_name(options.stack),
        print=(lambda text: None) if options.json else print_text,
    )
