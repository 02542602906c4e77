"""`backup` from the command line to its end: what is stored, to every place that is named.

Touches the places, which it creates, and reads the stored data key; needs neither the project on Vercel nor the Pulumi state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.settings import DATA_KEY_VARIABLE, Settings
from wizard.commands import deployed_stack
from wizard.commands.backup import BackupOptions, destination
from wizard.commands.backup.destination import BackupCopy, DestinationKind, State
from wizard.commands.backup.document import Backup, backup_of
from wizard.commands.deployed_stack import DeployedStack
from wizard.core import json_documents
from wizard.core.errors import DataKeyConflict, ResourceError, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.models.stack import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, UserInterface
from wizard.data_key import delivery
from wizard.data_key.delivery import region_of
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
    kept: list[BackupCopy] = []
    if options.to:
        backup_storage = found.aws.backup_storage
        kept.append(
            destination.keep(options.to, backup, backup_storage, retention_days=found.settings.trail_retention_days)
        )
        _tell(clients.ui, backup, kept[-1])
    if options.to_region:
        replicas = found.outputs.replica_key_arns if found.outputs else ()
        kept.append(keep_in_region(options.to_region, backup, found.aws, found.settings, replica_arns=replicas))
        _tell(clients.ui, backup, kept[-1])
    if options.to:
        clients.ui.line("to restore it:")
        clients.ui.verbatim(wizard("restore", "--stack", backup.stack, "--from-backup", kept[0].place))
    return 0, document(request.stack, backup, tuple(kept))


def _backup(request: Request, clients: Clients, found: DeployedStack) -> Backup:
    settings, aws = found.settings, found.aws
    stored = delivery.find_stored_data_key(aws, settings)
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


def _tell(ui: UserInterface, backup: Backup, kept: BackupCopy) -> None:
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


def document(stack: str, backup: Backup, kept: tuple[BackupCopy, ...]) -> json_documents.Document:
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


FOLDER = "backups"


def keep_in_region(
    region: str, backup: Backup, aws: AwsClient, settings: Settings, *, replica_arns: Sequence[str]
) -> BackupCopy:
    """The current version in that Region's store, under the stored data key's own name where a replica opens it there.

    Without a replica it lies under a name of its own, which no task reads: it opens only with the first Region's key.
    Raises DataKeyConflict where the name holds another data key; it is then untouched.
    """
    if region == settings.region:
        raise UsageError(
            f"{region} is the Region that the stored data key is in already",
            "name another: --to-region REGION   (aws account list-regions)",
        )
    there = aws.with_region(region)
    replica = _replica(region, backup, replica_arns)
    name = settings.names.stored_data_key if replica else name_without_a_replica(backup, settings)
    opens_with = replica or backup.key_arn
    written = there.stored_data_keys.store_data_key(
        name, backup.wrapped, key_arn=opens_with, tags=settings.tags, store=settings.secret_store
    )
    found = there.stored_data_keys.read_stored_data_key(name, store=settings.secret_store)
    if found is None:
        raise ResourceError(
            f"{name} in {region} was written and is not there",
            wizard("backup", "--stack", backup.stack, "--to-region", region),
        )
    if found.wrapped != backup.wrapped:
        raise DataKeyConflict(
            f"{name} in {region} holds the data key {found.wrapped.fingerprint}, not {backup.fingerprint}; nothing was "
            "overwritten",
            "find out which of the two the application there has its records under",
        )
    return BackupCopy(
        place=name,
        kind=DestinationKind.STORE,
        state=State.WRITTEN if written else State.THERE,
        region=region,
        opens_with=opens_with,
    )


def name_without_a_replica(backup: Backup, settings: Settings) -> str:
    """`/eonpro/production/backups/<16 hex>/ENCRYPTED_PHI_KEY`: another data key has another name."""
    hexes = backup.fingerprint.removeprefix("sha256:")
    return f"{settings.names.parameter_prefix}/{FOLDER}/{hexes}/{DATA_KEY_VARIABLE}"


def _replica(region: str, backup: Backup, replica_arns: Sequence[str]) -> str | None:
    """The replica of the very key that wraps it; replicas bear their primary's id (`mrk-…`)."""
    key_id = backup.key_arn.rpartition("/")[2]
    return next((arn for arn in replica_arns if region_of(arn) == region and arn.rpartition("/")[2] == key_id), None)
