"""The edges of a run, made from the environment: AWS, Vercel, Pulumi, the proof, and what this machine knows.

Touches the environment and nothing else; each edge says what it touches itself, and is loaded when it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.account.access.stored_reviews import REVIEWS
from wizard.cli.commands import READ_ONLY
from wizard.core.clients import ApplicationCode, Clients
from wizard.core.errors import SetupError
from wizard.core.models.answers import Answer
from wizard.core.models.inputs import InputType, Question
from wizard.core.next_command import RunOptions, wizard
from wizard.core.retry import Clock
from wizard.inputs.application_folder import ApplicationFolder, missing_parts
from wizard.inputs.registry import by_key
from wizard.inputs.saved_progress import DraftFiles
from wizard.pulumi_engine import config, process
from wizard.terminal.terminal import Terminal

if TYPE_CHECKING:
    from components.settings import Settings
    from wizard.aws import Aws
    from wizard.core.models.rotation import LastBackup
    from wizard.core.ports.run import TargetContext
    from wizard.core.state_backend import BackendFact
    from wizard.pulumi_engine.engine import PulumiEngine
    from wizard.vercel.client import Vercel

ASK_AHEAD = {
    "setup": ("kms", "ssm", "iam"),
    "status": ("kms", "ssm", "cloudtrail"),
    "verify": ("kms", "ssm", "iam"),
    "doctor": ("kms", "ssm", "iam", "cloudtrail", "s3", "events", "sns"),
    "review": ("kms", "iam", "cloudtrail"),
    "report": ("kms", "ssm", "iam", "cloudtrail", "s3", "events", "sns"),
}
"""The commands whose first question is who the caller is: it is asked while the rest of the wizard is loaded, and the
models of the services that they ask next. In a set-up without `--yes` a person may still choose another account."""

Secret = Callable[[str | None, str], None]
"""Takes a value that no log may hold, and the name that is written instead."""


def build_clients(
    options: RunOptions,
    terminal: Terminal,
    secret: Secret,
    *,
    project: Path,
    folder: Path,
    drafts: DraftFiles,
    application: ApplicationFolder,
    resolved: Mapping[str, Answer],
) -> Clients:
    """The edges of a run. `project` is the project's folder, `folder` the application's."""

    clock = Clock(on_wait=terminal.working)

    def tell(text: str) -> None:
        terminal.line(text)
        terminal.working("waiting for Pulumi")

    def engine(environment: Mapping[str, str], *, secrets_provider: str | None = None) -> PulumiEngine:
        from wizard.pulumi_engine.engine import PulumiEngine

        for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PULUMI_CONFIG_PASSPHRASE"):
            secret(environment.get(name), name)
        return PulumiEngine(
            project,
            environment=environment,
            on_message=tell,
            policy_pack=project / "guardrails",
            secrets_provider=secrets_provider,
            program=program() if program.cache_info().currsize else process.EngineProcess,
        )

    is_read_only = options.command in READ_ONLY

    @cache
    def vercel(token: str) -> Vercel:
        from wizard.vercel import client, http

        secret(token, "Vercel token")
        base_url = os.environ.get("VERCEL_API_URL") or http.BASE_URL
        return client.Vercel(token=token, base_url=base_url, asks_once=is_read_only)

    def code(serial: str) -> str:
        secret_code = Question(
            key="mfa_code",
            kind=InputType.SECRET,
            prompt=f"The code of {serial.rsplit('/', 1)[-1]}",
            why="The profile takes a code; it is asked for once, and the session is used for all of this run.",
            explanation=f"The MFA device {serial} shows six digits; each can be used once.",
            check=lambda text: None if text.strip().isdecimal() else "It is not made of digits",
        )
        return str(terminal.ask(secret_code)).strip()

    program = cache(process.start_early)

    ahead: dict[tuple[str | None, str | None], Aws] = {}

    def connect(profile: str | None, region: str | None) -> Aws:
        from wizard import aws

        if (profile, region) in ahead:
            return ahead.pop((profile, region))
        # Begun when AWS is first asked: who needs no account starts no program, and who only reads needs no SDK.
        if not is_read_only:
            program()
        return aws.connect(
            profile=profile,
            region=region,
            environ=os.environ,
            ask_code=code if terminal.interactive else None,
            clock=clock,
            asks_once=is_read_only,
            reads_only=is_read_only,
        )

    from wizard.data_key.verification import ChildDecryptVerifier, ChildWrapper

    prover = ChildDecryptVerifier(project, clock=clock)
    given = {key: answer.value for key, answer in resolved.items()}
    profile, region = given.get("profile"), given.get("region")
    if region and options.command in ASK_AHEAD and (options.yes or options.command != "setup"):
        # What is wrong with the credentials is raised where the command connects.
        with suppress(SetupError):
            ahead[profile, region] = connect(profile, region)
            ahead[profile, region].ask_ahead(ASK_AHEAD[options.command])
        if options.command in ("verify", "doctor"):
            prover.warm_up()
        import wizard.pulumi_engine.engine
        import wizard.vercel.client  # noqa: F401
    from wizard.cli import github
    from wizard.inputs import vercel_cli
    from wizard.pulumi_engine.backend import StatePlaces, list_stacks

    def back_up(place: str, context: TargetContext) -> LastBackup:
        from wizard.commands.backup import command

        return command.after_setup(place, terminal, context, at=datetime.now(UTC))

    def sign_in(profile: str) -> None:
        from wizard.aws.auth import sign_in

        with terminal.keyboard.lent():
            sign_in.sign_in(profile, os.environ)

    def sign_in_problem(profile: str) -> SetupError | None:
        from wizard.aws.auth import sign_in

        return sign_in.problem(profile, os.environ)

    def sign_in_to_vercel() -> Answer:
        with terminal.keyboard.lent():
            return vercel_cli.sign_in()

    places = StatePlaces(project, os.environ)
    backend = places.detect()
    return Clients(
        ui=terminal,
        connect=connect,
        vercel=vercel,
        engine=engine,
        prover=prover,
        wrapper=ChildWrapper(project),
        github=github.reader(os.environ, secret),
        linked=vercel_cli.linked_by_environment()
        or (vercel_cli.linked(application.linked) if application.linked else None),
        detected=tuple(_found(application, folder, resolved, backend)),
        missing_parts=partial(_missing_parts, folder),
        read_code=partial(_read_code, folder),
        sign_in=sign_in,
        sign_in_problem=sign_in_problem,
        sign_in_to_vercel=sign_in_to_vercel if vercel_cli.can_sign_in() else None,
        drafts=drafts,
        state=places,
        has_state_location=backend is not None or options.command not in ("setup", "preview"),
        back_up=back_up,
        saved_settings=lambda: _saved_settings(project),
        list_stacks=lambda environment: list_stacks(project, environment),
        start_engine=program,
        reviews=project / REVIEWS,
        save_plan=_plan_keeper(options.save_plan, terminal) if options.save_plan else None,
        save_answers=_answers_keeper(options.save_answers, terminal) if options.save_answers else None,
    )


def _missing_parts(folder: Path, settings: Settings) -> tuple[str, ...]:
    names = settings.delivered_names
    return missing_parts(folder, by_oidc=settings.trusts_vercel, variables=(names.region, names.key_id, names.data_key))


def _read_code(folder: Path, settings: Settings) -> ApplicationCode | None:
    from wizard.inputs.application_readers import read_code

    return read_code(folder, settings)


def _found(
    application: ApplicationFolder, folder: Path, resolved: Mapping[str, Answer], backend: BackendFact | None
) -> list[str]:
    """What was found beside the account, in words, each with its source."""
    from wizard.core.state_backend import in_words
    from wizard.inputs import vercel_cli

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
    if backend is not None:
        told.append(f"Pulumi state in {in_words(backend.url)}, by {backend.source}")
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


def _plan_keeper(file: Path, terminal: Terminal) -> Callable[[Mapping[str, Any]], None]:
    from wizard.setup import saved_plan

    def keep(document: Mapping[str, Any]) -> None:
        saved_plan.write(file, document)
        terminal.line()
        terminal.line(f"the plan is in {file}; nothing was changed. To apply it:")
        terminal.verbatim(wizard("setup", "--stack", document["stack"], "--plan", file))

    return keep


def _answers_keeper(file: Path, terminal: Terminal) -> Callable[[Mapping[str, Any]], None]:
    from wizard.inputs import answers_file

    def keep(answers: Mapping[str, Any]) -> None:
        answers_file.write(file, answers)
        terminal.line()
        terminal.line(f"the answers are in {file}, without secrets; nothing was changed. To repeat this run:")
        terminal.verbatim(wizard("setup", "--answers", file))

    return keep


def _short(folder: Path) -> str:
    try:
        return f"~/{folder.resolve().relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(folder)
