"""`status`: the state of each stack from its settings, its backend and its account; several stacks concurrently.

Reads through the ports, changes nothing and asks no questions.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from components.policies.stack import trail_arn_of
from components.settings import Settings, Target
from wizard.account import key_access
from wizard.commands.status import StatusOptions
from wizard.core import json_documents
from wizard.core.clients import Clients, ListStacks, Request
from wizard.core.errors import DataKeyConflict, PermissionDenied, SetupError, StackNotFound, attempted
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StoredDataKey, VercelProject
from wizard.core.models.inputs import S3, Mark
from wizard.core.models.rotation import LastBackup
from wizard.core.models.stack import HealthStatus, ListedStack, StackStatus, StatusCheck
from wizard.core.next_command import Result, plain_name, wizard
from wizard.core.ports.run import AwsClient, TargetContext, UserInterface, VercelClient
from wizard.core.retry import Threads, together
from wizard.core.state_backend import url_of
from wizard.data_key.delivery import find_last_backup, find_stored_data_key, variables_of
from wizard.inputs.registry import by_key
from wizard.targets.port import deploy_target


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """The caller and its clients, or why there are none."""

    aws: AwsClient | None = None
    account: str | None = None
    """None before it is asked for."""
    vercel: VercelClient | None = None
    why: str = ""


def run(options: StatusOptions, request: Request, clients: Clients) -> Result:
    """Show the state of the stacks; exit code 1 if something is known to be wrong. Raises SetupError."""
    saved = clients.saved_settings()
    values = {key: answer.value for key, answer in request.answers.items()}
    # `s3` means the account's own bucket, whose name is not known yet: then the Pulumi CLI's backend is used.
    place = str(values.get("backend") or "")
    backend_url = {"PULUMI_BACKEND_URL": url_of(place, account="", region="")} if place not in ("", S3) else {}
    rows = read(
        clients,
        {stack: settings for stack, settings in saved.items() if isinstance(settings, Settings)},
        all_stacks=options.all_stacks,
        stack=request.stack,
        list_stacks=lambda environment: clients.list_stacks({**environment, **backend_url}),
        unreadable={stack: error.message for stack, error in saved.items() if isinstance(error, SetupError)},
        profile=values.get("profile"),
        region=values.get("region"),
        vercel_token=values.get("vercel_token"),
    )
    show(clients.ui, rows)
    result = json_documents.status(document(rows))
    return int(not result["ok"]), result


def read(
    clients: Clients,
    settings_by_stack: Mapping[str, Settings],
    *,
    all_stacks: bool,
    stack: str,
    list_stacks: ListStacks,
    unreadable: Mapping[str, str] | None = None,
    profile: str | None = None,
    region: str | None = None,
    vercel_token: str | None = None,
) -> tuple[StackStatus, ...]:
    """The status of the named stack, or of all stacks with a settings file here or a state in the backend, by name.

    `unreadable`: why the settings of a stack cannot be used. What cannot be read is unknown, not an error.
    Raises StackNotFound if the named stack has neither.
    """
    name = plain_name(stack)
    unreadable = unreadable or {}
    local = sorted({*settings_by_stack, *unreadable}) if all_stacks else [name]
    known = [settings_by_stack[name] for name in local if name in settings_by_stack]
    caller = _caller(clients, profile, region or next((settings.region for settings in known), None), vercel_token)
    with Threads(max_workers=8) as pool, Threads(max_workers=8) as asking:
        # The backend, the account and Vercel are asked at the same time.
        here = {each: settings_by_stack[each] for each in local if each in settings_by_stack}
        projects = {each: asking.submit(_project, caller.vercel, settings) for each, settings in here.items()}
        caller = _identified(caller)
        listing = asking.submit(_listed, list_stacks, caller)
        accounts = {
            each: pool.submit(_read_account, each, settings, caller, projects[each]) for each, settings in here.items()
        }
    listed, why_unlisted = listing.result()
    by_name = {row.name: row for row in listed or ()}
    if not all_stacks and listed is not None and name not in {*by_name, *settings_by_stack, *unreadable}:
        raise StackNotFound(
            f"the stack {name} does not exist: it has neither a settings file Pulumi.{name}.yaml nor a state",
            wizard("status", "--all"),
        )

    def status_of(stack_name: str) -> StackStatus:
        row = by_name.get(stack_name)
        if stack_name not in here:
            why = unreadable.get(stack_name, f"its settings file Pulumi.{stack_name}.yaml does not exist")
            status = StackStatus(stack=stack_name, why=why)
        elif listed is not None and (row is None or row.resources == 0):
            status = replace(_unread(stack_name, here[stack_name]), status=HealthStatus.NOT_BUILT)
        else:
            status = accounts[stack_name].result()
            status = replace(status, why=status.why or why_unlisted)
        return replace(
            status,
            in_backend=None if listed is None else row is not None,
            last_update=row.last_update if row else None,
            resources=row.resources if row else None,
            updating=bool(row and row.updating),
        )

    return tuple(map(status_of, sorted({*local, *by_name}) if all_stacks else local))


def _caller(clients: Clients, profile: str | None, region: str | None, token: str | None) -> _Caller:
    try:
        return _Caller(aws=clients.connect(profile, region), vercel=clients.vercel(token) if token else None)
    except SetupError as error:
        return _Caller(why=f"AWS is not reachable: {error.message}")


def _identified(caller: _Caller) -> _Caller:
    try:
        return replace(caller, account=caller.aws.account_id()) if caller.aws else caller
    except SetupError as error:
        return _Caller(why=f"AWS is not reachable: {error.message}")


def _project(vercel: VercelClient | None, settings: Settings) -> VercelProject | SetupError | None:
    """The stack's project; its variables are asked for too, so that they are known when they are compared."""
    if vercel is None or not by_key["vercel_project"].needed({"target": tuple(settings.deploy_targets)}):
        return None
    named = VercelProject.named(*settings.vercel_place).with_names(settings.delivered_names)
    project, _ = together(
        partial(attempted, vercel.find_project, *settings.vercel_place),
        partial(attempted, vercel.read_variables, named),
    )
    if isinstance(project, SetupError):
        return project
    return replace(named, scope=project.scope, has_rolling_releases=project.has_rolling_releases)


