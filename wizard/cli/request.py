"""Builds the Request of a run: reads answers from options, environment, files and earlier settings.

Touches the environment, the answers file, the stack's configuration file and its draft, the folder of the application.
The clients' libraries are loaded after the first question.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import installation
from components.installation import origin
from wizard import PROJECT_FOLDER, SOURCE_FOLDER
from wizard.cli import first_prompt, parser, project_trust
from wizard.cli.commands import READ_ONLY
from wizard.core import files
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.errors import CredentialsError, SetupError, UsageError
from wizard.core.models.inputs import CALLER, CREATE
from wizard.core.next_command import (
    CALLER_PATH,
    PROGRAM,
    SCRIPT,
    Command,
    Run,
    RunOptions,
    eonpro,
    policy_pack_word,
    quote,
)
from wizard.inputs import answers, answers_file, application_folder
from wizard.inputs.answers_file import read_answers
from wizard.inputs.registry import by_key
from wizard.pulumi_engine import config

if TYPE_CHECKING:
    from components.settings import Settings
    from wizard.core.models.stack import SavedPlan
    from wizard.terminal.terminal import Terminal


Secret = Callable[[str | None, str], None]
"""Takes a value that no log may hold, and the name that is written instead."""


def build_request(
    options: RunOptions,
    terminal: Terminal,
    secret: Secret,
    *,
    tolerates_settings: bool = False,
    is_upgrade: bool = False,
) -> tuple[Request, Clients]:
    """What the run was asked to do, and its clients. Raises UsageError with each answer that cannot be used.

    `tolerates_settings`: settings of the stack that cannot be used are as none. `is_upgrade`: this version of the
    program is newer than the project's, and becomes the project's with the update.
    """
    drafts = answers_file.Drafts(PROJECT_FOLDER)
    application = application_folder.detect(_application_folder())
    saved, plan = _saved(options, tolerates_settings), _saved_plan(options)
    if saved is not None:
        terminal.own = saved.account_id, saved.region
    outside = _outside_sandbox(options.stack, saved)
    if outside is not None and options.command not in READ_ONLY and options.inputs.get("profile") is None:
        # Not after its questions, and not as a token that is missing.
        raise outside
    # A pipe, such as `--answers <(sops -d FILE)`, can be read only once.
    resolve = partial(_resolved, options, saved, plan, cache(read_answers), cache(_secret_in))
    opened = first_prompt.EarlyAnswers()
    if terminal.interactive and options.command in ("setup", "preview"):
        # What is certain to be refused is refused before the first question.
        _find_engine(terminal)
        resolve(opened, {})
        opened = _opened(options, terminal, drafts, application)
    resolved = resolve(opened, _vercel_login())
    for key, answer in resolved.items():
        if by_key[key].secret:
            secret(str(answer.value), by_key[key].variable)
    from wizard.cli.composition import build_clients

    clients = build_clients(
        options,
        terminal,
        secret,
        project=PROJECT_FOLDER,
        folder=_application_folder(),
        drafts=drafts,
        application=application,
        resolved=resolved,
        is_upgrade=is_upgrade,
        outside=outside,
    )
    return _request(options, resolved, saved, opened, plan), clients


_SANDBOX = "123456789012"
"""The account of the sandbox: that of AWS's own examples, which nobody has."""


def _outside_sandbox(stack: str, saved: Settings | None) -> CredentialsError | None:
    """The error of a stack of the sandbox, in a shell that asks AWS itself; None for any other."""
    names = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    if saved is None or saved.account_id != _SANDBOX or any(name.startswith(names) for name in os.environ):
        return None
    script, own = Path(sys.executable).with_name("eonpro-sandbox"), PROJECT_FOLDER / ".sandboxes" / stack
    folder = f"EONPRO_SANDBOX_DIR={quote(str(own))} " if own.exists() else ""
    return CredentialsError(
        f"the stack {stack} lives in the sandbox, and this shell is not in it",
        Command(f'eval "$({folder}{_called(script) if script.exists() else script.name} env)"'),
    )


def _find_engine(terminal: Terminal) -> None:
    """The engine, on the PATH of this process; of the wheel, a person may have it installed now."""
    try:
        config.find_engine(os.environ)
    except SetupError:
        if not installation.IS_INSTALLED:
            raise
        from wizard.cli import init

        init.offer_engine(terminal)
        config.find_engine(os.environ)


# --- the first question ----------------------------------------------------------------------------------------


def _opened(
    options: RunOptions,
    terminal: Terminal,
    drafts: answers_file.Drafts,
    application: application_folder.ApplicationFolder,
) -> first_prompt.EarlyAnswers:
    given = options.inputs.get("target") is not None or os.environ.get(by_key["target"].variable)
    # Another stack's settings, an answers file or this stack's own say where the application runs.
    saved = (PROJECT_FOLDER / config.file_name(options.stack)).exists()
    told = options.from_stack or options.answers or options.plan or saved
    return first_prompt.begin(
        stack=options.stack,
        others=() if given or told else config.stacks(PROJECT_FOLDER),
        ui=terminal,
        draft=drafts.load(options.stack),
        is_target_known=bool(given or told),
        is_first=not (saved or options.plan),
        suggested=application.targets,
        now=datetime.now(UTC),
    )


