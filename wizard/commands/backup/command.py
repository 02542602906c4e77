"""`backup`: every version of the wrapped data key, copied to the places that the options name; and the restore drill.

Reads the stored data key and its versions, writes the copies; needs neither the Vercel project nor the Pulumi state.
The drill reads a backup, starts a child process as the application, and writes one record to the account.
"""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from components.settings import Outputs, Settings
from components.settings.arn import Arn
from components.settings.stored_values import DATA_KEY, HASH_KEY
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.commands.backup import destination
from wizard.commands.backup.destination import BackupCopy, DestinationKind, State
from wizard.core import json_documents
from wizard.core.clients import Clients, Request
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, SetupError, UsageError
from wizard.core.models.delivery import AppCredentials, AppVariables, StoredDataKey
from wizard.core.models.inputs import APPLICATION, Mark, is_region
from wizard.core.models.rotation import S3, DataKeyVersion, LastBackup, RestoreDrill, VersionOrigin, file_name_of
from wizard.core.next_command import Command, Text, eonpro
from wizard.core.ports.run import AwsClient, TargetContext, UserInterface
from wizard.data_key import storage
from wizard.data_key.backup_document import Backup, backup_of
from wizard.targets.port import DeployTarget, deploy_targets


def run(request: Request, clients: Clients, *, to: str | None, to_region: str | None) -> tuple[int, Mapping[str, Any]]:
    """Write the copies and show where they are. Raises SetupError."""
    if not (to or to_region):
        application = request.saved.application if request.saved else APPLICATION
        raise UsageError(
            "backup needs a destination: --to FILE, --to s3://BUCKET/KEY, or --to-region REGION",
            eonpro("backup", "--to", _file_name(application, request.stack)),
        )
    clients.ui.working("reading the stored data key")
    deployed = deployed_stack.find(request, clients)
    read_outputs = partial(deployed_stack.outputs_of, deployed)
    backup, copies, _ = _back_up(to, to_region, clients.ui, deployed.context(), read_outputs, at=clients.now())
    if to:
        clients.ui.line("to restore it:")
        place = copies[0].place if copies[0].kind is DestinationKind.OBJECT else Path(copies[0].place)
        clients.ui.verbatim(eonpro("restore", "--stack", backup.stack, "--from-backup", place))
    return 0, document(request.stack, backup, tuple(copies))


def after_setup(place: str, ui: UserInterface, context: TargetContext, *, at: datetime) -> LastBackup:
    """The backup at the end of the set-up: to a file, `s3://BUCKET/KEY` or a Region. Raises SetupError."""
    to, to_region = (None, place) if is_region(place) else (place, None)
    return _back_up(to, to_region, ui, context, context.require_outputs, at=at)[2]


def _back_up(
    to: str | None,
    to_region: str | None,
    ui: UserInterface,
    context: TargetContext,
    read_outputs: Callable[[], Outputs],
    *,
    at: datetime,
) -> tuple[Backup, list[BackupCopy], LastBackup]:
    backup = _backup(context, read_outputs, at)
    by_key, copies, last_copies = _by_key(backup, context.settings), [], []
    if to:
        retention = context.settings.trail_retention_days
        copy = destination.write(to, backup, context.aws.backup_storage, retention_days=retention)
        _show(ui, backup, copy)
        # All keys are in one document; in another Region each has a copy of its own.
        copies, last_copies = [copy], [copy] * len(by_key)
    if to_region:
        replicas, last_copies = context.outputs.replica_key_arns if context.outputs else (), []
        for settings, of_key in by_key:
            copy = destination.copy_to_region(to_region, of_key, context.aws, settings, replica_arns=replicas)
            _show(ui, of_key, copy)
            last_copies.append(copy)
        copies += last_copies
    records = [
        _record(ui, context.aws, settings, of_key, copy)
        for (settings, of_key), copy in zip(by_key, last_copies, strict=True)
    ]
    return backup, copies, records[0]


def _by_key(backup: Backup, settings: Settings) -> tuple[tuple[Settings, Backup], ...]:
    """The backup of each wrapped key in it, with the settings that name the key; the data key first."""
    others = (
        (settings.of_key(value.variable), replace(backup, versions=versions)) for value, versions in backup.beside
    )
    return ((settings, backup), *others)


