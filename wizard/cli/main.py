"""`python -m wizard`: reads the command line, builds the terminal, runs one command, prints its error, exits.

Touches standard input and output, and all of the wizard. Libraries are loaded after `--help`.
"""

from __future__ import annotations

import atexit
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from components import installation
from wizard import PROJECT_FOLDER, version
from wizard.cli import parser, request, shortage
from wizard.cli.parser import INTERRUPTED
from wizard.core import next_command, safe_text
from wizard.core.errors import Cancelled, PreflightFailed, SetupError, UsageError
from wizard.core.next_command import PROGRAM, SCRIPT, Command, Result, Run, RunOptions, shell
from wizard.pulumi_engine import config
from wizard.terminal.text import ignore_broken_pipe, lost, print_text

if TYPE_CHECKING:
    from components.settings import Settings
    from wizard.cli.parser import CommandLine
    from wizard.cli.run_log import Log
    from wizard.core.clients import Offline
    from wizard.terminal.screen import Screen
    from wizard.terminal.terminal import Terminal

_NO_FAULT = (UsageError, Cancelled)
"""Errors that a log explains no better than they do themselves."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code (`parser.EXIT_CODES`)."""
    try:
        return _main(argv)
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        if (lack := shortage.error_of(error)) is None:
            raise
        # Nothing is imported for it: no file can be opened, perhaps.
        with suppress(OSError, ValueError):
            sys.stderr.write(f"\n✗ {lack.message}\n  next: {_with_advice(lack.hint)}\n")
        return lack.exit_code


def _check_folder() -> None:
    """Raises UsageError in a folder that was removed: no path can be told from there."""
    try:
        os.getcwd()
    except OSError as error:
        os.chdir(os.sep)  # So that the refusal can be told.
        raise UsageError(f"the folder that this was typed in is gone: {error.strerror}", shell("cd")) from error


def _with_advice(step: str) -> str:
    advice = step.advice if isinstance(step, Command) else ""
    return f"{step}   # {advice}" if advice else step


def _main(argv: list[str] | None) -> int:
    _open_streams()
    # A folder of PATH that is not absolute is another one in each folder: its programs are whoever's that folder is.
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(filter(os.path.isabs, path)) or os.defpath
    if "_ARGCOMPLETE" in os.environ:
        from wizard.cli import completion

        completion.complete()
    words = sys.argv[1:] if argv is None else argv
    try:
        if (text := parser.answered(words)) is not None:
            print_text(text.removesuffix("\n"))
            return 0
        line = parser.parse(words)
        _check_folder()
    except UsageError as error:
        return _refused(words, error)
    options, run_ = line.run, request.run_of(words)
    try:
        from wizard.terminal.keyboard import Keyboard
        from wizard.terminal.terminal import Terminal

        asks = not (options.non_interactive or options.json) and _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
        out = sys.stderr if options.json else sys.stdout
        keyboard = Keyboard(sys.stdin if asks else None)
        terminal = Terminal(interactive=asks, out=out if asks else ignore_broken_pipe(out), run=run_, keyboard=keyboard)
        is_upgrade = False
        if not installation.IS_INSTALLED and not installation.is_project(str(PROJECT_FOLDER)):
            from wizard.cli import project_environment

            project_environment.check_name(PROJECT_FOLDER)
        if installation.IS_INSTALLED and not line.command.is_offline:
            with keyboard.held():
                program, is_upgrade = _in_project(line, terminal)
            if program is not None:
                os.execv(program, [str(program), *words])
        with keyboard.held(), logging_of(line, terminal, words) as log:
            code, document = _run(line, terminal, log, run_, is_upgrade=is_upgrade)
            if log:
                log.ended(code)
    except SetupError as error:
        return _refused(words, error)
    except KeyboardInterrupt:  # before anything began, or a second time
        code, document = _interrupted(options, _stderr(Run()))
    if options.json:
        _print_document(run_.complete_all(document))
    return code


def _run(line: CommandLine, terminal: Terminal, log: Log | None, run: Run, *, is_upgrade: bool) -> Result:
    options = line.run
    path = str(log.path) if log and log.path else None
    if log and log.warning:
        _stderr(run).line(log.warning)
    if path and (options.verbose or options.debug):
        _stderr(run).line(f"the log: {_near(path)}")
    try:
        from wizard.core import watchdog

        with watchdog.watching():
            return run_command(line, terminal, log, is_upgrade=is_upgrade)
    except KeyboardInterrupt:
        return _interrupted(options, terminal)
    except SetupError as error:
        terminal.settle()
        if log:
            log.failed(error)
        # Who says no has made no mistake.
        is_choice = terminal.interactive and isinstance(error, Cancelled)
        _print(error, None if isinstance(error, _NO_FAULT) else path, run, is_choice=is_choice)
        from wizard.core import json_documents

        return error.exit_code, json_documents.failure(error, command=options.command, log=path)
    except BaseException as bug:
        terminal.settle()
        if (lack := shortage.error_of(bug)) is not None:
            if log:
                log.failed(bug)
            _print(lack, path, run)
            if not options.json:
                # To load what makes the document may take what is lacking.
                return lack.exit_code, {}
            from wizard.core import json_documents

            return lack.exit_code, json_documents.failure(lack, command=options.command, log=path)
        if log:
            log.failed(bug)
            sys.excepthook = log.excepthook(sys.stderr)
        if options.json:
            from wizard.core import json_documents

            _print_document(json_documents.bug(command=options.command, log=path))
        raise


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