# --- answers ---------------------------------------------------------------------------------------------------


def _secret_in(path: str) -> str:
    return files.read_text(Path(path).expanduser(), streams=True)


def _resolved(
    options: RunOptions,
    saved: Settings | None,
    plan: SavedPlan | None,
    read_file: Callable[[Path | None], dict[str, Any]],
    read_secret: Callable[[str], str],
    opened: first_prompt.EarlyAnswers,
    detected: Mapping[str, Answer],
) -> dict[str, Answer]:
    told, other = saved, options.from_stack or opened.copied
    if plan and not saved:
        # In a checkout that has no settings of the stack, a saved plan's are the ones that were approved.
        from wizard.setup import saved_plan

        told = saved_plan.settings_of(plan, config.as_text)
    resolved = answers.resolve(
        flags=options.inputs,
        environ=os.environ,
        file=read_file(options.answers),
        file_name=str(options.answers or ""),
        draft=opened.draft,
        saved=answers.from_settings(told) if told else {},
        saved_name=config.file_name(options.stack) if saved or not plan else plan.name,
        copied=answers.from_settings(_other(other)) if other else {},
        copied_name=config.file_name(other or ""),
        detected=detected,
        read_secret=read_secret,
    )
    if opened.target is not None:
        resolved["target"] = Answer(value=opened.target, source=Source.ASKED, where="your answer")
    return resolved


def _saved(options: RunOptions, tolerates_settings: bool) -> Settings | None:
    try:
        return config.saved_settings(PROJECT_FOLDER, options.stack)
    except UsageError:
        if not tolerates_settings:
            raise
        return None


def _other(stack: str) -> Settings:
    settings = config.saved_settings(PROJECT_FOLDER, stack)
    if settings is None:
        stacks = ", ".join(config.stacks(PROJECT_FOLDER)) or "none"
        raise UsageError(
            f"there is no stack {stack} to take settings from: {config.file_name(stack)} does not exist "
            f"(stacks: {stacks})",
            eonpro("status", "--all"),
        )
    return settings


def _request(
    options: RunOptions,
    resolved: Mapping[str, Answer],
    saved: Settings | None,
    opened: first_prompt.EarlyAnswers,
    plan: SavedPlan | None,
) -> Request:
    return Request(
        stack=options.stack,
        answers=resolved,
        saved=saved,
        yes=options.yes,
        confirmed=options.confirm,
        redeploy=options.redeploy,
        adopt=options.adopt,
        plan=plan,
        asked=opened.asked,
        everything=options.everything,
    )


def _saved_plan(options: RunOptions) -> SavedPlan | None:
    if options.plan is None:
        return None
    from wizard.setup import saved_plan

    return saved_plan.read_file(options.plan)


def _vercel_login() -> dict[str, Answer]:
    from wizard.inputs import vercel_cli

    login = vercel_cli.cli_login()
    if login is None or login.token is None:
        return {}
    return {"vercel_token": Answer(value=login.token, source=Source.DETECTED, where=login.source)}


def _application_folder() -> Path:
    """Where the application is: EONPRO_APP_FOLDER, or the folder that the wizard was started in."""
    return Path(os.environ.get("EONPRO_APP_FOLDER") or Path.cwd()).expanduser()


def run_of(argv: Sequence[str]) -> Run:
    """What a command that this run prints repeats of this command line, and how it calls the programs."""
    is_here = Path.cwd() == PROJECT_FOLDER
    return Run(
        flags=parser.given_flags(argv),
        takes=parser.flags_of,
        saved=partial(_saved_flags, argv),
        program=program(),
        python=python(),
        pulumi=pulumi(),
        aws=aws(),
        project=None if is_here else quote(str(PROJECT_FOLDER)),
        folder=str(PROJECT_FOLDER) if is_here else None,
        source=quote("." if is_here and SOURCE_FOLDER == PROJECT_FOLDER else str(SOURCE_FOLDER)),
        policy_pack=policy_pack_word(_from_project(SOURCE_FOLDER / "guardrails")),
        pages=origin.pages(),
    )


def _from_project(path: Path) -> Path:
    """The path as a command has it that is typed in the project's folder."""
    return path.relative_to(PROJECT_FOLDER) if path.is_relative_to(PROJECT_FOLDER) else path


def _called(path: Path) -> str:
    """A program of the project as this folder calls it, quoted: `.venv/bin/eonpro-kms`, or by its whole path."""
    return quote(str(_from_project(path) if Path.cwd() == PROJECT_FOLDER else path))


