"""The wrapped data key and the two variables that go with it, the same in Parameter Store and in Secrets Manager.

Calls SSM and Secrets Manager. The stored data key is only created here; only `versions` replaces its value.
"""

from collections.abc import Mapping

from components.settings import WRAPPED_KEYS, SecretStore
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient
from wizard.aws.data_keys import stores
from wizard.aws.data_keys.secrets_manager import SecretsManager
from wizard.core import retry
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey
from wizard.core.next_command import Command, Text, eonpro
from wizard.core.retry import Reason
from wizard.core.safe_text import quoted
from wizard.core.variable_ownership import ForeignVariable, OwnValues, VariablesNotOurs, is_own, shown


def store_of(session: Session, kind: SecretStore) -> stores.Store:
    return SecretsManager(session) if kind is SecretStore.SECRETS_MANAGER else stores.ParameterStore(session)


class StoredDataKeys(SessionClient):
    """The stored data key of one Region, in Parameter Store or Secrets Manager."""

    def read_stored_data_key(
        self,
        name: str,
        *,
        store: SecretStore = SecretStore.PARAMETER_STORE,
        known: StoredDataKey | None = None,
    ) -> StoredDataKey | None:
        """The wrapped data key under that name. Raises DataKeyConflict when the name holds anything else.

        Where it is still `known`, by its value and version, its tags are not read again.
        """
        own_store = store_of(self._session, store)
        if known is not None and known.store is store:
            value = own_store.read([name]).get(name)
            if value is not None and (value.value, value.version) == (known.wrapped.value, known.version):
                return known
        return read_stored_data_key(own_store, name)

    def variable_exists(self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE) -> bool:
        """Whether there is a parameter or secret of that name."""
        return name in store_of(self._session, store).read([name])

    def claim(self, name: str, owner: str, *, tags: Mapping[str, str]) -> str:
        """The owner of a claim: `owner` if it was free or is already its own, else the first owner. Create-only.

        A parameter whatever the stack's store is: two stacks may have different ones.
        Raises ResourceError where the claim exists and cannot be read.
        """
        own_store = store_of(self._session, SecretStore.PARAMETER_STORE)
        # A repeat after a lost answer finds the claim of the first try, which is its own.
        if not own_store.read([name]) and own_store.create(
            name, owner, secret=False, description=stores.CLAIM_DESCRIPTION, tags=tags
        ):
            return owner
        for _ in retry.attempts(Reason.CONSISTENCY, clock=own_store.clock, seconds=stores.READ_BACK_SECONDS):
            if claimed := own_store.read([name]).get(name):
                return claimed.value
        raise ResourceError(
            f"{name} exists, but cannot be read: it says which stack the environment belongs to",
            own_store.history_command(name),
        )

    def record(self, name: str, text: str, *, tags: Mapping[str, str]) -> None:
        """Write a parameter that holds no data key; an earlier value is replaced."""
        store = store_of(self._session, SecretStore.PARAMETER_STORE)
        if not store.create(name, text, secret=False, description=stores.BACKUP_DESCRIPTION, tags=tags):
            existing = store.read([name]).get(name, stores.StoredValue(value=""))
            if existing.value != text:
                store.overwrite(name, text, existing, description=stores.BACKUP_DESCRIPTION)

    def store_data_key(
        self,
        name: str,
        wrapped: WrappedDataKey,
        *,
        key_arn: str,
        tags: Mapping[str, str],
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> bool:
        """Create-only. False when the parameter or secret exists already; it is then unchanged."""
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
        """Store the other two variables next to the data key; read all three back and compare them.

        Throttling and network failures are retried for a minute; a retry writes the missing ones only.
        """
        target_store, written = store_of(self._session, store), set[str]()
        return retry.call(
            lambda: deliver(target_store, prefix, batch, tags=tags, target=target, written=written),
            clock=self._session.clock,
        )

    def foreign_parameters(
        self, prefix: str, own: OwnValues, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> tuple[ForeignVariable, ...]:
        """The parameters, except the data key, that `deliver_parameters` would replace although they are not the
        stack's.

        Reads only.
        """
        target_store = store_of(self._session, store)
        return foreign(target_store, prefix, own, target_store.read([f"{prefix}/{name}" for name in own.variables]))

    def check_parameters(
        self, prefix: str, batch: AppVariables, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> bool:
        """Whether the parameters or secrets under the prefix hold the batch's values, read with decryption."""
        return check(store_of(self._session, store), prefix, batch)


def read_stored_data_key(store: stores.Store, name: str) -> StoredDataKey | None:
    """The wrapped data key that the store holds under the name; None when there is no such name.

    Raises DataKeyConflict when it holds anything else, or another key than its tags say.
    """
    stored, tags = stores.read_with_tags(store, name)
    if stored is None:
        return None
    back = eonpro(
        "doctor", advice=Text("names the command that puts it back; its history: ", store.history_command(name))
    )
    try:
        wrapped = WrappedDataKey(value=stored.value)
    except MalformedDataKey as error:
        raise DataKeyConflict(
            f"the {store.noun} {name} holds a value that is not a wrapped data key ({error}); nothing was overwritten",
            back,
        ) from error
    tagged, key_arn_tag = tags.get(stores.FINGERPRINT_TAG), stores.KEY_ARN_TAG
    if tags.get(stores.NEXT_FINGERPRINT_TAG) == wrapped.fingerprint:
        # A replacement was interrupted after the value and before its tags.
        key_arn_tag = stores.NEXT_KEY_ARN_TAG
    elif tagged is not None and tagged != wrapped.fingerprint:
        raise DataKeyConflict(
            f"the {store.noun} {name} holds the data key {wrapped.fingerprint}, but its tag says {quoted(tagged)}: "
            "somebody replaced its value; nothing was overwritten",
            back,
        )
    return StoredDataKey(
        parameter=name,
        wrapped=stores.with_check_value(wrapped, tags),
        key_arn=tags.get(key_arn_tag),
        version=stored.version,
        overwrites=stores.overwrites_of(stored, wrapped, tags),
        store=store.kind,
        type=stored.type,
    )


def store_data_key(
    store: stores.Store, name: str, wrapped: WrappedDataKey, *, key_arn: str, tags: Mapping[str, str]
) -> bool:
    """Create the stored data key. False when the name exists already; its value is then unchanged."""
    own = {
        stores.KEY_ARN_TAG: key_arn,
        stores.FINGERPRINT_TAG: wrapped.fingerprint,
        stores.CREATED_BY_TAG: stores.CREATED_BY,
        **stores.check_value_tag(wrapped),
    }
    return store.create(
        name,
        wrapped.value,
        secret=True,
        description=stores.description_of(name),
        tags={**tags, **own},
    )


def deliver(
    store: stores.Store,
    prefix: str,
    batch: AppVariables,
    *,
    tags: Mapping[str, str],
    target: str,
    written: set[str] | None = None,
) -> Delivered:
    """Store the key's ARN and the Region next to the stored keys; read all of them back and compare them.

    `written` collects the names that were written. A retry passes the same set again, so that a value which an earlier
    try may have written does not count as one that existed before.
    Raises DataKeyConflict, before anything is written, unless the stored data key holds the batch's data key under the
    batch's key; ResourceError when what is read back differs.
    """
    stored_keys = [_check_stored(store, prefix, batch, name, wrapped) for name, wrapped in batch.wrapped_keys]
    others = {f"{prefix}/{name}": value for name, value in batch.stored_values if name not in WRAPPED_KEYS}
    existing = store.read(list(others))
    written = set() if written is None else written
    differing = {
        name: existing[name]
        for name, value in others.items()
        if name in existing and existing[name].value != value
        if name not in written and name.rpartition("/")[2] not in batch.replaces
    }
    if not_ours := foreign(store, prefix, batch.own_values, differing):
        raise VariablesNotOurs(not_ours, eonpro("push"), agreed=batch.replaces)
    for name, value in others.items():
        if name not in existing or existing[name].value != value:
            written.add(name)
            _put(store, name, value, existing.get(name), tags)
    if not _reads_back(store, prefix, batch):
        raise ResourceError(
            f"the {store.noun}s under {prefix} do not have the values that were just written",
            Command(store.listing_command(prefix), advice="then run the same command again"),
        )
    return Delivered(
        target=target,
        place=f"{store.kind.service} {prefix}",
        state=DeliveryState.WRITTEN if written else DeliveryState.UNCHANGED,
        fingerprint=batch.wrapped.fingerprint,
        checked_by="values read back",
        plain=next((stored.type for stored in stored_keys if stored.type not in ("", stores.SECURE)), ""),
    )


def foreign(
    store: stores.Store, prefix: str, own: OwnValues, existing: Mapping[str, stores.StoredValue]
) -> tuple[ForeignVariable, ...]:
    """The parameters under the prefix, among these, whose values this program did not write."""

    def is_foreign(name: str, value: str) -> bool:
        variable = name.rpartition("/")[2]
        if is_own(variable, value, own, is_marked=False):
            return False
        # The tags are asked for only where the value does not say whose it is.
        return not is_own(variable, value, own, is_marked=stores.CREATED_BY_TAG in store.tags(name))

    return tuple(
        ForeignVariable(name=name.rpartition("/")[2], place=f"{store.kind.service} {prefix}", value=shown(stored.value))
        for name, stored in existing.items()
        if is_foreign(name, stored.value)
    )


def _check_stored(
    store: stores.Store, prefix: str, batch: AppVariables, variable: str, wrapped: WrappedDataKey
) -> StoredDataKey:
    name = f"{prefix}/{variable}"
    stored_data_key = read_stored_data_key(store, name)
    hint = "run the set-up again: it reads the stored data key first and delivers it"
    if stored_data_key is None:
        raise DataKeyConflict(f"no data key is stored in {name}; nothing was written", hint)
    if stored_data_key.wrapped != wrapped:
        raise DataKeyConflict(
            f"{name} holds the data key {stored_data_key.wrapped.fingerprint}, "
            f"not {wrapped.fingerprint}; nothing was written",
            hint,
        )
    if stored_data_key.key_arn not in (None, batch.key_arn):
        raise DataKeyConflict(
            f"the data key in {name} is wrapped by {stored_data_key.key_arn}, "
            f"not by {batch.key_arn}, which cannot decrypt it; nothing was written",
            hint,
        )
    return stored_data_key


def _put(
    store: stores.Store, name: str, value: str, existing: stores.StoredValue | None, tags: Mapping[str, str]
) -> None:
    description = f"Of {stores.application_in(name)}'s three variables: goes with the wrapped data key beside it."
    if existing is None and store.create(
        name, value, secret=False, description=description, tags={**tags, stores.CREATED_BY_TAG: stores.CREATED_BY}
    ):
        return
    # It is not secret, and an old value next to the data key would be worse.
    store.overwrite(name, value, existing or stores.StoredValue(value=""), description=description)


def _reads_back(store: stores.Store, prefix: str, batch: AppVariables) -> bool:
    with retry.operation(stores.READ_BACK_SECONDS, clock=store.clock):
        return any(check(store, prefix, batch) for _ in retry.attempts(Reason.CONSISTENCY, clock=store.clock))


def check(store: stores.Store, prefix: str, batch: AppVariables) -> bool:
    """Whether the values under the prefix are the batch's, read with decryption."""
    stored = store.read([f"{prefix}/{name}" for name, _ in batch.stored_values])
    values = {name: held.value for name, held in stored.items()}
    return values == {f"{prefix}/{name}": value for name, value in batch.stored_values}
