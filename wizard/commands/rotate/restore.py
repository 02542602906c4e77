"""`restore` and `adopt`: make a kept version, the data key of a backup, or the application's former key ours again.

Acts through the clients. The data key that it replaces is kept as a version. A child process reads the former
ENCRYPTION_KEY and lets KMS wrap it; it never enters this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wizard.commands.backup import destination
from wizard.commands.rotate.data_key import put_in_place
from wizard.commands.rotate.evidence import promote_command, record_tables, scan_command
from wizard.commands.rotate.replace_version import same_version
from wizard.commands.rotate.result import Action, RotateResult, show_versions, warn_of_altered
from wizard.commands.rotate.steps import fetch_command
from wizard.commands.rotate.versions import (
    DataKeyStore,
    keep_everywhere,
    keep_stored_keys,
    may_create,
    read_stack,
    refuse_other_store,
    stored_fingerprint,
    version_of,
)
from wizard.core.clients import Clients, Request
from wizard.core.data_key import WrappedDataKey, damage, input_variable, read_from_application
from wizard.core.errors import Cancelled, DataKeyConflict, UsageError
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import S3, DataKeyVersion, VersionOrigin, fingerprint_in
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import Command, Text, eonpro
from wizard.data_key import guard
from wizard.data_key.backup_document import refuse_foreign
from wizard.setup import confirmation
from wizard.setup.deliver_and_verify import wrap_former_key
from wizard.setup.importing.data_key import imported_data_key
from wizard.setup.importing.discovery import entered_data_key


def _restore(data_keys: DataKeyStore, *words: str | Path, advice: str = "") -> Command:
    """`restore WORDS` of the stored value, for this stack."""
    return eonpro("restore", *guard.key_option(data_keys.settings), *words, "--stack", data_keys.stack, advice=advice)


def listing(request: Request, clients: Clients, *, variable: str | None) -> tuple[tuple[DataKeyVersion, ...], Command]:
    """Show the versions and the command that restores one. Changes nothing."""
    data_keys = read_stack(request, clients, variable=variable)
    clients.ui.section("Kept versions")
    versions = data_keys.versions()
    show_versions(clients.ui, versions, data_keys.outputs.key_arns)
    warn_of_altered(clients.ui, data_keys.own.key_rotation.altered(data_keys.settings))
    again = eonpro("doctor", "--stack", data_keys.stack)
    if versions:
        # The stored one, which is then only delivered again; where it is lost, the last that was. To read records with
        # another one is a person's decision: no command for that is ready to be pasted.
        chosen = max(reversed(versions), key=lambda each: (each.current, each.was_current))
        again = _restore(data_keys, "--version", chosen.fingerprint)
        again = again.plus("--confirm", data_keys.stack, advice="or with another version of this list")
    clients.ui.verbatim(again)
    return versions, again


def restore_version(request: Request, clients: Clients, fingerprint: str, *, variable: str | None) -> RotateResult:
    """Make a kept version the stored data key, whatever is stored now."""
    data_keys = read_stack(request, clients, variable=variable)
    refuse_other_store(data_keys)
    command = _restore(data_keys, "--version", "FINGERPRINT")
    version = version_of(data_keys, fingerprint, command=command)
    return _put_back(
        request,
        clients,
        data_keys,
        version,
        command=_restore(data_keys, "--version", version.fingerprint),
        # One that is stored and never was kept may be somebody else's.
        trusted=version.kept or not data_keys.stored_key().overwrites,
    )


def restore_backup(request: Request, clients: Clients, where: str, *, variable: str | None) -> RotateResult:
    """Make the current version of a backup the stored data key, after a proof; keep its other versions, too."""
    data_keys = read_stack(request, clients, variable=variable)
    refuse_other_store(data_keys)
    ui = clients.ui
    backup = destination.read(where, data_keys.deployed.aws.backup_storage)
    refuse_foreign(backup, data_keys.settings, where)
    value = data_keys.settings.names.value
    if not backup.versions_of(value):
        instead = f"name another backup; one that was made after the {value.noun} has it"
        raise UsageError(f"{where} has no {value.noun}; nothing was changed", instead)
    backup = replace(backup, versions=backup.versions_of(value))
    if backup.key_arn not in data_keys.outputs.key_arns:
        raise UsageError(
            f"{where} has a data key of {backup.key_arn}, but the stack's key is {data_keys.outputs.key_arn}; "
            "nothing was changed",
            "use the stack that made the backup: only its KMS key can decrypt the data key",
        )
    ui.line(f"{where}: {backup.fingerprint}, of {backup.created_at:%Y-%m-%d}; versions: {len(backup.versions)}")
    known = {version.fingerprint for version in data_keys.versions()}
    # An entry with another value is no version, but its name says that this data key was kept under it.
    altered = data_keys.own.key_rotation.altered(data_keys.settings)
    is_known = backup.fingerprint in {*known, *map(fingerprint_in, altered)}
    place = where if where.startswith(S3) else Path(where)
    origin = backup.current.origin if is_known else VersionOrigin.RESTORED
    return _put_back(
        request,
        clients,
        data_keys,
        replace(backup.current, parameter=where, current=False, origin=origin),
        command=_restore(data_keys, "--from-backup", place),
        others=tuple(
            version for version in backup.versions if version.fingerprint not in known and not version.current
        ),
        trusted=is_known,
    )


def keep_lost(request: Request, clients: Clients, where: str | None, *, variable: str | None) -> RotateResult:
    """Keep every version of a backup, or of the store's history, that is not kept; the stored data key stays."""
    data_keys = read_stack(request, clients, variable=variable)
    refuse_other_store(data_keys)
    deployed, settings = data_keys.deployed, data_keys.settings
    if where:
        backup = destination.read(where, deployed.aws.backup_storage)
        refuse_foreign(backup, settings, where)
        found = backup.versions_of(settings.names.value)
    else:
        names = (settings.names.stored_data_key, *data_keys.own.key_rotation.altered(settings))
        read = deployed.aws.access_diagnostics.history
        history = [former.text for name in names for former in read(name, settings.secret_store)]
        values = dict.fromkeys(text for text in history if damage(text, of=None) is None)
        found = tuple(_of_history(WrappedDataKey(value=value)) for value in values)
    with deployed.engine.alone(request.stack):
        known = {version.fingerprint: version for version in data_keys.versions()}
        # A data key that was never in use has its entry when it is promoted.
        lost = [
            version
            for version in found
            if (mine := known.get(version.fingerprint)) is None
            or (version.was_current and not mine.kept and not mine.current)
        ]
        lost += [version for version in known.values() if version.overwrites]
        _keep(data_keys, lost, clients)
    return RotateResult(action=Action.RESTORE, stack=data_keys.stack, changed=bool(lost), versions=data_keys.versions())


