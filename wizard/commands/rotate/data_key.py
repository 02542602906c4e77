"""`rotate --data-key`, `--hash-key` and `--promote`: create another key, and later make it the current one.

Acts through the clients. KMS creates the data key wrapped; every version is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.settings import DATA_KEY_VARIABLE
from wizard.account.facts import running
from wizard.commands.push.command import may_follow, offer
from wizard.commands.rotate import hash_evidence, replace_version, steps
from wizard.commands.rotate.evidence import ScanEvidence, record_tables, require_carried, require_scanned
from wizard.commands.rotate.replace_version import (
    DecryptProof,
    is_current_everywhere,
    make_current,
    prove_opening,
    stored_keys,
)
from wizard.commands.rotate.result import Action, RotateResult, show_versions, warn_of_altered
from wizard.commands.rotate.versions import (
    DataKeyStore,
    keep_everywhere,
    keep_stored_keys,
    of_version,
    pending,
    read_stack,
    refuse_another_key,
    stored_fingerprint,
    version_of,
)
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, ResourceError, SetupError, UsageError, attempted
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import DataKeyVersion, StoredKey, VersionOrigin
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.core.target_context import TargetContext
from wizard.data_key import opening
from wizard.setup import confirmation, foreign_variables


def make_new(
    request: Request, clients: Clients, *, variable: str = DATA_KEY_VARIABLE, application: str | None = None
) -> RotateResult:
    """Create a key as another version, and deliver it for reading where the application reads more than one.

    An earlier one that is not in use yet is shown instead. `application`: what the person says of the instances.
    Raises UsageError for a hash key where the application tries one alone.
    """
    data_keys = read_stack(request, clients, variable=None if variable == DATA_KEY_VARIABLE else variable)
    settings, stack = data_keys.settings, data_keys.stack
    is_hash_key = variable != DATA_KEY_VARIABLE
    if is_hash_key:
        hash_evidence.require_list(data_keys)
    what = "search values then have to be written again under" if is_hash_key else "records then have to be carried to"
    why = f"The {what} the new {settings.names.noun}. Both are kept forever."
    action = Action.HASH_KEY if is_hash_key else Action.DATA_KEY
    command = eonpro("rotate", f"--{action.value}")
    old, new, changed = make_version(request, clients, data_keys, command, why=why)
    current = data_keys.version(old)
    assert current is not None
    result = RotateResult(action=action, stack=stack, changed=changed, versions=data_keys.versions())
    if settings.keys_for_reading:
        # Nothing is replaced: the current one is delivered, with the list.
        result = put_in_place(
            replace(request, confirmed=request.stack),
            clients,
            data_keys,
            current,
            action=action,
            warnings=(),
            command=command.plus("--stack", stack),
        )
    following = steps.next_steps(data_keys, current=current, new=new, application=application)
    return replace(result, changed=changed, subject=new, next=(*result.next, *following))


def make_version(
    request: Request, clients: Clients, data_keys: DataKeyStore, command: Command, *, why: str
) -> tuple[str, DataKeyVersion, bool]:
    """The fingerprint of the stored key, the version that comes next, and whether this run created it.

    One that is not in use yet is not created again. `why`: what has to be done then.
    """
    ui, noun = clients.ui, data_keys.settings.names.noun
    current = stored_fingerprint(data_keys)
    ui.section(f"{noun.capitalize()}s")
    waiting = pending(data_keys.versions())
    if waiting:
        show_versions(ui, data_keys.versions(), data_keys.outputs.key_arns)
        ui.line(f"{waiting[0].fingerprint} exists already and is not in use yet; no other is created", mark=Mark.INFO)
    else:
        ui.line(f"{current} stays the current {noun}; a new one is kept as another version")
        for value in (other.settings.names.value for other in data_keys.others):
            if value.unchanged:
                ui.line(f"the {value.noun} stays as it is: {value.unchanged}", mark=Mark.INFO)
        confirm_by_name(request, clients, command.plus("--stack", data_keys.stack), why=why)
    with data_keys.deployed.engine.alone(request.stack):
        now = clients.now()
        keep_stored_keys(data_keys, at=now)
        # Somebody may have created one while this run waited for the confirmation, or does so now on another machine.
        waiting, key_arn = pending(data_keys.versions()), data_keys.outputs.key_arn
        wrapped = waiting[0].wrapped if waiting else data_keys.deployed.aws.kms.make_data_key(key_arn)
        reserved = wrapped
        if not waiting:
            reserved = data_keys.own.key_rotation.reserve_new(data_keys.settings, wrapped, key_arn=key_arn, at=now)
        changed = not waiting and reserved == wrapped
        new = keep_everywhere(data_keys, reserved, key_arn=key_arn, origin=VersionOrigin.MADE, at=now)
        new = replace_version.with_check_value(clients, data_keys, new)
    if reserved != wrapped:
        ui.line(f"another run created {new.fingerprint} at the same time; no other is created", mark=Mark.INFO)
    if changed:
        ui.line(f"{new.fingerprint} created, wrapped by the key, and kept in {new.parameter}", mark=Mark.OK)
        show_versions(ui, data_keys.versions(), data_keys.outputs.key_arns)
    return current, new, changed


def promote(
    request: Request,
    clients: Clients,
    fingerprint: str,
    *,
    reencrypted: Sequence[Path] = (),
    no_hash_columns: bool = False,
    scanned: Sequence[Path] = (),
    no_records: bool = False,
) -> RotateResult:
    """Make the version, of the data key or the hash key, current after a typed confirmation; deliver and verify it."""
    data_keys = of_version(read_stack(request, clients), fingerprint)
    is_hash_key = data_keys.settings.names.variable != DATA_KEY_VARIABLE
    command = eonpro("rotate", "--promote", "FINGERPRINT", "--stack", data_keys.stack)
    old, version = stored_fingerprint(data_keys), version_of(data_keys, fingerprint, command=command)
    former = data_keys.own.key_rotation.version(data_keys.settings, old)
    if is_hash_key and (scanned or no_records):
        raise UsageError(
            "--scanned and --no-records are about records, and a hash key has none; nothing was changed", command
        )
    # The same data key, wrapped again or current already, changes no record and no hash.
    is_another = former is None or former.same_as != version.same_as
    scans: tuple[ScanEvidence, ...] = ()
    if is_another and is_hash_key:
        hash_evidence.require_list(data_keys)
    if is_another:
        steps.require_reading(data_keys, former)
        require = hash_evidence.require_hashed if is_hash_key else require_carried
        require(data_keys, version, files=reencrypted, no_hash_columns=no_hash_columns)
    if is_another and not is_hash_key:
        tables, now = record_tables(data_keys), clients.now()
        scans = require_scanned(
            data_keys, version, former=old, tables=tables, files=scanned, no_records=no_records, now=now
        )
    evidence = [word for file in reencrypted for word in ("--reencrypted", str(file))]
    evidence += ["--no-hash-columns"] * no_hash_columns
    evidence += [word for file in scanned for word in ("--scanned", str(file))] + ["--no-records"] * no_records
    warnings = (*_accepted(scans), *_warnings(data_keys, version, old=old))
    result = put_in_place(
        request,
        clients,
        data_keys,
        version,
        action=Action.PROMOTE,
        warnings=warnings,
        command=eonpro("rotate", "--promote", version.fingerprint, *evidence, "--stack", data_keys.stack),
    )
    return replace(result, scans=scans)


def _accepted(scans: Sequence[ScanEvidence]) -> tuple[str, ...]:
    return tuple(
        f"{scan.file}: not looked into, as its --accept-column says: {', '.join(scan.accepted)}"
        for scan in scans
        if scan.accepted
    )


def _warnings(data_keys: DataKeyStore, version: DataKeyVersion, *, old: str) -> tuple[str, ...]:
    former = data_keys.own.key_rotation.version(data_keys.settings, old)
    if former is not None and former.same_as == version.same_as:
        return ("it is the same data key, wrapped again: no record has to be re-encrypted",)
    value = data_keys.settings.names.value
    meanwhile = (
        f"what the application writes until its next deployment is still under {old}, which it tries by "
        f"{value.reading}; carry the tables once more after the deployment"
    )
    gone = (
        f"the application can no longer read records of {old} that were not re-encrypted before, nor find anything by "
        "search hashes that were not carried"
    )
    back = eonpro("restore", *filter(None, [value.option]), "--version", old)
    return (
        meanwhile if data_keys.settings.keys_for_reading else gone,
        Text(f"{old} is kept: ", back, " makes it current again"),
    )


def put_in_place(
    request: Request,
    clients: Clients,
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    action: Action,
    warnings: tuple[str, ...],
    command: Command,
    trusted: bool = True,
) -> RotateResult:
    """Make the version current in every Region, deliver and verify it, and offer the redeploy.

    If it is current already, nothing is confirmed or replaced: the command completes an interrupted run.
    """
    ui = clients.ui
    refuse_another_key(data_keys, version)
    versions = data_keys.versions()
    to, replaceable = replace_version.deliverable(data_keys, version, versions)
    to = foreign_variables.agreed_context(ui, to, request.values, command, redeploys=may_follow(request.redeploy, ui))
    ui.section("Data keys")
    show_versions(ui, versions, data_keys.outputs.key_arns)
    warn_of_altered(ui, data_keys.own.key_rotation.altered(data_keys.settings))
    former, opened, repairs = stored_keys(data_keys), None, action is Action.RESTORE
    if not is_current_everywhere(data_keys, version, repairs=repairs):
        _refuse_under_rolling_release(to)
        if any(stored_key.exists for stored_key in former.values()):
            replace_version.require_rights(data_keys)
        opened = _opened(clients, data_keys, version, (*warnings, *_rolling_release_warning(to)), trusted=trusted)
        confirm_by_name(request, clients, command, why=f"{version.fingerprint} replaces the stored data key.")
        version = _replace_stored(clients, data_keys, opened.version, former, repairs=repairs)
    else:
        keep_stored_keys(data_keys, at=clients.now(), repairs=repairs)
        words = "is the stored data key already; this run delivers and verifies it"
        ui.line(f"{version.fingerprint} {words}", mark=Mark.OK)
    delivered, proofs = replace_version.deliver_to_targets(clients, data_keys, to, version.wrapped, replaceable)
    redeploys = offer(to, clients, redeploy=request.redeploy, running=running(to), until_complete=True)
    again = (_again(command, data_keys.stack),) if any(done.is_shared for done in redeploys) else ()
    return RotateResult(
        action=action,
        stack=data_keys.stack,
        changed=opened is not None,
        versions=data_keys.versions(),
        subject=version,
        opened=opened,
        delivered=delivered,
        proofs=proofs,
        redeploys=redeploys,
        next=(*again, *_other_environments(data_keys, to)),
    )


def _again(command: Command, stack: str) -> Command:
    advice = (
        "a part of the traffic still has the old data key: it is complete when the rolling release is. "
        "The same command goes on with it"
    )
    return command.plus("--confirm", stack, "--redeploy", advice=advice)


def _opened(
    clients: Clients, data_keys: DataKeyStore, version: DataKeyVersion, warnings: Sequence[str], *, trusted: bool
) -> DecryptProof:
    """The proof that the key decrypts the version, and the warnings before it replaces another one."""
    ui = clients.ui
    ui.working("checking that the key decrypts it")
    opened = prove_opening(clients, data_keys, version, trusted=trusted)
    opening.refuse_unknown(data_keys.settings, opened.version.wrapped)
    ui.line(f"{opened.version.fingerprint} is {opened.words}", mark=Mark.OK)
    for warning in warnings:
        ui.line(warning, mark=Mark.WARN)
    return opened


def _replace_stored(
    clients: Clients,
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    former: dict[str, StoredKey],
    *,
    repairs: bool,
) -> DataKeyVersion:
    """Replace the stored data key, alone with the stack. Returns the version as it is then."""
    with data_keys.deployed.engine.alone(data_keys.stack):
        clients.ui.working("replacing the stored data key")
        current = make_current(data_keys, version, former=former, at=clients.now(), repairs=repairs)
        if current.wrapped.check_value != version.wrapped.check_value:
            opening.record(data_keys.deployed.aws, data_keys.settings, data_keys.outputs, version.wrapped)
            current = replace(current, wrapped=version.wrapped)
    name = data_keys.settings.names.stored_data_key
    clients.ui.line(f"{current.fingerprint} is in {name}; all others are kept", mark=Mark.OK)
    return current


def _refuse_under_rolling_release(to: TargetContext) -> None:
    """Raises ResourceError while production's traffic moves from one deployment to another.

    Both would then run with the former data key, or one with each, and what is promoted now would wait behind them.
    """
    if to.vercel is None or not isinstance(to.project, VercelProject):
        return
    release = to.vercel.rolling_release(to.project)
    if release is not None and release.is_active:
        raise ResourceError(
            f"a rolling release is not complete: {release.canary.name}: {release.words}; nothing was changed",
            Command(release.command, advice="when it is complete, run the same command again"),
        )


def _rolling_release_warning(to: TargetContext) -> tuple[str, ...]:
    # With keys for reading each of the two deployments reads what the other writes.
    is_read = to.settings.keys_for_reading
    if is_read or not isinstance(to.project, VercelProject) or not to.project.has_rolling_releases:
        return ()
    team = ("--scope", to.project.team_slug) if to.project.team_slug else ()
    off = shell("vercel", "rolling-release", "configure", "--disable", "--project", to.project.name, *team)
    return (
        Text(
            "the project has rolling releases: while one is under way two deployments run, each with another data key, "
            "and neither reads what the other writes. To move all traffic at once, before you confirm: ",
            off,
        ),
    )


def _other_environments(data_keys: DataKeyStore, to: TargetContext) -> tuple[str, ...]:
    """Next steps for the other Vercel environments with the three variables, which keep their data key."""
    if to.vercel is None or not isinstance(to.project, VercelProject):
        return ()
    environments = attempted(to.vercel.overlaps, to.project)
    if isinstance(environments, SetupError):
        return (
            f"which other Vercel environments have the variables is unknown ({environments.message}): vercel env ls",
        )
    return tuple(
        Text(
            f"{words}: it keeps its data key; to deliver this one, unless it has a stack of its own: ",
            eonpro("push", "--to", "ENVIRONMENT", "--stack", data_keys.stack),
        )
        for words in environments
        if data_keys.settings.delivered_names.data_key in words
    )


def confirm_by_name(request: Request, clients: Clients, command: Command, *, why: str) -> None:
    """Ask for the stack's name, unless `--confirm` has it. Raises Cancelled without it."""
    if not confirmation.typed(request, clients.ui, why=why):
        raise Cancelled(
            "nothing was changed: confirm with the stack's name",
            command.plus("--confirm", request.stack),
        )
