"""A fake of `BackupStorage`: buckets with Object Lock, in memory, which only create."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from wizard.aws.s3 import BackupStorage
from wizard.core.errors import ResourceError
from wizard.core.models.rotation import BucketLock, StoredObject

VAULT_BUCKET = "clinic-backups"


@dataclass(kw_only=True)
class FakeBackupStorage(BackupStorage):
    """Buckets by name, objects by bucket and key."""

    log: list[str] = field(default_factory=list)
    buckets: dict[str, BucketLock | None] = field(
        default_factory=lambda: {VAULT_BUCKET: BucketLock(region="us-east-1", mode="GOVERNANCE")}
    )
    objects: dict[tuple[str, str], StoredObject] = field(default_factory=dict)
    meddle: bytes | None = None
    """What is read instead of what was written."""

    def lock_of(self, bucket: str) -> BucketLock | None:
        self.log.append(f"backup_storage.lock_of {bucket}")
        if bucket not in self.buckets:
            raise ResourceError(f"the account has no bucket {bucket}", f"aws s3api create-bucket --bucket {bucket}")
        return self.buckets[bucket]

    def create(self, bucket: str, key: str, body: bytes, *, until: datetime | None) -> bool:
        self.log.append(f"backup_storage.create {bucket}/{key}")
        if (bucket, key) in self.objects:
            return False
        lock = self.buckets[bucket]
        mode = (lock.mode if lock else None) or ("GOVERNANCE" if until else None)
        self.objects[bucket, key] = StoredObject(
            body=body,
            version="v1",
            encryption="AES256",
            lock_mode=mode,
            locked_until=until or (datetime(2033, 1, 1, tzinfo=UTC) if mode else None),
        )
        return True

    def read(self, bucket: str, key: str) -> StoredObject | None:
        self.log.append(f"backup_storage.read {bucket}/{key}")
        found = self.objects.get((bucket, key))
        return replace(found, body=self.meddle) if found and self.meddle is not None else found
