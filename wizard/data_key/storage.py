"""The stored (wrapped) data key: found, written once, and copied to every other Region and store that needs it.

Pure: acts through the cloud's Protocol. The laws of the data key are kept here, whatever the edge would allow.
"""

from __future__ import annotations

from dataclasses import replace

from components.settings import Outputs, SecretStore, Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, Unsupported
from wizard.core.models.delivery import StoredDataKey
from wizard.core.ports.run import AwsClient
from wizard.data_key import guard


def find_stored_data_key(aws: AwsClient, settings: Settings) -> StoredDataKey | None:
    """The stored data key: in the store of the settings, or still in the other one, where an earlier run put it."""
    for store in (settings.secret_store, *(other for other in SecretStore if other is not settings.secret_store)):
        try:
            stored_data_key = aws.stored_data_keys.read_stored_data_key(settings.names.stored_data_key, store=store)
        except (PermissionDenied, Unsupported):
            # The store that is not used may be closed to the caller; the one that is used may not.
            if store is settings.secret_store:
                raise
            continue
        if stored_data_key is not None:
            return stored_data_key
    return None


def ensure_data_key(
    aws: AwsClient, settings: Settings, outputs: Outputs, *, adopted: WrappedDataKey | None = None
) -> StoredDataKey:
    """The stored data key: the one that is there, the `adopted` one, or a new one. Two runs at once end with one.

    A data key in the other store is copied, never made again; every replica's Region gets a copy too.
    Raises DataKeyConflict when a stored data key is wrapped by another KMS key, or is another data key.
    """
    name, store = settings.names.stored_data_key, settings.secret_store
    stored_data_key = aws.stored_data_keys.read_stored_data_key(name, store=store)
    if stored_data_key is None:
        elsewhere = find_stored_data_key(aws, settings)
        if elsewhere is not None:
            _refuse_another(elsewhere, outputs)
        else:
            # Minutes have passed since the preflight asked.
            guard.may_create(aws, settings, outputs=outputs).require()
        wrapped = elsewhere.wrapped if elsewhere else adopted or aws.kms.make_data_key(outputs.key_arn)
        stored_data_key = _keep(aws, settings, wrapped, outputs.key_arn, is_new=elsewhere is None and adopted is None)
    _refuse_another(stored_data_key, outputs)
    for arn in outputs.replica_key_arns:
        region = region_of(arn)
        regional = aws.with_region(region)
        copy = regional.stored_data_keys.read_stored_data_key(name, store=store) or _keep(
            regional, settings, stored_data_key.wrapped, arn, is_new=False
        )
        if copy.wrapped != stored_data_key.wrapped:
            raise DataKeyConflict(
                f"{name} in {region} holds {copy.wrapped.fingerprint}, not the data key {stored_data_key.wrapped.fingerprint}",
                "nothing was overwritten; find out which of the two the application's records are under",
            )
    return stored_data_key


def _refuse_another(stored_data_key: StoredDataKey, outputs: Outputs) -> None:
    if stored_data_key.key_arn not in (None, outputs.key_arn):
        raise DataKeyConflict(
            f"the data key in {stored_data_key.parameter} is wrapped by {stored_data_key.key_arn}, "
            f"not by the stack's key {outputs.key_arn}",
            "nothing was overwritten or delivered; use the stack that made it: --stack NAME",
        )


def _keep(aws: AwsClient, settings: Settings, wrapped: WrappedDataKey, key_arn: str, *, is_new: bool) -> StoredDataKey:
    """Write the stored data key, create-only, and read it back: whoever wrote first, what it holds is the data key."""
    name, store = settings.names.stored_data_key, settings.secret_store
    written = aws.stored_data_keys.store_data_key(name, wrapped, key_arn=key_arn, tags=settings.tags, store=store)
    stored_data_key = aws.stored_data_keys.read_stored_data_key(name, store=store)
    look = (
        f"aws ssm get-parameter-history --name {name}"
        if store is SecretStore.PARAMETER_STORE
        else f"aws secretsmanager list-secret-version-ids --secret-id {name}"
    )
    if stored_data_key is None:
        raise ResourceError(f"{name} was written and is not there", look)
    if (written or not is_new) and stored_data_key.wrapped.fingerprint != wrapped.fingerprint:
        raise DataKeyConflict(
            f"{name} holds {stored_data_key.wrapped.fingerprint}, not {wrapped.fingerprint}, just written to it",
            f"nothing was delivered; find out who writes it: {look}",
        )
    return replace(stored_data_key, made_now=written and is_new)


def region_of(arn: str) -> str:
    """The Region in an ARN."""
    return arn.split(":")[3]
