"""A copy of the stored data key in the store of another Region: where a replica of the key opens it, or as a mere copy.

Pure: acts through the cloud's Protocol; create-only, read back and compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.settings import DATA_KEY_VARIABLE, Settings
from wizard.commands.backup.destination import DestinationKind, Kept, State
from wizard.commands.backup.document import Backup
from wizard.core.errors import DataKeyConflict, ResourceError, UsageError
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient
from wizard.data_key.storage import region_of

FOLDER = "backups"


def keep(region: str, backup: Backup, aws: AwsClient, settings: Settings, *, replica_arns: Sequence[str]) -> Kept:
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
    return Kept(
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
