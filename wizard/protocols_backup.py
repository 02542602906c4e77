"""What a vault can do: objects in a bucket with Object Lock, created and never overwritten.

Pure. An edge implements the Protocol and knows no step; the steps know no edge.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from wizard.facts_backup import BucketLock, StoredObject


class Vault(Protocol):
    """S3, as a backup needs it (`wizard/aws/vault.py`). Methods raise errors of `wizard.errors` only."""

    def lock_of(self, bucket: str) -> BucketLock | None:
        """The bucket's Object Lock; None where it has none.

        Raises ResourceError where the account has no such bucket, in any Region.
        """
        ...

    def create(self, bucket: str, key: str, body: bytes, *, until: datetime | None) -> bool:
        """The object, if there is none of that name; False, and nothing written, where there is.

        `until`: it is locked in GOVERNANCE mode until then; None leaves that to the bucket.
        """
        ...

    def read(self, bucket: str, key: str) -> StoredObject | None:
        """The object's newest version with its lock; None for no object, or no bucket of the account's."""
        ...