def _listed(list_stacks: ListStacks, caller: _Caller) -> tuple[tuple[ListedStack, ...] | None, str]:
    """The backend's stacks, or None and why they are not known."""
    try:
        return list_stacks(caller.aws.environment() if caller.aws else {}), ""
    except SetupError as error:
        return None, error.message


def _unread(stack: str, settings: Settings) -> StackStatus:
    return StackStatus(
        stack=stack,
        account=settings.account_id,
        region=settings.region,
        environment=settings.environment,
        targets=tuple(settings.deploy_targets),
    )


def _read_account(
    stack: str, settings: Settings, caller: _Caller, project: Future[VercelProject | SetupError | None]
) -> StackStatus:
    status = _unread(stack, settings)
    if caller.aws is None or caller.account is None:
        return replace(status, why=caller.why)
    if caller.account != settings.account_id:
        why = f"your credentials belong to the account {caller.account}"
        return replace(status, status=HealthStatus.ELSEWHERE, why=why)
    with Threads(max_workers=1) as pool:
        record = pool.submit(attempted, find_last_backup, caller.aws.with_region(settings.region), settings)
        aws = caller.aws.with_region(settings.region)
        fingerprint, checks = _run_checks(stack, aws, caller.vercel, settings, project)
    backup = record.result()
    last = backup.at.isoformat(timespec="seconds") if isinstance(backup, LastBackup) else None
    worst = [
        kind for kind in (HealthStatus.WRONG, HealthStatus.UNKNOWN) if any(check.status is kind for check in checks)
    ]
    return replace(
        status,
        fingerprint=fingerprint,
        last_backup=last,
        checks=checks,
        status=worst[0] if worst else HealthStatus.GOOD,
    )