def _of_history(wrapped: WrappedDataKey) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=wrapped,
        key_arn=None,
        parameter="the store's history",
        origin=VersionOrigin.RESTORED,
        kept_at=None,
        same_as=wrapped.fingerprint,
        current=False,
        was_current=True,
    )


def _keep(data_keys: DataKeyStore, versions: Sequence[DataKeyVersion], clients: Clients) -> None:
    for version in versions:
        keep_everywhere(
            data_keys,
            version.wrapped,
            key_arn=version.key_arn,
            origin=VersionOrigin.RESTORED,
            at=clients.now(),
            same_as=version.same_as,
            was_current=version.was_current and not version.current,
            repairs=True,
        )
    counted = "1 lost version is" if len(versions) == 1 else f"{len(versions)} lost versions are"
    again = f"{counted} kept again: {', '.join(version.fingerprint for version in versions)}"
    clients.ui.line(again if versions else "no version is lost: nothing was changed", mark=Mark.OK)


def restore_from_target(request: Request, clients: Clients, *, of: str | None) -> RotateResult:
    """Make the application's own copy of the data key the stored one, after a proof.

    It is what Vercel shows; a hidden or any other copy is in EONPRO_ENCRYPTED_PHI_KEY, or in that of another stored
    value's variable. Raises UsageError without one, DataKeyConflict where Vercel has another one.
    """
    data_keys = read_stack(request, clients, variable=of)
    refuse_other_store(data_keys)
    vercel, project = data_keys.deployed.vercel, data_keys.deployed.project
    variable, noun = data_keys.settings.names.variable, data_keys.settings.names.noun
    on_vercel = vercel.find_data_key(project, name=variable) if vercel and isinstance(project, VercelProject) else None
    entered, invalid = entered_data_key(request.values.get(variable.lower()), variable)
    if invalid is not None:
        raise UsageError(f"{invalid.what}; nothing was changed", invalid.next)
    wrapped = imported_data_key(on_vercel, entered)
    claimed = on_vercel.claimed if on_vercel else None
    if entered is not None and (wrapped is None or claimed not in (None, entered.fingerprint)):
        raise DataKeyConflict(
            f"{input_variable(variable)} is {entered.fingerprint}, but Vercel has another {noun}; nothing was changed",
            f"copy the one that the application has: {claimed or 'Vercel shows it'}",
        )
    if wrapped is None:
        raise UsageError(
            f"no target shows its {noun}; nothing was changed",
            Command(read_from_application(variable), advice="then the same command again"),
        )
    return _put_back(
        request,
        clients,
        data_keys,
        DataKeyVersion(
            wrapped=wrapped,
            key_arn=on_vercel.key_arn if on_vercel and on_vercel.key_arn else data_keys.outputs.key_arn,
            parameter="the application",
            origin=VersionOrigin.RESTORED,
            kept_at=None,
            same_as=wrapped.fingerprint,
            current=False,
        ),
        command=_restore(data_keys, "--from-target"),
        trusted=False,
    )


