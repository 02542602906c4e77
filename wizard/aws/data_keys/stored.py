"""The laws of the escrow and of the two variables beside it, the same in Parameter Store and in Secrets Manager.

Touches only the store it is given. Here an escrow is only created; `wizard.aws.data_keys.versions` replaces what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from components.settings import DATA_KEY_VARIABLE, SecretStore
from wizard.core.data_key import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey

KEY_ARN_TAG = "eonpro:key-arn"
FINGERPRINT_TAG = "eonpro:fingerprint"
NEXT_KEY_ARN_TAG = "eonpro:next-key-arn"
NEXT_FINGERPRINT_TAG = "eonpro:next-fingerprint"
"""What a replacement under way is about to put there (`wizard.aws.data_keys.versions`); until it is over, either value is right."""
MADE_BY_TAG = "eonpro:made-by"
MADE_BY = "eonpro-kms wizard"
SECURE = "SecureString"
"""The type of a parameter that is encrypted where it is kept."""

DESCRIPTION = (
    "EONPRO PHI data key, wrapped; the tags say by which key. Never delete or overwrite it: PHI is lost with it."
)
"""Of an escrow, whichever version it holds: Secrets Manager keeps it through a change of the value."""

READ_BACK = (0.2, 0.6, 1.5)
"""Seconds between readings of what was just written: for a moment the old value may be answered."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a store has under a name."""

    value: str = field(repr=False)
    """Empty where it is no text, or where there is a name without a value."""
    version: int = 1
    type: str = ""
    """The parameter's; a secret has none."""


