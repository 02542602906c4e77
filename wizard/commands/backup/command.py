"""`backup`: every version of the wrapped data key, copied to the places that the options name.

Reads the stored data key and its versions, writes the copies; needs neither the Vercel project nor the Pulumi state.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.settings import Outputs, Settings
from components.settings.stored_values import HASH_KEY
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.commands.backup import destination
from wizard.commands.backup.destination import BackupCopy, DestinationKind, State
from wizard.core import json_documents
from wizard.core.clients import Clients, Request
from wizard.core.errors import DataKeyConflict, SetupError, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.inputs import APPLICATION, Mark
from wizard.core.models.rotation import DataKeyVersion, LastBackup, RestoreDrill
from wizard.core.next_command import Command, eonpro
from wizard.core.target_context import TargetContext
from wizard.data_key import storage
from wizard.data_key.backup_document import Backup, backup_of
from wizard.inputs.accepted import is_region

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.terminal.terminal import Terminal


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


def after_setup(place: str, ui: Terminal, context: TargetContext, *, at: datetime) -> LastBackup:
    """The backup at the end of the set-up: to a file, `s3://BUCKET/KEY` or a Region. Raises SetupError."""
    to, to_region = (None, place) if is_region(place) else (place, None)
    return _back_up(to, to_region, ui, context, context.require_outputs, at=at)[2]


def _back_up(
    to: str | None,
    to_region: str | None,
    ui: Terminal,
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


def _record(ui: Terminal, aws: AwsClient, settings: Settings, backup: Backup, copy: BackupCopy) -> LastBackup:
    """Record in the account where the backup is: whoever needs it may be another person, on another machine."""
    place = copy.place if copy.kind is DestinationKind.OBJECT else f"{copy.region}:{copy.place}"
    if copy.kind is DestinationKind.FILE:
        place = file_place(copy.place)
    # A copy in another Region has the current version alone; a parameter has room for some 150 fingerprints.
    versions = () if copy.kind is DestinationKind.STORE else tuple(each.fingerprint for each in backup.versions)[-100:]
    last = LastBackup(at=backup.created_at, fingerprint=backup.fingerprint, place=place, versions=versions)
    try:
        aws.stored_data_keys.record(settings.names.last_backup, last.text, tags=settings.tags)
    except SetupError as error:
        ui.line(f"the backup is complete, but the account does not record it: {error.message}", mark=Mark.WARN)
    return last


def to_a_file(deployed: StackFacts, of: str) -> Command:
    """The command for a backup in a file of this folder."""
    return eonpro("backup", "--stack", deployed.stack, "--to", _file_name(deployed.settings.application, of))


def _file_name(application: str, of: str) -> str:
    return f"{application}-{of}.backup.json"


def file_place(path: str) -> str:
    return f"{platform.node()}:{Path(path).expanduser().absolute()}"


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


def _show(ui: Terminal, backup: Backup, copy: BackupCopy) -> None:
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