def _put_back(
    request: Request,
    clients: Clients,
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    command: Command,
    others: tuple[DataKeyVersion, ...] = (),
    trusted: bool = True,
) -> RotateResult:
    if any(version.fingerprint == known.fingerprint for other in data_keys.others for known in other.versions()):
        raise DataKeyConflict(
            f"{version.fingerprint} is no {data_keys.settings.names.noun}: it is the other key; nothing was changed",
            _restore(data_keys, advice="lists the versions"),
        )
    stored_key = data_keys.stored_key()
    replaced = (
        f"{stored_key.parameter} is empty now"
        if not stored_key.exists
        else f"{stored_key.parameter} has a value that is not a data key; the store's history keeps it"
        if stored_key.wrapped is None
        else Text(
            f"{stored_key.wrapped.fingerprint} is replaced; undo: ",
            _restore(data_keys, "--version", stored_key.wrapped.fingerprint),
        )
    )
    restored = put_in_place(
        request,
        clients,
        data_keys,
        version,
        action=Action.RESTORE,
        warnings=(
            replaced,
            data_keys.settings.names.value.replaced,
        ),
        command=command,
        trusted=trusted,
    )
    if not others:
        return restored
    _keep(data_keys, others, clients)
    return replace(restored, versions=data_keys.versions())


def adopt(request: Request, clients: Clients) -> RotateResult:
    """Store the former key as the data key if there never was one, else only as a version."""
    data_keys = read_stack(request, clients)
    refuse_other_store(data_keys)
    ui, command = clients.ui, eonpro("adopt", "--encryption-key", "--stack", data_keys.stack)
    stored_key = data_keys.stored_key()
    # After an interrupted run of this command there may be a version, but no record uses it yet.
    decision = None if stored_key.exists else may_create(data_keys, importing=True)
    if decision is not None and decision.state is guard.DecisionState.UNKNOWN:
        decision.require()
    first = decision is not None and decision.is_allowed
    _confirm_adoption(request, clients, data_keys, command, first=first)
    deployed, outputs = data_keys.deployed, data_keys.outputs
    wrapped = wrap_former_key(clients, deployed.aws, data_keys.settings, deployed.identity, outputs, data_keys.stack)
    with deployed.engine.alone(request.stack):
        # KMS wraps the same key differently each time: an earlier run, perhaps an interrupted one, may have kept it.
        same = same_version(clients, data_keys, wrapped)
        version = _keep_former(data_keys, wrapped, same, at=clients.now())
    is_in_use = same is not None and same.current
    ui.line(
        f"{version.fingerprint} is this key, and the data key in use"
        if is_in_use
        else f"{version.fingerprint} is {'this key, and ' if same else ''}kept in {version.parameter}",
        mark=Mark.OK,
    )
    if first:
        return put_in_place(
            replace(request, confirmed=request.stack),
            clients,
            data_keys,
            version,
            action=Action.ADOPT,
            warnings=(),
            command=command,
        )
    return RotateResult(
        action=Action.ADOPT,
        stack=data_keys.stack,
        changed=same is None,
        versions=data_keys.versions(),
        subject=version,
        next=() if is_in_use else (decision.next,) if decision else _promote(data_keys, version),
    )


def _confirm_adoption(
    request: Request, clients: Clients, data_keys: DataKeyStore, command: Command, *, first: bool
) -> None:
    """Say what the former key becomes, and have it confirmed. Raises Cancelled."""
    ui, versions = clients.ui, data_keys.versions()
    ui.section("The former key", "the ENCRYPTION_KEY of the application")
    if first:
        ui.line("no data key is stored yet: the former ENCRYPTION_KEY becomes the application's data key")
    else:
        show_versions(ui, versions, data_keys.outputs.key_arns)
        ui.line("the former key is kept as another version, unless the application can tell that it is one of these")
    why = "A child process reads the key, and KMS wraps it. It is never shown, and is kept forever."
    if not confirmation.typed(request, ui, why=why):
        raise Cancelled(
            "nothing was changed: confirm with the stack's name",
            Command('printf %s "$ENCRYPTION_KEY" | ', command.plus("--confirm", request.stack)),
        )


def _keep_former(
    data_keys: DataKeyStore, wrapped: WrappedDataKey, same: DataKeyVersion | None, *, at: datetime
) -> DataKeyVersion:
    """Keep the former key as a version in every Region, or again the version that is the same key."""
    keep_stored_keys(data_keys, at=at)
    return keep_everywhere(
        data_keys,
        same.wrapped if same else wrapped,
        key_arn=data_keys.outputs.key_arn,
        origin=same.origin if same else VersionOrigin.ADOPTED,
        at=at,
        same_as=same.same_as if same else None,
    )


def _promote(data_keys: DataKeyStore, version: DataKeyVersion) -> tuple[str, ...]:
    former = data_keys.version(stored_fingerprint(data_keys))
    assert former is not None
    advice = "with the application's AWS credentials: which records are under which of the two"
    return (
        fetch_command(data_keys, former=former, new=version),
        scan_command(record_tables(data_keys), advice=advice),
        promote_command(
            data_keys, version.fingerprint, advice="only if the records use that data key, or were re-encrypted"
        ),
    )