def _record(ui: UserInterface, aws: AwsClient, settings: Settings, backup: Backup, copy: BackupCopy) -> LastBackup:
    """Record in the account where the backup is: whoever needs it may be another person, on another machine."""
    place = copy.place if copy.kind is DestinationKind.OBJECT else f"{copy.region}:{copy.place}"
    if copy.kind is DestinationKind.FILE:
        place = _file_place(copy.place)
    # A copy in another Region has the current version alone; a parameter has room for some 150 fingerprints.
    versions = () if copy.kind is DestinationKind.STORE else tuple(each.fingerprint for each in backup.versions)[-100:]
    last = LastBackup(at=backup.created_at, fingerprint=backup.fingerprint, place=place, versions=versions)
    try:
        aws.stored_data_keys.record(settings.names.last_backup, last.text, tags=settings.tags)
    except SetupError as error:
        ui.line(f"the backup is complete, but the account does not record it: {error.message}", mark=Mark.WARN)
    return last


# --- the drill


def drill(request: Request, clients: Clients, *, from_backup: str | None) -> tuple[int, Mapping[str, Any]]:
    """Open a backup as the application, in a child process that holds the key only in memory; nothing is left behind.

    The record of it, in the account, is all that it writes. Raises DataKeyConflict for a backup of another data key
    than the stored one, PermissionDenied without the application's credentials, ResourceError if it does not open.
    """
    clients.ui.working("reading the backup")
    deployed = deployed_stack.find(request, clients)
    settings, aws = deployed.settings, deployed.aws
    stored = storage.find_stored_data_key(aws, settings)
    last = None if from_backup else _newest(deployed)
    place = last.place if last else _place_of(str(from_backup))
    started = time.monotonic()
    backup = _read_backup(place, deployed, at=last.at if last else clients.now())
    _require_values_beside(backup, place, deployed)
    _require_data_key(backup, place, deployed, stored)
    outputs = deployed_stack.outputs_of(deployed)
    target = deploy_targets(settings.deploy_targets)[0]
    principal = outputs.principal_of(target.name)
    credentials = _credentials_of(principal, target, deployed)
    clients.ui.working("opening it as the application")
    # A version that another KMS key wraps needs a grant on that key, which the application does not have any more.
    versions = [
        version
        for versions in (backup.versions, *dict(backup.beside).values())
        for version in versions
        if version.current or version.key_arn in outputs.key_arns
    ]
    faults = [fault for version in versions if (fault := _fault(version, credentials, clients))]
    record = RestoreDrill(
        at=clients.now().replace(microsecond=0),
        fingerprint=backup.fingerprint,
        opened=not faults,
        seconds=time.monotonic() - started,
        versions=len(versions) - len(faults),
        principal=principal,
        place=place,
    )
    aws.stored_data_keys.record(settings.names.last_drill, record.text, tags=settings.tags)
    if faults:
        raise ResourceError(f"the backup {place} does not open: {'; '.join(faults)}", eonpro("doctor"))
    ui = clients.ui
    ui.line(f"{place}: opened as {principal} in {record.seconds:.1f} s; versions: {record.versions}", mark=Mark.OK)
    ui.line(f"recorded in {settings.names.last_drill}; the next report shows it")
    return 0, document(request.stack, backup, (), record)


def _require_data_key(backup: Backup, place: str, deployed: StackFacts, stored: StoredDataKey | None) -> None:
    """Raises DataKeyConflict where the backup is of another data key than the stored one, or none is stored."""
    if stored is None:
        raise DataKeyConflict(
            f"{place} holds the data key {backup.fingerprint}, but the application uses none: the stored data key is "
            "missing",
            _restoring(place, deployed.stack),
        )
    in_use, settings = stored.wrapped.fingerprint, deployed.settings
    if backup.fingerprint != in_use:
        raise DataKeyConflict(
            f"{place} holds the data key {backup.fingerprint}, but the application uses {in_use}",
            eonpro(
                "backup",
                "--stack",
                deployed.stack,
                "--to",
                file_name_of(settings.application, settings.environment, in_use),
            ),
        )
    recorded = stored.wrapped.check_value
    if recorded and backup.wrapped.check_value not in (None, recorded):
        raise DataKeyConflict(
            f"{place} says that {in_use} opens to the key {backup.wrapped.check_value}, but the stored one opens to "
            f"{recorded}",
            eonpro("verify", "--stack", deployed.stack, "--full"),
        )


