"""`status`: the notices of each stack in rows, with what its settings and its backend say; several stacks beside each
other.

Reads through the facts, changes nothing and asks no questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from components.settings import Settings
from wizard.account.facts import StackFacts
from wizard.commands.status import rows
from wizard.commands.status.output import document, show
from wizard.core.clients import Clients, ListStacks, Request
from wizard.core.errors import CredentialsError, SetupError, StackNotFound, Unsupported
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.inputs import S3
from wizard.core.models.rotation import LastBackup
from wizard.core.models.stack import HealthStatus, ListedStack, StackState, StackStatus
from wizard.core.next_command import Result, eonpro, plain_name
from wizard.core.retry import Threads
from wizard.core.state_backend import url_of
from wizard.inputs.registry import by_key

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.vercel.client import VercelClient


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """The caller and its clients, or why there are none."""

    aws: AwsClient | None = None
    account: str | None = None
    """None before it is asked for."""
    vercel: VercelClient | None = None
    why: str = ""
    exit_code: int = 0
    """Of the error that it cannot be had for."""
    hint: str = ""
    """What to do about it."""


def run(request: Request, clients: Clients, *, all_stacks: bool) -> Result:
    """Show the state of the stacks; exit code 1 if something is known to be wrong. Raises SetupError.

    Where the account or Vercel refuses the credentials, it is the exit code of the reason: 3 for expired ones.
    """
    saved = clients.saved_settings()
    values = request.values
    # `s3` means the account's own bucket, whose name is not known yet: then the Pulumi CLI's backend is used.
    place = str(values.get("backend") or "")
    backend_url = {"PULUMI_BACKEND_URL": url_of(place, account="", region="")} if place not in ("", S3) else {}
    stacks = read(
        clients,
        {stack: settings for stack, settings in saved.items() if isinstance(settings, Settings)},
        all_stacks=all_stacks,
        stack=request.stack,
        list_stacks=lambda environment: clients.list_stacks({**environment, **backend_url}),
        unreadable={stack: error for stack, error in saved.items() if isinstance(error, SetupError)},
        profile=values.get("profile"),
        region=values.get("region"),
        vercel_token=values.get("vercel_token"),
        backend=backend_url,
    )
    show(clients.ui, stacks, all_stacks=all_stacks)
    result = document(stacks)
    unasked = max((each.exit_code for each in stacks), default=0)
    return unasked or int(not result["ok"]), result


def read(
    clients: Clients,
    settings_by_stack: Mapping[str, Settings],
    *,
    all_stacks: bool,
    stack: str,
    list_stacks: ListStacks,
    unreadable: Mapping[str, SetupError] | None = None,
    profile: str | None = None,
    region: str | None = None,
    vercel_token: str | None = None,
    backend: Mapping[str, str] | None = None,
) -> tuple[StackStatus, ...]:
    """The status of the named stack, or of all stacks with a settings file here or a state in the backend, by name.

    `unreadable`: why the settings of a stack cannot be used. `backend`: the environment that names the state's backend.
    What cannot be read is unknown, not an error. Raises StackNotFound if the named stack has neither.
    """
    name = plain_name(stack)
    unreadable = unreadable or {}
    local = sorted({*settings_by_stack, *unreadable}) if all_stacks else [name]
    here = {each: settings_by_stack[each] for each in local if each in settings_by_stack}
    region = region or next((settings.region for settings in here.values()), None)
    caller = _caller(clients, profile, region, vercel_token)
    accounts, listed, unlisted = _asked(clients, here, caller, list_stacks, backend or {}, in_full=not all_stacks)
    by_name = {row.name: row for row in listed or ()}
    if not all_stacks and listed is not None and name not in {*by_name, *settings_by_stack, *unreadable}:
        raise StackNotFound(
            f"the stack {name} does not exist: it has neither a settings file Pulumi.{name}.yaml nor a state",
            eonpro("status", "--all"),
        )

    def status_of(stack_name: str) -> StackStatus:
        row = by_name.get(stack_name)
        if stack_name not in here:
            status = StackStatus(stack=stack_name, why=f"its settings file Pulumi.{stack_name}.yaml does not exist")
            if error := unreadable.get(stack_name):
                status = replace(status, why=error.message, exit_code=error.exit_code, hint=error.hint)
        elif listed is not None and (row is None or row.resources == 0):
            status = replace(_unread(stack_name, here[stack_name]), status=HealthStatus.NOT_BUILT)
            if stored := accounts[stack_name].result().fingerprint:
                why = f"the account has its data key {stored}, but the state has none of it: removed, lost or elsewhere"
                status = replace(status, status=HealthStatus.WRONG, why=why)
        else:
            status = accounts[stack_name].result()
            status = replace(status, stack=stack_name)
            if unlisted and not status.why:
                status = replace(status, why=unlisted.message, hint=unlisted.hint)
        return _in_backend(status, row, is_listed=listed is not None)

    return tuple(map(status_of, sorted({*local, *by_name}) if all_stacks else local))


def _asked(
    clients: Clients,
    here: Mapping[str, Settings],
    caller: _Caller,
    list_stacks: ListStacks,
    backend: Mapping[str, str],
    *,
    in_full: bool,
) -> tuple[Mapping[str, Future[StackStatus]], tuple[ListedStack, ...] | None, SetupError | None]:
    """The status of each stack by its account, and the backend's stacks or why they are not known."""
    with Threads(max_workers=1) as listing, Threads(max_workers=8) as pool:
        # Vercel and the account are asked at the same time; the backend needs the caller's credentials.
        facts = {
            each: _facts(each, settings, caller, clients, backend, in_full=in_full) for each, settings in here.items()
        }
        for each in facts.values():
            if each is not None:
                pool.submit(lambda each=each: each.vercel_variables)
        caller = _identified(caller)
        listed_stacks = listing.submit(_listed, list_stacks, caller)
        accounts = {
            each: pool.submit(_read_account, here[each], caller, stack_facts, in_full=in_full)
            for each, stack_facts in facts.items()
        }
    return accounts, *listed_stacks.result()


