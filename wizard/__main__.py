"""The bell: `python -m wizard`. Reads the command line, makes the terminal, runs one command, prints its error, exits.

Touches standard input and output, and all of the wizard. Libraries are loaded after `--help`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, TextIO

from wizard import as_typed, command_line
from wizard.command_line import INTERRUPTED
from wizard.errors import Cancelled, PreflightFailed, SetupError, UsageError

if TYPE_CHECKING:
    from wizard.commands import Ended
    from wizard.log import Log
    from wizard.terminal import Terminal
    from wizard.terminal_screen import Screen

_NO_FAULT = (UsageError, Cancelled)
"""Errors that a log explains no better than they do themselves."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code (`command_line.EXIT_CODES`)."""
    _open_streams()
    words = sys.argv[1:] if argv is None else argv
    try:
        options = command_line.parse(words)
    except UsageError as error:
        return _refused(words, error)
    try:
        from wizard import commands
        from wizard.terminal import Terminal
        from wizard.terminal_stream import lasting

        asks = not (options.non_interactive or options.json) and _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
        out = sys.stderr if options.json else sys.stdout
        terminal = Terminal(interactive=asks, out=out if asks else lasting(out), python=as_typed.python())
        with commands.logging_of(options, terminal, words) as log:
            code, document = _run(options, terminal, log)
            if log:
                log.ended(code)
    except KeyboardInterrupt:  # before anything began, or a second time
        code, document = _interrupted(options, _stderr())
    if options.json:
        print(json.dumps(document, indent=2))
    return code


def _run(options: argparse.Namespace, terminal: Terminal, log: Log | None) -> Ended:
    from wizard import commands, documents

    path = str(log.path) if log and log.path else None
    if log and log.warning:
        _stderr().line(log.warning)
    if path and (options.verbose or options.debug):
        _stderr().line(f"the log: {as_typed.near(path)}")
    try:
        return commands.run(options, terminal, log)
    except KeyboardInterrupt:
        return _interrupted(options, terminal)
    except SetupError as error:
        terminal.settle()
        if log:
            log.failed(error)
        _print(error, None if isinstance(error, _NO_FAULT) else path)
        return error.exit_code, documents.failure(error, command=options.command, log=path)
    except BaseException as bug:
        terminal.settle()
        if log:
            log.failed(bug)
            sys.excepthook = log.excepthook(sys.stderr)
        if options.json:
            print(json.dumps(documents.bug(command=options.command, log=path), indent=2))
        raise


def _interrupted(options: argparse.Namespace, screen: Screen) -> Ended:
    from wizard import documents

    screen.line()
    screen.line("interrupted; nothing is half done: run the same command again and it goes on from here")
    return INTERRUPTED, documents.interrupted(command=options.command, exit_code=INTERRUPTED)


def _refused(words: Sequence[str], error: UsageError) -> int:
    """A command line that cannot be read: told as every failure is."""
    from wizard import documents

    _print(error, None)
    if "--json" in words:
        print(json.dumps(documents.failure(error, command=command_line.command_of(words)), indent=2))
    return error.exit_code


def _stderr() -> Screen:
    from wizard.terminal_screen import Screen

    return Screen(out=sys.stderr, python=as_typed.python())


def _open_streams() -> None:
    """Those that were closed, onto the null device: what is opened next would take their place, and be written to."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free: this one.
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _is_terminal(stream: TextIO | None) -> bool:
    # Python has none for a descriptor that was closed before it started.
    return stream is not None and stream.isatty()


def _print(error: SetupError, log: str | None) -> None:
    screen = _stderr()
    if isinstance(error, PreflightFailed):
        screen.problems(error.problems)
    screen.error(error)
    if log:
        screen.line(f"the log: {as_typed.near(log)}")


def _leave(code: int) -> NoReturn:
    """End the process; after a Ctrl-C at once, for a call that nobody waits for any more would hold the end up."""
    if code == INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    # Until the first question shows all that is loaded stays: there is nothing to collect. `request` turns it on again.
    gc.disable()
    _leave(main())