def _credentials_of(principal: str, target: DeployTarget, deployed: StackFacts) -> AppCredentials:
    """The application's credentials. Raises PermissionDenied where they are not available here."""
    search = deployed.aws.application_credentials.app_credentials(
        principal, container_first=target.container_credentials_first
    )
    if search.credentials is None:
        raise PermissionDenied(
            f"the backup was not opened: the credentials of {principal} are not available here "
            f"({'; '.join(search.tried)})",
            Text(
                "set EONPRO_APP_WEB_IDENTITY_TOKEN_FILE, EONPRO_APP_PROFILE or EONPRO_APP_ACCESS_KEY_ID, then: ",
                eonpro("backup", "drill", "--stack", deployed.stack),
            ),
        )
    return search.credentials


def _require_values_beside(backup: Backup, place: str, deployed: StackFacts) -> None:
    """Raises DataKeyConflict where the application has another stored value that the backup has not."""
    for of_key in deployed.settings.of_each_key[1:]:
        value = of_key.names.value
        held = {version.fingerprint for version in backup.versions_of(value) if version.current}
        stored = storage.find_stored_data_key(deployed.aws, of_key)
        if stored is not None and stored.wrapped.fingerprint not in held:
            raise DataKeyConflict(
                f"{place} does not hold the {value.noun} {stored.wrapped.fingerprint}, which the application uses",
                _to_a_file(deployed, f"{deployed.stack}{value.option[1:]}"),
            )


def _to_a_file(deployed: StackFacts, of: str) -> Command:
    """The command for a backup in a file of this folder."""
    return eonpro("backup", "--stack", deployed.stack, "--to", _file_name(deployed.settings.application, of))


def _file_name(application: str, of: str) -> str:
    return f"{application}-{of}.backup.json"


def _place_of(backup: str) -> str:
    """The place of a backup that an option names, in the form of the record."""
    return backup if backup.startswith(S3) else _file_place(backup)


def _restoring(place: str, stack: str) -> str:
    """The command that restores a backup that was read here; of a copy in another Region the doctor has it."""
    where, _, name = place.partition(":")
    if place.startswith(S3) or where == platform.node():
        return eonpro("restore", "--stack", stack, "--from-backup", place if place.startswith(S3) else name)
    return eonpro("doctor", "--stack", stack)


def _file_place(path: str) -> str:
    return f"{platform.node()}:{Path(path).expanduser().absolute()}"


def _newest(deployed: StackFacts) -> LastBackup:
    last = storage.find_last_backup(deployed.aws, deployed.settings)
    if last is None:
        raise UsageError(
            "the account records no backup of the data key",
            _to_a_file(deployed, deployed.stack),
        )
    return last


def _read_backup(place: str, deployed: StackFacts, *, at: datetime) -> Backup:
    """The backup at a place in the form of the record, read into memory. `at`: when it was made, if it does not say."""
    where, _, name = place.partition(":")
    if place.startswith(S3):
        return destination.read(place, deployed.aws.backup_storage)
    if where == platform.node():
        return destination.read(name, deployed.aws.backup_storage)
    settings = deployed.settings
    if not name.startswith(settings.names.parameter_prefix):
        raise UsageError(
            f"the newest backup is the file {name} of the machine {where}: it cannot be read from here",
            "run the drill there, or copy the file here and name it: --from-backup FILE",
        )
    beside = {
        of_key.names.value: last.place.removeprefix(f"{where}:")
        for of_key in settings.of_each_key[1:]
        if (last := storage.find_last_backup(deployed.aws, of_key)) and last.place.startswith(f"{where}:")
    }
    return Backup(
        created_at=at,
        stack=deployed.stack,
        environment=settings.environment,
        account=settings.account_id,
        region=settings.region,
        store=settings.secret_store,
        versions=(_read_copy(name, where, deployed),),
        beside=tuple((value, (_read_copy(copy, where, deployed),)) for value, copy in beside.items()),
    )


def _read_copy(name: str, region: str, deployed: StackFacts) -> DataKeyVersion:
    store = deployed.settings.secret_store
    copy = deployed.aws.with_region(region).stored_data_keys.read_stored_data_key(name, store=store)
    if copy is None:
        raise ResourceError(
            f"the copy of the data key {name} in {region} does not exist any more",
            eonpro("backup", "--stack", deployed.stack, "--to-region", region),
        )
    return DataKeyVersion(
        wrapped=copy.wrapped,
        key_arn=copy.key_arn or deployed_stack.outputs_of(deployed).key_arn,
        parameter=name,
        origin=VersionOrigin.UNKNOWN,
        kept_at=None,
        same_as=copy.wrapped.fingerprint,
        current=True,
    )


