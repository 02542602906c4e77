"""The commands: each run over its edges, to an exit code and the one document of `--json`.

Touches what the steps touch, the answers file and the stack's configuration file; loads the edges when a command runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wizard import PROJECT_FOLDER
from wizard.cli import request
from wizard.cli.parser import OFFLINE, PROGRAM
from wizard.core import json_documents
from wizard.core.errors import SetupError

if TYPE_CHECKING:
    from components.policies.documents import Policy
    from components.settings import Settings
    from wizard.cli.run_log import Log
    from wizard.aws.required_permissions.resources import Setup
    from wizard.setup.steps import Clients, Request
    from wizard.terminal.terminal import Terminal


Ended = tuple[int, Mapping[str, Any]]
"""An exit code, and the document that `--json` prints."""


DAY_TWO = frozenset(("push", "doctor", "rotate", "restore", "adopt", "backup", "review", "report", "cost"))
"""The commands for a stack that stands; each says in its own file what it touches."""


@contextmanager
def logging_of(options: argparse.Namespace, terminal: Terminal, words: Sequence[str]) -> Iterator[Log | None]:
    """The log that the command keeps meanwhile; None for a command that asks no service anything."""
    if options.command in OFFLINE and options.log is None:
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
    ) as kept:
        system = os.uname()
        facts = {"Python": sys.version.split()[0], "on": f"{system.sysname} {system.release} {system.machine}"}
        run_log.started(shlex.join((*PROGRAM.split(), *words)), facts)
        yield kept


def run(options: argparse.Namespace, terminal: Terminal, log: Log | None = None) -> Ended:
    """One command to its end. Raises SetupError. What it learns that is secret, the log is told never to write."""
    match options.command:
        case "policy":
            return _policy(options)
        case "schema":
            return _schema(options)
        case "completion":
            return _completion(options)
        case "status":
            return _status(options, terminal, log)
        case _:
            return _with_doors(options, terminal, log)


def _with_doors(options: argparse.Namespace, terminal: Terminal, log: Log | None) -> Ended:
    terminal.title(f"EONPRO KMS · {options.command} · stack {options.stack}")
    asked, clients = request.build_request(options, terminal, _secrets_of(log))
    if options.command in DAY_TWO:
        return _day_two(options, asked, clients)
    # Only now: it may have been loaded while the first question was being answered.
    from wizard.setup import workflow

    match options.command:
        case "preview":
            return 0, json_documents.preview(workflow.preview(asked, clients))
        case "verify":
            from wizard.commands.doctor import verify

            return verify.run(asked, clients)
        case "access-key":
            change = workflow.rotate_access_key if options.action == "rotate" else workflow.retire_access_key
            return 0, json_documents.access_key(options.stack, change(asked, clients))
        case "destroy":
            return 0, json_documents.destroy(options.stack, workflow.destroy(asked, clients))
        case _ if options.dry_run or options.save_plan:
            return 0, json_documents.preview(workflow.preview(asked, clients), command=options.command)
        case _:
            done = workflow.setup(asked, clients)
            return int(bool(done.failed)), json_documents.setup(done)


def _day_two(options: argparse.Namespace, asked: Request, clients: Clients) -> Ended:
    """A command for a stack that stands: each in a room of its own, loaded when it runs."""
    match options.command:
        case "push":
            from wizard.commands.push import command as push

            return push.run(options, asked, clients)
        case "doctor":
            from wizard.commands.doctor import command as doctor

            return doctor.run(options, asked, clients)
        case "rotate" | "restore" | "adopt":
            from wizard.commands.rotate import command as rotation

            return rotation.run(options, asked, clients)
        case "backup":
            from wizard.commands.backup import command as backup

            return backup.run(options, asked, clients)
        case "review":
            from wizard.commands.review import command as access_review

            return access_review.run(options, asked, clients)
        case "report":
            from wizard.commands.report import command as compliance

            return compliance.run(options, asked, clients)
        case _:
            from wizard.commands.cost import command as spending

            return spending.run(options, asked, clients)


def _status(options: argparse.Namespace, terminal: Terminal, log: Log | None) -> Ended:
    """How the stacks stand; exit code 1 where something is known to be wrong."""
    from wizard.commands.status import command
    from wizard.core.state_backend import S3, url_of
    from wizard.pulumi_engine import backend as engine_stacks

    settings: dict[str, Settings] = {}
    unreadable: dict[str, str] = {}
    for file in sorted(PROJECT_FOLDER.glob("Pulumi.*.yaml")):
        stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        try:
            if (found := request.saved_settings(stack)) is not None:
                settings[stack] = found
        except SetupError as error:
            unreadable[stack] = error.message
    if options.stack.rsplit("/", 1)[-1] in unreadable:
        # Settings that cannot be used are told in their row; no answer is taken from them.
        asked, clients = request.build_request(_changed(options, stack=""), terminal, _secrets_of(log))
    else:
        asked, clients = request.build_request(options, terminal, _secrets_of(log))
    value = {key: answer.value for key, answer in asked.answers.items()}
    terminal.title(f"EONPRO KMS · status · {'every stack' if options.all_stacks else f'stack {options.stack}'}")
    # `s3` names the account's own bucket, which no answer knows: then the CLI's own backend is asked.
    told = str(value.get("backend") or "")
    backend = {"PULUMI_BACKEND_URL": url_of(told, account="", region="")} if told not in ("", S3) else {}
    rows = command.read(
        clients,
        settings,
        all_stacks=options.all_stacks,
        stack=options.stack,
        list_stacks=lambda environment: engine_stacks.list_stacks(PROJECT_FOLDER, {**environment, **backend}),
        unreadable=unreadable,
        profile=value.get("profile"),
        region=value.get("region"),
        vercel_token=value.get("vercel_token"),
    )
    command.show(terminal, rows)
    document = json_documents.status(command.document(rows))
    return int(not document["ok"]), document


def _policy(options: argparse.Namespace) -> Ended:
    """The document alone on stdout, so that it can be piped into a file."""
    if options.action == "ci":
        return _policy_ci(options)
    from wizard.commands.policy import auditor, delivery, operator

    others = {"auditor": auditor.policies_of, "delivery": delivery.policies_of}

    def told(setup: Setup) -> Mapping[str, Policy]:
        for remark in auditor.remarks(setup) if options.action == "auditor" else ():
            print(remark, file=sys.stderr)
        return others[options.action](setup)

    document = operator.for_values(
        request.flags(options),
        os.environ,
        file=request.answers_file(options),
        file_name=str(options.answers or ""),
        saved=request.saved_settings(options.stack),
        saved_name=request.config_file(options.stack),
        adopt=options.adopt,
        written=told if options.action in others else None,
        command=f"python -m wizard policy {options.action}",
    )
    if "Statement" not in document:
        print(
            f"more than one managed policy may hold: {len(document)} documents, each to be attached to the "
            f"{options.action}",
            file=sys.stderr,
        )
    _print(options, json.dumps(document, indent=2))
    return 0, json_documents.policy(document)


def _policy_ci(options: argparse.Namespace) -> Ended:
    """`policy ci`: whom the roles of the recipes for GitHub Actions trust."""
    from wizard.commands.policy import ci
    from wizard.inputs.registry import by_key

    saved = request.saved_settings(options.stack)
    told = request.flags(options)["account"] or os.environ.get(by_key["account"].variable)
    account = told or (saved.account_id if saved else None)
    documents_ = ci.for_repository(
        options.repository, account_id=account, partition=saved.partition if saved else "aws"
    )
    for line in ci.to_do(str(account)):
        print(line, file=sys.stderr)
    _print(options, json.dumps(documents_, indent=2))
    return 0, json_documents.policy(documents_)


def _schema(options: argparse.Namespace) -> Ended:
    """`schema NAME`: the JSON Schema alone on stdout."""
    path = PROJECT_FOLDER / "schemas" / f"{options.action}.schema.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"the schema {path} cannot be read: {error}", "git checkout -- schemas") from error
    _print(options, json.dumps(found, indent=2))
    return 0, json_documents.schema(options.action, found)


def _completion(options: argparse.Namespace) -> Ended:
    """`completion SHELL`: the script alone on stdout, for the shell to read."""
    from wizard.cli import completion

    script = completion.script(options.action)
    _print(options, script)
    return 0, json_documents.completion(options.action, script)


def _changed(options: argparse.Namespace, **changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), **changes})


def _print(options: argparse.Namespace, text: str) -> None:
    from wizard.terminal.text import to_nowhere

    if options.json:
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever reads it stopped early (`| head`).
        to_nowhere(sys.stdout)


def _secrets_of(log: Log | None) -> request.Secret:
    return log.secret if log is not None else lambda value, name: None