def _saved_flags(argv: Sequence[str]) -> frozenset[str]:
    """The flags of a command line whose answers are those of the stack's settings file; with all of its answers, too,
    `--answers`. None without that file, and where it or the command line cannot be used."""
    try:
        stack = parser.parse(argv).run.stack
        return _saved_flags_at((*argv,), (PROJECT_FOLDER / config.file_name(stack)).stat().st_mtime_ns)
    except (SetupError, OSError):
        return frozenset()


@lru_cache(maxsize=1)
def _saved_flags_at(argv: tuple[str, ...], written: int) -> frozenset[str]:
    """The flags that the settings file had as it was written at that time."""
    options = parser.parse(argv).run
    settings = config.saved_settings(PROJECT_FOLDER, options.stack)
    if settings is None:
        return frozenset()
    known = answers.from_settings(settings)
    # A pipe can be read once, and was.
    path = options.answers if options.answers and options.answers.is_file() else None
    flags = {key for key, value in options.inputs.items() if value is not None}
    given = partial(answers.resolve, environ={}, file_name="", saved={}, saved_name="", detected={})
    typed = given(flags=options.inputs, file={})
    same = {
        by_key[key].flag for key, answer in typed.items() if by_key[key].file_key in flags and _is(answer, key, known)
    }
    file = read_answers(path)
    of_file = given(flags={}, file=file)
    if path and all(_is(answer, key, known) for key, answer in of_file.items() if by_key[key].file_key in file):
        same.add("--answers")
    # An import that was begun is remembered, too.
    return frozenset((*same, "--from", *(("--adopt",) if settings.adopted else ())))


def _is(answer: Answer, key: str, known: Mapping[str, Any]) -> bool:
    """Whether an answer is the saved one: `caller` is whoever was, `create` what has no ARN of somebody else's.

    An answer that is never saved is known where its environment variable says the same: the next command has it, too.
    """
    if by_key[key].field is None:
        return bool(answer.value == os.environ.get(by_key[key].variable))
    if answer.value in (CALLER, (CALLER,)):
        return key in known
    return answer.value == known.get(key) or (answer.value == CREATE and known.get(key) is None)


def which(name: str) -> str | None:
    """The path of a program that the reader of a printed command finds by its name alone, in any folder; else None.

    `make demo` and `make wizard` give the wizard the sandbox's PATH, and pass on that of the shell they were typed in.
    """
    path = os.environ.get(CALLER_PATH, os.environ.get("PATH", os.defpath))
    # A folder of PATH that is not absolute is another one wherever the command is pasted.
    return shutil.which(name, path=os.pathsep.join(part for part in path.split(os.pathsep) if os.path.isabs(part)))


def program() -> str:
    """How this program is called: `eonpro-kms` where PATH leads to this project's script, else that script's path.

    Without such a script it is a module of the project's folder, which `Run` adds.
    """
    if installation.IS_INSTALLED:
        return _installed_program()
    if (found := which(SCRIPT)) and _starts_this_project(Path(found)):
        return SCRIPT
    beside = Path(sys.executable).with_name(SCRIPT)
    return _called(beside) if _starts_this_project(beside) else PROGRAM


def _installed_program() -> str:
    """How the program of the wheel is called: that of the project's own environment, which knows its project.

    Not that of a project that may not run: what is printed is typed.
    """
    script = Path(installation.VENV, "bin", SCRIPT)
    is_own = os.path.realpath(sys.prefix) == os.path.realpath(installation.VENV)
    if not script.exists() or not (is_own or project_trust.is_trusted(PROJECT_FOLDER)):
        script = Path(sys.executable).with_name(SCRIPT)
        if origin.IS_TEMPORARY:
            # That an index is the person's own is in no word of a command: of one, this environment's script. `uvx` has
            # it on this run's PATH alone.
            return " ".join(map(quote, origin.by_uvx() if origin.origin().url else (str(script),)))
    return SCRIPT if which(SCRIPT) == str(script) else _called(script)


def _starts_this_project(script: Path) -> bool:
    """Whether a script is the one that `make setup` wrote for this folder: another checkout has other stacks."""
    try:
        return repr(str(PROJECT_FOLDER)) in script.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def python() -> str:
    """How this interpreter is called: `python` where that is it, else by its path."""
    return "python" if which("python") == sys.executable else _called(Path(sys.executable))


def pulumi() -> str:
    """How the engine is called: `pulumi` where PATH has it, else by the path of the one of `make setup`."""
    chosen = None if which("pulumi") else config.chosen_engine()
    return _called(Path(chosen)) if chosen else "pulumi"


def aws() -> str:
    """How the AWS CLI is called: `aws` where PATH has it, else by the path of the one of `make setup`."""
    installed = Path(installation.CACHE, "awscli", "bin", "aws")
    return _called(installed) if which("aws") is None and os.access(installed, os.X_OK) else "aws"
