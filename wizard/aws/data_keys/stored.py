"""The wrapped data key and the two variables that go with it, the same in Parameter Store and in Secrets Manager.

Calls SSM and Secrets Manager. The stored data key is only created here; `versions` replaces its value.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.settings import DATA_KEY_VARIABLE, SecretStore
from wizard.aws.auth.session import Session
from wizard.aws.data_keys.stores import (
    DESCRIPTION,
    FINGERPRINT_TAG,
    KEY_ARN_TAG,
    MADE_BY,
    MADE_BY_TAG,
    NEXT_FINGERPRINT_TAG,
    NEXT_KEY_ARN_TAG,
    READ_BACK_SECONDS,
    SECURE,
    Held,
    ParameterStore,
    SecretsManager,
    Store,
)
from wizard.core import retry
from wizard.core.data_key import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey
from wizard.core.retry import Reason


def store_of(session: Session, kind: SecretStore) -> Store:
    """The store of that kind in the session's Region."""
    return SecretsManager(session) if kind is SecretStore.SECRETS_MANAGER else ParameterStore(session)


class StoredDataKeys:
    """The stored data key of one Region: a `wizard.core.ports.aws.StoredDataKeys`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def read_stored_data_key(
        self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> StoredDataKey | None:
        """The wrapped data key under that name. Raises DataKeyConflict when there is anything else."""
        return read_stored_data_key(store_of(self._session, store), name)

    def variable_exists(self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE) -> bool:
        """Whether there is a parameter or secret of that name."""
        return name in store_of(self._session, store).read([name])

    def store_data_key(
        self,
        name: str,
        wrapped: WrappedDataKey,
        *,
        key_arn: str,
        tags: Mapping[str, str],
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> bool:
        """Create-only. False when the name was taken already; its value is then untouched."""
        return store_data_key(store_of(self._session, store), name, wrapped, key_arn=key_arn, tags=tags)

    def deliver_parameters(
        self,
        prefix: str,
        batch: AppVariables,
        *,
        tags: Mapping[str, str],
        target: str = "ecs",
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> Delivered:
        """The other two variables next to the stored data key; all three read back and compared.

        Throttling and a network that fails are outlasted for a minute: it goes on with what is not there yet.
        """
        there, begun = store_of(self._session, store), set[str]()
        return retry.call(
            lambda: deliver(there, prefix, batch, tags=tags, target=target, begun=begun),
            clock=self._session.clock,
        )

    def check_parameters(
        self, prefix: str, batch: AppVariables, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> bool:
        """Whether the parameters or secrets under the prefix are the batch."""
        return check(store_of(self._session, store), prefix, batch)


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
    """Create the stored data key. False when the name is taken already, whoever took it; what is there is untouched."""
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
    """The key's ARN and the Region next to the stored data key, then all three read back and compared.

    `begun` takes the names that a write was begun of: handed in again by the next try, what an earlier one may have
    written is no variable that was there already.
    Raises DataKeyConflict, before anything is written, unless the stored data key holds the batch's data key under the
    batch's key; ResourceError when what is read back differs.
    """
    stored_data_key = _check_stored(store, prefix, batch)
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


def _check_stored(store: Store, prefix: str, batch: AppVariables) -> StoredDataKey:
    name = f"{prefix}/{DATA_KEY_VARIABLE}"
    stored_data_key = read_stored_data_key(store, name)
    way_out = "run the set-up again: it reads the stored data key first and delivers it"
    if stored_data_key is None:
        raise DataKeyConflict(f"no data key is stored in {name}; nothing was written", way_out)
    if stored_data_key.wrapped != batch.wrapped:
        raise DataKeyConflict(
            f"{name} holds the data key {stored_data_key.wrapped.fingerprint}, "
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
    tries = retry.attempts(Reason.CONSISTENCY, clock=store.clock, seconds=READ_BACK_SECONDS)
    return any(check(store, prefix, batch) for _ in tries)


def check(store: Store, prefix: str, batch: AppVariables) -> bool:
    """Whether the three values under the prefix are the batch, read with decryption."""
    found = store.read([f"{prefix}/{name}" for name, _ in batch.values])
    values = {name: held.value for name, held in found.items()}
    return values == {f"{prefix}/{name}": value for name, value in batch.values}
