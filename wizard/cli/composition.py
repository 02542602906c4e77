"""The edges of a run, made from the environment: AWS, Vercel, Pulumi, the proof, and what this machine knows.

Touches the environment and nothing else; each edge says what it touches itself.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from components.settings import Settings
from wizard import SOURCE_FOLDER
from wizard.account.access.stored_reviews import REVIEWS
from wizard.aws import client as aws
from wizard.aws.auth import sign_in
from wizard.cli import github
from wizard.cli.commands import READ_ONLY
from wizard.cli.project_environment import changes_since, check_version, stage, upgrade
from wizard.commands.backup.command import after_setup
from wizard.core import retry
from wizard.core.clients import Answer, Clients
from wizard.core.errors import SetupError
from wizard.core.models.inputs import InputType, Question
from wizard.core.models.rotation import LastBackup
from wizard.core.models.vercel import Linked
from wizard.core.next_command import RunOptions, eonpro
from wizard.core.target_context import TargetContext
from wizard.data_key.verification import DecryptVerifier, Wrapper
from wizard.inputs import answers_file, vercel_cli
from wizard.inputs.answers_file import Drafts
from wizard.inputs.application_folder import ApplicationFolder, is_application
from wizard.inputs.application_readers import read_code
from wizard.inputs.registry import by_key
from wizard.pulumi_engine import config
from wizard.pulumi_engine.backend import StatePlaces, list_stacks
from wizard.pulumi_engine.engine import Engine
from wizard.pulumi_engine.process import EngineProcess
from wizard.pulumi_engine.workspace import Upgrade
from wizard.setup import saved_plan
from wizard.terminal.terminal import Terminal
from wizard.vercel.client import VercelClient
from wizard.vercel.http import BASE_URL

Secret = Callable[[str | None, str], None]
"""Takes a value that no log may hold, and the name that is written instead."""


def build_clients(
    options: RunOptions,
    terminal: Terminal,
    secret: Secret,
    *,
    project: Path,
    folder: Path,
    drafts: Drafts,
    application: ApplicationFolder,
    resolved: Mapping[str, Answer],
    is_upgrade: bool = False,
    outside: SetupError | None = None,
) -> Clients:
    """The edges of a run. `project` is the project's folder, `folder` the application's.

    `is_upgrade`: the project's program is older until its next update. `outside`: why only a profile reaches AWS here.
    """
    is_read_only = options.command in READ_ONLY
    clock = retry.Clock(on_wait=terminal.working)
    places = StatePlaces(project, os.environ)
    program = cache(EngineProcess)
    # Loading Pulumi's SDK and asking for the version takes a third of a second.
    load_engine = partial(retry.ahead, lambda: program().version)
    return Clients(
        ui=terminal,
        connect=partial(_connect, terminal, clock, is_read_only, outside, load_engine),
        vercel=cache(partial(_vercel, secret, is_read_only)),
        engine=partial(_engine, project, terminal, secret, program, is_upgrade),
        start_engine=load_engine,
        prover=DecryptVerifier(SOURCE_FOLDER, clock=clock),
        wrapper=Wrapper(SOURCE_FOLDER),
        github=github.reader(os.environ, secret),
        linked=_linked(application),
        detected=tuple(_found(application, folder, resolved)),
        application=folder if is_application(folder) else None,
        read_code=partial(read_code, folder),
        sign_in=partial(_sign_in, terminal),
        sign_in_problem=lambda profile: sign_in.problem(profile, os.environ),
        sign_in_to_vercel=partial(_sign_in_to_vercel, terminal) if vercel_cli.can_sign_in() else None,
        drafts=drafts,
        state=places,
        has_state_location=places.detect() is not None or options.command not in ("setup", "preview", "rehearsal"),
        back_up=partial(_back_up, terminal),
        saved_settings=partial(_saved_settings, project),
        list_stacks=partial(list_stacks, project),
        changes_since=changes_since,
        reviews=project / REVIEWS,
        save_plan=partial(_save_plan, options.save_plan, terminal) if options.save_plan else None,
        save_answers=partial(_save_answers, options.save_answers, terminal) if options.save_answers else None,
    )


def _linked(application: ApplicationFolder) -> Linked | None:
    """The project on Vercel that the environment names, or the application's folder."""
    return vercel_cli.linked_by_environment() or (vercel_cli.linked(application.linked) if application.linked else None)