def _run_checks(
    stack: str,
    aws: AwsClient,
    vercel: VercelClient | None,
    settings: Settings,
    project: Future[VercelProject | SetupError | None],
) -> tuple[str | None, tuple[StatusCheck, ...]]:
    """The data key's fingerprint, and all checks of one stack; independent ones run concurrently."""
    with Threads(max_workers=4) as pool:
        futures = pool.submit(_key, aws, settings), pool.submit(_stored_data_key, aws, settings)
        trail = pool.submit(_trail, aws, settings)
        (key, key_checks), (stored_data_key, stored_key_check) = futures[0].result(), futures[1].result()
        access = pool.submit(_access, aws, settings, key)
        if stored_data_key and key and stored_data_key.key_arn not in (None, key.arn):
            detail = (
                f"{stored_data_key.parameter} is wrapped by {stored_data_key.key_arn}, "
                f"not by the key under {settings.names.alias}"
            )
            stored_key_check = StatusCheck(what="stored data key", status=HealthStatus.WRONG, detail=detail)
        delivered = list(
            pool.map(
                lambda target: _target(target, stack, aws, vercel, project.result(), settings, key, stored_data_key),
                settings.deploy_targets,
            )
        )
    return stored_data_key.wrapped.fingerprint if stored_data_key else None, (
        *key_checks,
        *access.result(),
        trail.result(),
        stored_key_check,
        *delivered,
    )


def _key(aws: AwsClient, settings: Settings) -> tuple[KeyFact | None, tuple[StatusCheck, ...]]:
    alias = settings.names.alias
    try:
        key = aws.kms.describe_key(alias)
    except SetupError as error:
        return None, (_unknown("key", error), _unknown("rotation", error))
    if key is None:
        missing = f"{alias} points to no key"
        return None, tuple(
            StatusCheck(what=what, status=HealthStatus.WRONG, detail=missing) for what in ("key", "rotation")
        )
    state = HealthStatus.GOOD if key.state == "Enabled" else HealthStatus.WRONG
    days = f"every {key.rotation_period_days} days" if key.rotation_period_days else "on"
    rotation = {
        True: (HealthStatus.GOOD, days),
        False: (HealthStatus.WRONG, "off"),
        None: (HealthStatus.UNKNOWN, "not available from KMS"),
    }[key.rotation_enabled]
    return key, (
        StatusCheck(what="key", status=state, detail=f"{key.state}, {key.arn}"),
        StatusCheck(what="rotation", status=rotation[0], detail=rotation[1]),
    )


def _access(aws: AwsClient, settings: Settings, key: KeyFact | None) -> tuple[StatusCheck, ...]:
    """Whether the key policies, the grants and the key's Regions give anybody more than the settings."""
    if key is None:
        return ()
    named = key_access.arns_of(key.arn, settings)

    def read(arn: str) -> key_access.KeyReading:
        return key_access.read_key(aws, arn, known=key)

    access = key_access.judge(key_access.read_keys(named, read), named, settings)
    found = [surplus.what for surplus in access.surplus]
    unknown = [f"{unread.what} could not be read" for unread in access.unread]
    status = HealthStatus.WRONG if found else HealthStatus.UNKNOWN if unknown else HealthStatus.GOOD
    kept = [f"{surplus.what}, left as it was found" for surplus in access.kept]
    detail = "; ".join((*found, *unknown, *kept)) or "nobody has more on the key than the settings give"
    return (StatusCheck(what=ACCESS, status=status, detail=detail),)


ACCESS = "access"
"""The check of who has more on the key than the settings give; `setup` does not repair all of it."""


def _trail(aws: AwsClient, settings: Settings) -> StatusCheck:
    arn = trail_arn_of(settings)
    try:
        trail = aws.cloudtrail.find_trail(arn)
    except SetupError as error:
        return _unknown("trail", error)
    if trail is None:
        return StatusCheck(what="trail", status=HealthStatus.WRONG, detail=f"the trail {arn} does not exist")
    status, detail = {
        True: (HealthStatus.GOOD, f"{trail.name} is logging"),
        False: (HealthStatus.WRONG, f"{trail.name} is not logging"),
        None: (HealthStatus.UNKNOWN, f"no permission to read whether {trail.name} is logging"),
    }[trail.logging]
    return StatusCheck(what="trail", status=status, detail=detail)


