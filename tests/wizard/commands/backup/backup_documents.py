"""Documents of `backup --json` as the command makes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.wizard.commands.backup.test_document import OLD, backup
from tests.wizard.fakes.clients import KEY, REPLICA, REPLICA_REGION, STORED_KEY
from wizard.commands.backup.command import document
from wizard.commands.backup.destination import BackupCopy, DestinationKind, State

FILE = BackupCopy(place="/safe/backup.json", kind=DestinationKind.FILE, state=State.WRITTEN, opens_with=KEY)
OBJECT = BackupCopy(
    place="s3://clinic-backups/backup.json",
    kind=DestinationKind.OBJECT,
    state=State.EXISTING,
    region="eu-west-1",
    opens_with=KEY,
    encryption="aws:kms",
    lock_mode="GOVERNANCE",
    locked_until=datetime(2033, 11, 24, tzinfo=UTC),
    version="3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY",
)
STORE = BackupCopy(
    place=STORED_KEY, kind=DestinationKind.STORE, state=State.WRITTEN, region=REPLICA_REGION, opens_with=REPLICA
)

DOCUMENTS: dict[str, Mapping[str, Any]] = {
    "a file": document("production", backup(), (FILE,)),
    "an object and another Region": document("organization/eonpro-kms/production", backup(OLD), (OBJECT, STORE)),
}