class Store(Protocol):
    """A store of named values in one Region. Its methods raise errors of `wizard.core.errors` only."""

    kind: SecretStore
    noun: str
    """`parameter` or `secret`."""
    title: str

    def pause(self, seconds: float) -> None:
        """Wait, between bounded tries."""
        ...

    def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        """The values of those names that are there, decrypted."""
        ...

    def tags(self, name: str) -> Mapping[str, str]:
        """Its tags; empty where the caller may not see them."""
        ...

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """False when the name is taken; what is there is then untouched."""
        ...

    def overwrite(self, name: str, value: str, there: Held, *, description: str) -> None:
        """Another value for a name that is taken. Of an escrow, the ledger's one replacement alone calls it."""
        ...

    def under(self, folder: str) -> Mapping[str, Held]:
        """All names under a folder, with their values, decrypted."""
        ...

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Tags for a name that is taken, beside those it has; its value is left alone."""
        ...

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """Take tags away; those it does not have are no error."""
        ...

    def history_command(self, name: str) -> str:
        """What a person types to see which values the name has had."""
        ...

    def listing_command(self, prefix: str) -> str:
        """What a person types to see the names under the prefix."""
        ...


def read_stored_data_key(store: Store, name: str) -> StoredDataKey | None:
    """The wrapped data key that the store holds under the name; None when there is no such name.

    Raises DataKeyConflict when it holds anything else, or another key than its tags say.
    """
    found = store.read([name]).get(name)
    if found is None:
        return None
    history = store.history_command(name)
    try:
        wrapped = WrappedDataKey(value=found.value)
    except MalformedDataKey as error:
        raise DataKeyConflict(
            f"the {store.noun} {name} holds something that is no wrapped data key ({error}); nothing was overwritten",
            f"{history}   # find what wrote it, and restore the version that was a wrapped key",
        ) from error
    tags = store.tags(name)
    if tags.get(NEXT_FINGERPRINT_TAG) == wrapped.fingerprint:
        # A replacement was interrupted after the value and before its tags.
        return StoredDataKey(
            parameter=name,
            wrapped=wrapped,
            key_arn=tags.get(NEXT_KEY_ARN_TAG),
            version=found.version,
            store=store.kind,
            type=found.type,
        )
    told = tags.get(FINGERPRINT_TAG)
    if told is not None and (not FINGERPRINT.fullmatch(told) or told != wrapped.fingerprint):
        raise DataKeyConflict(
            f"the {store.noun} {name} holds the data key {wrapped.fingerprint}, but its tag says {told}: "
            "somebody replaced its value; nothing was overwritten",
            f"{history}   # find out which of the two the application's records are under",
        )
    return StoredDataKey(
        parameter=name,
        wrapped=wrapped,
        key_arn=tags.get(KEY_ARN_TAG),
        version=found.version,
        store=store.kind,
        type=found.type,
    )


def store_data_key(store: Store, name: str, wrapped: WrappedDataKey, *, key_arn: str, tags: Mapping[str, str]) -> bool:
    """Create the escrow. False when the name is taken already, whoever took it; what is there is untouched."""
    own = {KEY_ARN_TAG: key_arn, FINGERPRINT_TAG: wrapped.fingerprint, MADE_BY_TAG: MADE_BY}
    return store.create(
        name,
        wrapped.value,
        secret=True,
        description=DESCRIPTION,
        tags={**tags, **own},
    )


def deliver(
    store: Store,
    prefix: str,
    batch: AppVariables,
    *,
    tags: Mapping[str, str],
    target: str,
    begun: set[str] | None = None,
) -> Delivered:
    """The key's ARN and the Region beside the escrow, then all three read back and compared.

    `begun` takes the names that a write was begun of: handed in again by the next try, what an earlier one may have
    written is no variable that was there already.
    Raises DataKeyConflict, before anything is written, unless the escrow holds the batch's data key under the
    batch's key; ResourceError when what is read back differs.
    """
    stored_data_key = _check_escrow(store, prefix, batch)
    beside = {f"{prefix}/{name}": value for name, value in batch.values if name != DATA_KEY_VARIABLE}
    there = store.read(list(beside))
    begun = set() if begun is None else begun
    for name, value in beside.items():
        if name not in there or there[name].value != value:
            begun.add(name)
            _put(store, name, value, there.get(name), tags)
    if not _reads_back(store, prefix, batch):
        raise ResourceError(
            f"the {store.noun}s under {prefix} do not read back as they were written",
            f"{store.listing_command(prefix)}   # then run the same command again",
        )
    kept = [DATA_KEY_VARIABLE, *(name.removeprefix(f"{prefix}/") for name in beside if name not in begun)]
    return Delivered(
        target=target,
        place=f"{store.title} {prefix}",
        state=DeliveryState.WRITTEN if begun else DeliveryState.UNCHANGED,
        fingerprint=batch.wrapped.fingerprint,
        checked_by="values read back",
        kept=tuple(kept),
        plain="" if stored_data_key.type in ("", SECURE) else stored_data_key.type,
    )


def _check_escrow(store: Store, prefix: str, batch: AppVariables) -> StoredDataKey:
    name = f"{prefix}/{DATA_KEY_VARIABLE}"
    stored_data_key = read_stored_data_key(store, name)
    way_out = "run the set-up again: it reads the escrow first and delivers what it holds"
    if stored_data_key is None:
        raise DataKeyConflict(f"there is no escrow {name} to deliver beside; nothing was written", way_out)
    if stored_data_key.wrapped != batch.wrapped:
        raise DataKeyConflict(
            f"the escrow {name} holds the data key {stored_data_key.wrapped.fingerprint}, "
            f"not {batch.wrapped.fingerprint}; nothing was written",
            way_out,
        )
    if stored_data_key.key_arn not in (None, batch.key_arn):
        raise DataKeyConflict(
            f"the data key in {name} is wrapped by {stored_data_key.key_arn}, "
            f"not by {batch.key_arn}, which could not open it; nothing was written",
            way_out,
        )
    return stored_data_key


def _put(store: Store, name: str, value: str, there: Held | None, tags: Mapping[str, str]) -> None:
    description = "Of EONPRO's three variables: goes with the wrapped data key beside it."
    if there is None and store.create(
        name, value, secret=False, description=description, tags={**tags, MADE_BY_TAG: MADE_BY}
    ):
        return
    # No secret, and an old one beside the data key would be worse.
    store.overwrite(name, value, there or Held(value=""), description=description)


def _reads_back(store: Store, prefix: str, batch: AppVariables) -> bool:
    for seconds in READ_BACK:
        if check(store, prefix, batch):
            return True
        store.pause(seconds)
    return check(store, prefix, batch)


def check(store: Store, prefix: str, batch: AppVariables) -> bool:
    """Whether the three values under the prefix are the batch, read with decryption."""
    found = store.read([f"{prefix}/{name}" for name, _ in batch.values])
    values = {name: held.value for name, held in found.items()}
    return values == {f"{prefix}/{name}": value for name, value in batch.values}