def _in_backend(status: StackStatus, row: ListedStack | None, *, is_listed: bool) -> StackStatus:
    """The status with what the state's backend says of the stack; `is_listed`: whether the backend was read."""
    return replace(
        status,
        in_backend=row is not None if is_listed else None,
        last_update=row.last_update if row else None,
        resources=row.resources if row else None,
        updating=bool(row and row.updating),
    )


def _caller(clients: Clients, profile: str | None, region: str | None, token: str | None) -> _Caller:
    try:
        return _Caller(aws=clients.connect(profile, region), vercel=clients.vercel(token) if token else None)
    except SetupError as error:
        return _no_caller(error)


def _no_caller(error: SetupError) -> _Caller:
    return _Caller(why=f"AWS is not reachable: {error.message}", exit_code=error.exit_code, hint=error.hint)


def _identified(caller: _Caller) -> _Caller:
    try:
        return replace(caller, account=caller.aws.account_id()) if caller.aws else caller
    except SetupError as error:
        return _no_caller(error)


def _listed(list_stacks: ListStacks, caller: _Caller) -> tuple[tuple[ListedStack, ...] | None, SetupError | None]:
    """The backend's stacks, or None and why they are not known."""
    try:
        return list_stacks(caller.aws.environment() if caller.aws else {}), None
    except SetupError as error:
        return None, error


def _unread(stack: str, settings: Settings) -> StackStatus:
    return StackStatus(
        stack=stack,
        account=settings.account_id,
        region=settings.region,
        environment=settings.environment,
        targets=tuple(settings.deploy_targets),
    )


def _facts(
    stack: str, settings: Settings, caller: _Caller, clients: Clients, backend: Mapping[str, str], *, in_full: bool
) -> StackFacts | None:
    """The facts of a stack in its own Region; None without a client of AWS."""
    if caller.aws is None:
        return None
    aws = caller.aws.with_region(settings.region)
    is_used = by_key["vercel_token"].needed({"target": settings.deploy_targets})
    facts = StackFacts(
        stack=stack,
        settings=settings,
        aws=aws,
        sources=clients,
        open_engine=lambda: clients.engine({**aws.environment(), **backend}),
        vercel=caller.vercel if is_used else None,
        readers={} if in_full else {"state": lambda: _state(facts)},
    )
    return facts


def _state(facts: StackFacts) -> StackState:
    """The stack's state, where the alias and the stored data key do not name one key: only the state says which it is.

    To read it takes a start of Pulumi for each stack. Raises Unsupported where it is not needed.
    """
    alias, stored = facts.alias_target, facts.stored_data_key
    agree = isinstance(alias, KeyFact) and isinstance(stored, StoredDataKey) and stored.key_arn in (None, alias.arn)
    if agree or isinstance(alias, SetupError):
        raise Unsupported("status does not read the state of a stack whose key is known", "")
    return facts.engine.state(facts.stack)


def _read_account(settings: Settings, caller: _Caller, facts: StackFacts | None, *, in_full: bool) -> StackStatus:
    status = _unread("", settings)
    if facts is None or caller.account is None:
        return replace(status, why=caller.why, exit_code=caller.exit_code, hint=caller.hint)
    if caller.account != settings.account_id:
        why = f"your credentials belong to the account {caller.account}"
        return replace(status, status=HealthStatus.ELSEWHERE, why=why)
    checks, stored, backup = rows.checks_of(facts, in_full=in_full), facts.stored_data_key, facts.last_backup
    if isinstance(refused := facts.project, CredentialsError):
        status = replace(status, why=refused.message, exit_code=refused.exit_code, hint=refused.hint)
    worst = [
        kind for kind in (HealthStatus.WRONG, HealthStatus.UNKNOWN) if any(check.status is kind for check in checks)
    ]
    return replace(
        status,
        fingerprint=stored.wrapped.fingerprint if isinstance(stored, StoredDataKey) else None,
        last_backup=backup.at.isoformat() if isinstance(backup, LastBackup) else None,
        checks=checks,
        status=worst[0] if worst else HealthStatus.GOOD,
    )