def _in_project(line: CommandLine, terminal: Terminal) -> tuple[Path | None, bool]:
    """The program of the project's own environment, for the wheel, where it is to run the command instead of this one.

    And whether this version is newer than the project's. Raises SetupError where there is no project.
    """
    from wizard.cli import init, project_environment, project_trust

    project = PROJECT_FOLDER
    if not installation.is_project(str(project)):
        for folder in (project, Path(sys.prefix).parent):
            project_environment.check_name(folder)
        if not init.is_empty(project):
            project /= SCRIPT
        command = next_command.eonpro("init", project)
        if installation.is_project(str(project)) or line.command.name != "setup" or not terminal.interactive:
            raise UsageError(
                f"{PROJECT_FOLDER} is in no project of {SCRIPT}, which holds the settings of its stacks", command
            )
        terminal.title("EONPRO KMS · a new project")
        terminal.line(
            "A small project keeps the settings of the stacks, the access reviews and the version of this program."
        )
        if not terminal.confirm(f"Make it in {project}?", why="Everything in it can be committed; it holds no secret."):
            raise Cancelled("nothing was changed", command)
        terminal.working("installing the packages")
        init.make(project)
        terminal.settle()
    else:
        project_trust.require(project, terminal)
    program = project_environment.program_of(project, line.command.name, terminal.working)
    terminal.settle()
    is_newer = project_environment.is_newer(version(), project_environment.pinned(project))
    return program, program is None and is_newer


def run_command(line: CommandLine, terminal: Terminal, log: Log | None = None, *, is_upgrade: bool = False) -> Result:
    """One command to its end. Raises SetupError. The log is given every secret that the run reads, to leave it out.

    `is_upgrade`: this version of the program is newer than the project's.
    """
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
        is_upgrade=is_upgrade,
    )
    result = line.options.run(asked, clients)
    return result


def _offline(options: RunOptions) -> Offline:
    from wizard.cli import github
    from wizard.core.clients import Offline

    def saved() -> Settings | None:
        if installation.IS_INSTALLED and installation.is_project(str(PROJECT_FOLDER)):
            from wizard.cli import project_trust

            project_trust.check_owner(PROJECT_FOLDER)
        return config.saved_settings(PROJECT_FOLDER, options.stack)

    return Offline(
        run=options,
        project=PROJECT_FOLDER,
        saved=saved,
        saved_name=config.file_name(options.stack),
        print=(lambda text: None) if options.json else lambda text: print_text(safe_text.lines(text)),
        github=github.reader(os.environ, lambda value, name: None),
    )


def _interrupted(options: RunOptions, screen: Screen) -> Result:
    from wizard.core import json_documents

    screen.line()
    screen.line("interrupted; nothing is half done: run the same command again and it goes on from here")
    return INTERRUPTED, json_documents.interrupted(command=options.command, exit_code=INTERRUPTED)


def _refused(words: Sequence[str], error: SetupError) -> int:
    """A command line that cannot be read: told as every failure is."""
    from wizard.core import json_documents

    run = request.run_of(words)
    _print(error, None, run)
    if "--json" in words:
        document = json_documents.failure(error, command=parser.command_of(words))
        _print_document(run.complete_all(document))
    return error.exit_code


def _stderr(run: Run) -> Screen:
    from wizard.terminal.screen import Screen

    return Screen(out=ignore_broken_pipe(sys.stderr), run=run)


def _open_streams() -> None:
    """Open the standard streams that were closed, onto the null device: what is opened next would take their place."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free: this one.
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _is_terminal(stream: TextIO | None) -> bool:
    # Python has none for a descriptor that was closed before it started.
    return stream is not None and stream.isatty()


def _print(error: SetupError, log: str | None, run: Run, *, is_choice: bool = False) -> None:
    from wizard.core.models.inputs import Mark

    screen = _stderr(run)
    if isinstance(error, PreflightFailed):
        screen.problems(error.problems)
    screen.error(error, mark=Mark.INFO if is_choice else Mark.FAIL)
    if log:
        screen.line(f"the log: {_near(log)}")


def _print_document(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    import json

    print_text(json.dumps(document, indent=2))


def _leave(code: int) -> NoReturn:
    """End the process at once: to take apart what is loaded takes Python a tenth of a second.

    Nor does a call that nobody waits for any more hold the end up.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            continue  # Its reader has gone, and misses nothing.
        except OSError as error:
            lost.append(error)
        except ValueError:
            continue  # It is closed.
    if lost and code != INTERRUPTED:
        with suppress(OSError, ValueError):
            why = lost[0].strerror or type(lost[0]).__name__
            os.write(2, f"✗ the output is not complete: standard output cannot be written: {why}\n".encode())
        # What the command did is done.
        code = code or 1
    os._exit(code)


def run() -> None:
    """The process from its start to its end: never returns."""
    _leave(main())


def _near(path: str) -> str:
    """A path relative to this folder, for what is in it; else as it is."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