def _fault(version: DataKeyVersion, credentials: AppCredentials, clients: Clients) -> str:
    """Why the application does not open a version; empty if it does."""
    # The child compares: another key than the one that was backed up is not opened.
    check_value = version.wrapped.check_value
    variables = AppVariables(
        region=Arn.parse(version.key_arn or "").region,
        key_arn=version.key_arn or "",
        wrapped=version.wrapped,
        optional=((DATA_KEY.check_value, check_value),) if check_value else (),
    )
    result = clients.prover.prove(credentials, variables, retry_seconds=0, full=True)
    is_same = result.fingerprint == version.fingerprint
    return "" if result.proved and is_same else f"{version.fingerprint}: {result.cause or 'another data key'}"


def _backup(context: TargetContext, read_outputs: Callable[[], Outputs], at: datetime) -> Backup:
    settings, aws = context.settings, context.aws
    stored = storage.find_stored_data_key(aws, settings)
    if stored is None:
        raise DataKeyConflict(
            f"there is nothing to back up: {settings.names.stored_data_key} does not exist",
            eonpro("doctor", advice="names the copies that exist; for a new stack: setup"),
        )
    others = [
        (of_key, other) for of_key in settings.of_each_key[1:] if (other := storage.find_stored_data_key(aws, of_key))
    ]
    return backup_of(
        created_at=at,
        stack=context.stack,
        settings=settings,
        store=stored.store,
        key_arn=stored.key_arn or read_outputs().key_arn,
        versions=_versions(aws, settings, stored),
        beside={of_key.names.value: _versions(aws, of_key, other) for of_key, other in others},
    )


def _versions(aws: AwsClient, settings: Settings, stored: StoredDataKey) -> tuple[DataKeyVersion, ...]:
    """Every version in the store that holds the stored data key. Raises DataKeyConflict if that changed meanwhile."""
    actual_settings = settings.model_copy(update={"secret_store": stored.store})
    versions = aws.key_rotation.versions(actual_settings)
    if [version.wrapped for version in versions if version.current] != [stored.wrapped]:
        raise DataKeyConflict(
            f"{stored.parameter} changed while it was read; nothing was written",
            "run the same command again when no other command is running",
        )
    return versions


def _show(ui: UserInterface, backup: Backup, copy: BackupCopy) -> None:
    done = "exists already" if copy.state is State.EXISTING else "written, read back and compared"
    where = f" in {copy.region}" if copy.region else ""
    ui.line(f"{copy.place}{where}: {backup.fingerprint} {done}", mark=Mark.OK)
    if copy.kind is DestinationKind.OBJECT:
        if copy.locked_until:
            ui.line(f"locked in {copy.lock_mode} mode until {copy.locked_until:%Y-%m-%d}", mark=Mark.OK)
        else:
            ui.line("its lock could not be read (permission s3:GetObjectRetention)", mark=Mark.WARN)
    if copy.kind is DestinationKind.STORE:
        has_replica = copy.opens_with != backup.key_arn
        ui.line(
            f"the replica {copy.opens_with} can decrypt it in {copy.region}"
            if has_replica
            else f"only {copy.opens_with} in {backup.region} can decrypt it: {copy.region} has no replica of the key",
            mark=Mark.OK if has_replica else Mark.WARN,
        )


class BackupDocument(json_documents.Head):
    """A backup; the wrapped key itself is only in the file."""

    stack: str
    fingerprint: json_documents.Fingerprint
    keyArn: str
    madeAt: json_documents.Time
    versions: int
    hashKeyVersions: int
    kept: list[destination.Kept]
    drill: RestoreDrill | None


def document(
    stack: str, backup: Backup, copies: tuple[BackupCopy, ...], drill: RestoreDrill | None = None
) -> BackupDocument:
    """The JSON document of the command; it does not contain the wrapped key."""
    return {
        **json_documents.head("backup"),
        "stack": stack,
        "fingerprint": backup.fingerprint,
        "keyArn": backup.key_arn,
        "madeAt": backup.created_at.isoformat(timespec="seconds"),
        "versions": len(backup.versions),
        "hashKeyVersions": len(backup.versions_of(HASH_KEY)),
        "kept": [destination.kept(copy) for copy in copies],
        "drill": json_documents.plain(drill),
    }