def _stored_data_key(aws: AwsClient, settings: Settings) -> tuple[StoredDataKey | None, StatusCheck]:
    try:
        stored_data_key = find_stored_data_key(aws, settings)
    except SetupError as error:
        return None, _unknown("stored data key", error)
    if stored_data_key is None:
        detail = f"there is no data key in {settings.names.stored_data_key}"
        return None, StatusCheck(what="stored data key", status=HealthStatus.WRONG, detail=detail)
    return stored_data_key, StatusCheck(
        what="stored data key",
        status=HealthStatus.GOOD,
        detail=f"{stored_data_key.wrapped.fingerprint} in {stored_data_key.parameter}",
    )


def _target(
    target: Target,
    stack: str,
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | SetupError | None,
    settings: Settings,
    key: KeyFact | None,
    stored_data_key: StoredDataKey | None,
) -> StatusCheck:
    """Whether the target has the three variables of the stack."""
    if key is None or stored_data_key is None:
        detail = "key and data key are unknown, so there is nothing to compare with"
        return StatusCheck(what=target, status=HealthStatus.UNKNOWN, detail=detail)
    context = TargetContext(
        stack=stack,
        settings=settings,
        aws=aws,
        targets=(target,),
        vercel=vercel,
        project=project,
    )
    try:
        if problem := deploy_target(target).access_problem(context):
            return _unknown(target, problem)
        key_arns = [key.arn.replace(f":{settings.region}:", f":{region}:") for region in settings.regions]
        variables = variables_of(context, stored_data_key.wrapped, key_arns)
        missing = deploy_target(target).missing(context, variables) or ""
        under_way = deploy_target(target).under_way(context)
    except DataKeyConflict as error:
        missing, under_way = error.message, ""
    except SetupError as error:
        return _unknown(target, error)
    status = HealthStatus.WRONG if missing else HealthStatus.GOOD
    has = f"has the {_COUNTS[len(settings.variables)]} variables"
    return StatusCheck(what=target, status=status, detail="; ".join(filter(None, (missing or has, under_way))))


_COUNTS = {3: "three", 4: "four"}


def _unknown(what: str, error: SetupError) -> StatusCheck:
    denied = "access denied: " if isinstance(error, PermissionDenied) else ""
    return StatusCheck(what=what, status=HealthStatus.UNKNOWN, detail=denied + error.message)


MARKS = {
    HealthStatus.GOOD: Mark.OK,
    HealthStatus.WRONG: Mark.FAIL,
    HealthStatus.UNKNOWN: Mark.WARN,
    HealthStatus.ELSEWHERE: Mark.INFO,
    HealthStatus.NOT_BUILT: Mark.INFO,
}

WIDTH = 80
"""Columns."""

_INDENT = "  "
_SPARE = 5
"""Extra columns of the sign and of the ellipsis in ASCII output: `ok `, `...`."""
_GAP = "  "
_HEADINGS = ("stack", "account", "region", "targets", "updated", "res.")
_SIGNS = {HealthStatus.GOOD: "✓", HealthStatus.WRONG: "✗", HealthStatus.UNKNOWN: "?"}


def show(ui: UserInterface, rows: Sequence[StackStatus]) -> None:
    """One stack with all details, several in two lines each."""
    if len(rows) == 1:
        _in_full(ui, rows[0])
        return
    if not rows:
        ui.line("no stack exists: there is no settings file here, and no state in the backend", mark=Mark.INFO)
        ui.line("next:")
        ui.verbatim(wizard("setup"))
        return
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    # Only the name can be cut and still be recognized.
    widths[0] = min(widths[0], max(WIDTH - _SPARE - sum(widths[1:]) - len(_GAP) * (len(widths) - 1), 8))
    ui.line(_INDENT + _joined(_HEADINGS, widths))
    for row, line in zip(rows, cells[1:], strict=True):
        ui.line(_joined(line, widths), mark=MARKS[row.status])
        ui.line(_cut("    " + _second(row), WIDTH - _SPARE))
    for why in dict.fromkeys(
        row.why for row in rows if row.why and row.status is not HealthStatus.ELSEWHERE and row.account
    ):
        ui.line(_cut(why, WIDTH - _SPARE), mark=Mark.WARN)
    if any(row.status in (HealthStatus.WRONG, HealthStatus.UNKNOWN) for row in rows):
        ui.line("details:")
        ui.verbatim("python -m wizard status --stack NAME")
    for row in rows:
        if row.status is HealthStatus.NOT_BUILT:
            ui.line(f"to deploy {row.stack}:")
            ui.verbatim(wizard("setup", "--stack", row.stack))


