"""What the edges can do for a rotation: the keys with their rotations and every kept version, and the wrapping child.

Pure. An edge implements a Protocol and knows no step; the steps know no edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from components.contract import Settings
from wizard.datakey import WrappedDataKey
from wizard.facts_rotation import EscrowedVersion, KeyRotations, Origin, Seat


class KeyRing(Protocol):
    """The KMS keys and the ledger of data keys of one Region (`wizard/aws/keyring.py`).

    Methods raise errors of `wizard.errors` only. None of them returns, or asks KMS for, a data key's plaintext.
    """

    def rotations(self, key_arn: str) -> KeyRotations:
        """The rotations of a key, past and to come; what may not be asked for is None."""
        ...

    def rotate_on_demand(self, key_arn: str) -> None:
        """RotateKeyOnDemand: new material for the key; what the old material wrapped, it opens as before."""
        ...

    def reencrypt(self, wrapped: WrappedDataKey, *, source: str, destination: str) -> WrappedDataKey:
        """ReEncrypt, inside KMS and without an encryption context: the same data key under another key.

        Raises PermissionDenied without kms:ReEncryptFrom or kms:ReEncryptTo, DataKeyConflict when the source does not
        open it.
        """
        ...

    def versions(self, settings: Settings) -> tuple[EscrowedVersion, ...]:
        """Every version that is kept, the oldest first, and the escrow's own where it has no entry yet."""
        ...

    def spoiled(self, settings: Settings) -> tuple[str, ...]:
        """The names of entries whose value somebody replaced by hand; they are no versions any more."""
        ...

    def version(self, settings: Settings, fingerprint: str) -> EscrowedVersion | None:
        """The kept version of that fingerprint, read by its name; None for none."""
        ...

    def keep(
        self,
        settings: Settings,
        wrapped: WrappedDataKey,
        *,
        key_arn: str | None,
        origin: Origin,
        at: datetime,
        same_as: str | None = None,
    ) -> EscrowedVersion:
        """An entry for a version, create-only, read back; one that is there is left alone.

        Raises DataKeyConflict when its name holds anything else.
        """
        ...

    def seat(self, settings: Settings) -> Seat:
        """What the escrow holds now, whatever that is."""
        ...

    def replace_current(self, settings: Settings, version: EscrowedVersion, *, key_arn: str, seen: Seat) -> None:
        """The kept version into the escrow, in place of what was `seen` there; `key_arn` is its key in this Region.

        Raises DataKeyConflict, and changes nothing, unless both are kept and the escrow is as it was seen.
        """
        ...


class Wrapper(Protocol):
    """The child that reads an ENCRYPTION_KEY and has KMS wrap it (`wizard/wrapping.py`): it alone sees the key."""

    def wrap(self, environment: Mapping[str, str], *, key_arn: str, prompt: bool) -> WrappedDataKey:
        """The wrapped key; with `prompt` the child asks at the terminal, masked, else it reads standard input.

        `environment` makes it the operator. Raises UsageError for what is no 64 hex digits, PermissionDenied without
        kms:Encrypt.
        """
        ...