def _connect(
    terminal: Terminal,
    clock: retry.Clock,
    is_read_only: bool,
    outside: SetupError | None,
    load_engine: Callable[[], object],
    profile: str | None,
    region: str | None,
) -> aws.AwsClient:
    if outside is not None and profile is None:
        raise outside
    # Begun when AWS is first asked: who needs no account starts no program, and who only reads needs no SDK.
    if not is_read_only:
        load_engine()
    return aws.connect(
        profile=profile,
        region=region,
        environ=os.environ,
        ask_code=partial(_ask_code, terminal) if terminal.interactive else None,
        clock=clock,
        reads_only=is_read_only,
    )


def _vercel(secret: Secret, is_read_only: bool, token: str) -> VercelClient:
    secret(token, "Vercel token")
    client = VercelClient(token=token, base_url=os.environ.get("VERCEL_API_URL") or BASE_URL)
    return client.asking_once() if is_read_only else client


def _engine(
    project: Path,
    terminal: Terminal,
    secret: Secret,
    program: Callable[[], EngineProcess],
    is_upgrade: bool,
    environment: Mapping[str, str],
    *,
    secrets_provider: str | None = None,
) -> Engine:
    def tell(text: str) -> None:
        terminal.line(text)
        terminal.working("waiting for Pulumi")

    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PULUMI_CONFIG_PASSPHRASE"):
        secret(environment.get(name), name)
    return Engine(
        project,
        environment=environment,
        on_message=tell,
        policy_pack=SOURCE_FOLDER / "guardrails",
        secrets_provider=secrets_provider,
        program=program,
        check_version=check_version,
        upgrade=Upgrade(program=stage(project), install=partial(upgrade, project)) if is_upgrade else None,
    )


def _ask_code(terminal: Terminal, serial: str) -> str:
    code = Question(
        key="mfa_code",
        kind=InputType.SECRET,
        prompt=f"The code of {serial.rsplit('/', 1)[-1]}",
        why="The profile takes a code; it is asked for once, and the session is used for all of this run.",
        explanation=f"The MFA device {serial} shows six digits; each can be used once.",
        check=lambda text: None if text.strip().isdecimal() else "It is not made of digits",
    )
    return str(terminal.ask(code)).strip()


def _sign_in(terminal: Terminal, profile: str) -> None:
    with terminal.keyboard.lent():
        sign_in.sign_in(profile, os.environ)


def _sign_in_to_vercel(terminal: Terminal) -> Answer:
    with terminal.keyboard.lent():
        return vercel_cli.sign_in()


def _back_up(terminal: Terminal, place: str, context: TargetContext) -> LastBackup:
    return after_setup(place, terminal, context, at=datetime.now(UTC))


def _found(application: ApplicationFolder, folder: Path, resolved: Mapping[str, Answer]) -> list[str]:
    """What was found beside the account, in words, each with its source. The checks begin with the backend."""
    told = []
    if application.framework:
        told.append(f"application {application.framework}, in {_short(folder)}")
    if application.linked:
        name = application.linked.project_name or application.linked.project_id
        told.append(f"Vercel project {name}, by {application.linked.source}")
    token, target = resolved.get("vercel_token"), resolved.get("target")
    if target is None or by_key["vercel_token"].needed({"target": target.value}):
        if token is not None:
            told.append(f"Vercel token, by {token.where}")
        elif (login := vercel_cli.cli_login()) is not None:
            lacking = "has expired" if login.expired else "cannot be read from here"
            told.append(f"{login.source} {lacking}: {login.way_out}")
    return told


def _saved_settings(project: Path) -> dict[str, Settings | SetupError]:
    saved: dict[str, Settings | SetupError] = {}
    for stack in config.stacks(project):
        try:
            settings = config.saved_settings(project, stack)
        except SetupError as error:
            saved[stack] = error
        else:
            if settings is not None:
                saved[stack] = settings
    return saved


def _save_plan(file: Path, terminal: Terminal, document: Mapping[str, Any]) -> None:
    saved_plan.write(file, document)
    terminal.line()
    terminal.line(f"the plan is in {file}; nothing was changed. To apply it:")
    terminal.verbatim(eonpro("setup", "--stack", document["stack"], "--plan", file))


def _save_answers(file: Path, terminal: Terminal, answers: Mapping[str, Any]) -> None:
    answers_file.write(file, answers)
    terminal.line()
    terminal.line(f"the answers are in {file}, without secrets; nothing was changed. To repeat this run:")
    terminal.verbatim(eonpro("setup", "--answers", file))


def _short(folder: Path) -> str:
    try:
        return f"~/{folder.resolve().relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(folder)
