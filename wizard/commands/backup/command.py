"""`backup` from the command line to its end: what is stored, to every place that is named.

Touches the places, which it creates, and reads the stored data key; needs neither the project on Vercel nor the Pulumi state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.settings import Settings
from wizard.commands import deployed_stack
from wizard.commands.backup import BackupOptions, destination, region
from wizard.commands.backup.destination import DestinationKind, Kept, State
from wizard.commands.backup.document import Backup, backup_of
from wizard.commands.deployed_stack import DeployedStack
from wizard.core import json_documents
from wizard.core.errors import DataKeyConflict, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.progress import Mark
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, UserInterface
from wizard.data_key import storage
from wizard.setup.steps import Clients, Request


def run(options: BackupOptions, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """Back the wrapped data key up. Raises SetupError."""
    if not (options.to or options.to_region):
        raise UsageError(
            "backup needs a place: --to FILE, --to s3://BUCKET/KEY, or --to-region REGION",
            wizard("backup", "--to", f"eonpro-{request.stack}.backup.json"),
        )
    clients.ui.working("reading the stored data key")
    found = deployed_stack.find(request, clients)
    backup = _backup(request, clients, found)
    kept: list[Kept] = []
    if options.to:
        backup_storage = found.aws.backup_storage
        kept.append(
            destination.keep(options.to, backup, backup_storage, retention_days=found.settings.trail_retention_days)
        )
        _tell(clients.ui, backup, kept[-1])
    if options.to_region:
        replicas = found.outputs.replica_key_arns if found.outputs else ()
        kept.append(region.keep(options.to_region, backup, found.aws, found.settings, replica_arns=replicas))
        _tell(clients.ui, backup, kept[-1])
    if options.to:
        clients.ui.line("to restore it:")
        clients.ui.verbatim(wizard("restore", "--stack", backup.stack, "--from-backup", kept[0].place))
    return 0, document(request.stack, backup, tuple(kept))


def _backup(request: Request, clients: Clients, found: DeployedStack) -> Backup:
    settings, aws = found.settings, found.aws
    stored = storage.find_stored_data_key(aws, settings)
    if stored is None:
        raise DataKeyConflict(
            f"there is no {settings.names.stored_data_key} to back up",
            f"python -m wizard restore --stack {request.stack} --from-backup PLACE   # or, on a new stack, setup",
        )
    return backup_of(
        made_at=clients.now(),
        stack=request.stack,
        settings=settings,
        store=stored.store,
        key_arn=_key_of(request, found, stored),
        versions=_versions(aws, settings, stored),
    )


def _key_of(request: Request, found: DeployedStack, stored: StoredDataKey) -> str:
    """The key that opens it, as the stored data key says; else the stack's, whose state has to be readable then."""
    return stored.key_arn or deployed_stack.outputs_of(found).key_arn


def _versions(aws: AwsClient, settings: Settings, stored: StoredDataKey) -> tuple[DataKeyVersion, ...]:
    """Every version that is kept, in the store where the stored data key is."""
    there = settings.model_copy(update={"secret_store": stored.store})
    versions = aws.key_rotation.versions(there)
    if [each.wrapped for each in versions if each.current] != [stored.wrapped]:
        raise DataKeyConflict(
            f"{stored.parameter} changed while it was read; nothing was written",
            "run the same command again, when no other is under way",
        )
    return versions


def _tell(ui: UserInterface, backup: Backup, kept: Kept) -> None:
    done = "is there already" if kept.state is State.THERE else "written, read back and compared"
    where = f" in {kept.region}" if kept.region else ""
    ui.line(f"{kept.place}{where}: {backup.fingerprint} {done}", mark=Mark.OK)
    if kept.kind is DestinationKind.OBJECT:
        if kept.locked_until:
            ui.line(f"locked in {kept.lock_mode} mode until {kept.locked_until:%Y-%m-%d}", mark=Mark.OK)
        else:
            ui.line("whether it is locked could not be read: s3:GetObjectRetention", mark=Mark.WARN)
    if kept.kind is DestinationKind.STORE:
        mine = kept.opens_with != backup.key_arn
        ui.line(
            f"it opens there, with the replica {kept.opens_with}"
            if mine
            else f"it opens only with {kept.opens_with}, in {backup.region}: there is no replica in {kept.region}",
            mark=Mark.OK if mine else Mark.WARN,
        )


def document(stack: str, backup: Backup, kept: tuple[Kept, ...]) -> json_documents.Document:
    """Of a backup; nothing of the wrapped key is in it."""
    told = [
        {
            "place": each.place,
            "kind": each.kind,
            "state": each.state,
            "region": each.region,
            "opensWith": each.opens_with,
            "encryption": each.encryption,
            "lockMode": each.lock_mode,
            "lockedUntil": each.locked_until.isoformat(timespec="seconds") if each.locked_until else None,
            "objectVersion": each.version,
        }
        for each in kept
    ]
    return {
        **json_documents.head("backup"),
        "stack": stack,
        "fingerprint": backup.fingerprint,
        "keyArn": backup.key_arn,
        "madeAt": backup.made_at.isoformat(timespec="seconds"),
        "versions": len(backup.versions),
        "kept": told,
    }


def read(where: str, aws: AwsClient) -> Backup:
    """The backup at a place, judged: for whoever restores it. Raises UsageError for one that cannot be used."""
    return destination.read(where, aws.backup_storage)