def _cells(row: StackStatus) -> tuple[str, ...]:
    return (
        row.stack,
        row.account or "?",
        row.region or "?",
        ",".join(row.targets) or "?",
        _when(row)[:10],
        "?" if row.resources is None and row.in_backend is None else str(row.resources or 0),
    )


def _when(row: StackStatus) -> str:
    if row.updating:
        return "now"
    if row.last_update:
        return row.last_update.partition(".")[0].replace("T", " ").removesuffix("Z")
    return "?" if row.in_backend is None else "never"


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _second(row: StackStatus) -> str:
    """The second line of a stack: its status."""
    if row.status is HealthStatus.NOT_BUILT:
        return "not deployed yet"
    if row.status is HealthStatus.ELSEWHERE:
        return f"other account: {row.why}"
    if not row.checks:
        return row.why if row.account is None else "unknown"
    # The fingerprint stands for the stored data key.
    parts = [row.fingerprint or "no data key"]
    for status, sign in _SIGNS.items():
        names = [
            check.what for check in row.of(status) if check.what != "stored data key" or status is HealthStatus.WRONG
        ]
        if names:
            parts.append(f"{sign} {' '.join(names)}")
    return _GAP.join(parts)


def _in_full(ui: UserInterface, row: StackStatus) -> None:
    facts = (
        ("account", row.account or "unknown"),
        ("region", row.region or "unknown"),
        ("environment", row.environment or "unknown"),
        ("targets", ", ".join(row.targets) or "unknown"),
        ("updated", f"{_when(row)} UTC" if row.last_update and not row.updating else _when(row)),
        ("resources", "?" if row.resources is None else str(row.resources)),
        ("data key", row.fingerprint or "?"),
        ("last backup", f"{row.last_backup[:10]} UTC" if row.last_backup else "none is recorded"),
    )
    ui.table(facts)
    for check in row.checks:
        ui.line(f"{check.what}: {check.detail}", mark=MARKS[check.status])
    if row.status is HealthStatus.NOT_BUILT or row.status is HealthStatus.ELSEWHERE:
        ui.line(_second(row), mark=MARKS[row.status])
    elif row.why:
        ui.line(row.why, mark=Mark.WARN)
    if row.status in (HealthStatus.WRONG, HealthStatus.NOT_BUILT):
        is_access = any(check.what == ACCESS for check in row.of(HealthStatus.WRONG))
        ui.line("next:")
        ui.verbatim(wizard("doctor" if is_access else "setup", "--stack", row.stack))


def document(rows: Sequence[StackStatus]) -> dict[str, Any]:
    """The JSON fields; `ok` is false if something is known to be wrong."""
    return {
        "ok": all(row.status is not HealthStatus.WRONG for row in rows),
        "stacks": [
            {
                "stack": row.stack,
                "status": row.status.value,
                "why": row.why,
                "account": row.account,
                "region": row.region,
                "environment": row.environment,
                "targets": list(row.targets),
                "inBackend": row.in_backend,
                "updatedAt": row.last_update,
                "updating": row.updating,
                "resources": row.resources,
                "dataKey": row.fingerprint,
                "lastBackup": row.last_backup,
                "checks": [
                    {"what": check.what, "status": check.status.value, "detail": check.detail} for check in row.checks
                ],
            }
            for row in rows
        ],
    }
