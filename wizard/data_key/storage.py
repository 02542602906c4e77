"""The wrapped data key in AWS: found, stored once, and kept with its versions in every Region.

Reads and writes AWS through its client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from components.settings import Outputs, SecretStore, Settings
from components.settings.arn import Arn
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, SetupError, Unsupported, attempted
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, LastBackup, RestoreDrill, VersionOrigin
from wizard.core.next_command import Text, eonpro, shell
from wizard.core.retry import together
from wizard.data_key import guard, opening

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.aws.kms import KeyRotation


def find_stored_data_key(aws: AwsClient, settings: Settings) -> StoredDataKey | None:
    """The stored data key: in the store of the settings, or still in the other one, where an earlier run put it."""
    for store in sorted(SecretStore, key=lambda store: store is not settings.secret_store):
        try:
            stored_data_key = aws.stored_data_keys.read_stored_data_key(settings.names.stored_data_key, store=store)
        except (PermissionDenied, Unsupported):
            # The caller needs access only to the store of the settings.
            if store is settings.secret_store:
                raise
            continue
        if stored_data_key is not None:
            return stored_data_key
    return None


def find_last_backup(aws: AwsClient, settings: Settings) -> LastBackup | None:
    """The last backup that the account records; None without one. Raises SetupError where it cannot be read."""
    name = settings.names.last_backup
    records = aws.access_diagnostics.read_values([name], SecretStore.PARAMETER_STORE)
    return LastBackup.read(records[name]) if name in records else None


def find_last_drill(aws: AwsClient, settings: Settings) -> RestoreDrill | None:
    """The last restore drill that the account records; None without one. Raises SetupError as above."""
    name = settings.names.last_drill
    records = aws.access_diagnostics.read_values([name], SecretStore.PARAMETER_STORE)
    return RestoreDrill.read(records[name]) if name in records else None


def find_data_key(aws: AwsClient, settings: Settings, outputs: Outputs | None = None) -> StoredDataKey | None:
    """The stored data key of the stack's own Region or, where that has none, its copy in a replica's Region."""
    return find_stored_data_key(aws, settings) or _find_copy(aws, settings, outputs)


def _find_copy(aws: AwsClient, settings: Settings, outputs: Outputs | None) -> StoredDataKey | None:
    """The data key that the replicas' Regions hold, with the KMS key of the stack's own Region.

    None where the versions of the own Region name another data key: a person chooses, with `restore`.
    Raises DataKeyConflict when two Regions hold different data keys.
    """
    of_outputs = outputs.replica_regions if outputs else ()
    copies = {}
    for region in dict.fromkeys((*settings.replica_regions, *of_outputs)):
        copy = find_stored_data_key(aws.with_region(region), settings)
        if copy is not None:
            copies[region] = copy
    if len({copy.wrapped for copy in copies.values()}) > 1:
        name = settings.names.stored_data_key
        held = ", ".join(f"{copy.wrapped.fingerprint} in {region}" for region, copy in copies.items())
        raise DataKeyConflict(
            f"{name} is missing in {settings.region}, and the replicas' Regions hold different data keys ({held})",
            eonpro("restore", *guard.key_option(settings), advice="lists them; restore the one that was current"),
        )
    for copy in copies.values():
        if all(version.wrapped == copy.wrapped for version in aws.key_rotation.versions(settings)):
            return replace(copy, key_arn=_in_region(copy.key_arn, settings.region))
    return None


def _in_region(key_arn: str | None, region: str) -> str | None:
    """The ARN that a multi-Region key has in the Region; any other key's own ARN."""
    # The primary and its replicas have the same key id, which begins with mrk-.
    # https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
    if key_arn is None or ":key/mrk-" not in key_arn:
        return key_arn
    return str(Arn.parse(key_arn).with_region(region))


def ensure_data_key(
    aws: AwsClient,
    settings: Settings,
    outputs: Outputs,
    *,
    adopted: WrappedDataKey | None = None,
    is_former: bool = False,
    keeps_versions: bool = True,
    known: StoredDataKey | None = None,
    open_key: opening.OpenKey | None = None,
) -> StoredDataKey:
    """The stored key that the settings name: the existing one, the `adopted` one, or a new one. Two runs end with one.

    A data key in the other store, or in a replica's Region, is copied, and no new one is made. The Region of every
    replica gets a copy too. It is kept among the versions of every Region at once, because a
    deletion of a parameter is final. `is_former`: `adopted` is the application's ENCRYPTION_KEY, wrapped just now.
    `keeps_versions`: also one that exists already, which `policy delivery` does not
    allow. `known`: what an earlier step has read; its value is read again, its tags are not. `open_key`: adds its key
    check value to a wrapped key, where the application can open it from here; asked only where it is not recorded.
    Raises DataKeyConflict when a stored data key is wrapped by another KMS key, or is another data key.
    """
    name, store = settings.names.stored_data_key, settings.secret_store
    # Both ask for the stored data key's value.
    once = aws.asking_once()
    stored_data_key: StoredDataKey | None
    needs_entries: bool
    stored_data_key, needs_entries = together(
        lambda: once.stored_data_keys.read_stored_data_key(name, store=store, known=known),
        lambda: keeps_versions and not _are_kept(_key_rotations(once, outputs), settings),
    )
    if stored_data_key is None:
        needs_entries = True
        stored_data_key = _store_first(aws, settings, outputs, adopted)
        if is_former and stored_data_key.wrapped == adopted:
            aws.key_rotation.keep(
                settings, adopted, key_arn=outputs.key_arn, origin=VersionOrigin.ADOPTED, at=datetime.now(UTC)
            )
    elif open_key is not None and stored_data_key.wrapped.check_value is None:
        _refuse_foreign(aws, settings, stored_data_key, open_key)
    _refuse_another(stored_data_key, outputs)
    for arn in outputs.replica_key_arns:
        _copy_to_replica(aws, settings, stored_data_key.wrapped, arn)
    if needs_entries:
        keep_versions(_key_rotations(aws, outputs), settings, at=datetime.now(UTC))
    if settings.key_check_value and open_key is not None:
        wrapped = opening.require_check_value(aws, settings, outputs, stored_data_key.wrapped, open_key)
        return replace(stored_data_key, wrapped=wrapped)
    return stored_data_key


def _store_first(aws: AwsClient, settings: Settings, outputs: Outputs, adopted: WrappedDataKey | None) -> StoredDataKey:
    """Store the data key that is stored elsewhere, the adopted one, or if there never was one, a new one."""
    elsewhere = find_data_key(aws, settings, outputs)
    if elsewhere is not None:
        _refuse_another(elsewhere, outputs)
    else:
        # Minutes have passed since the preflight.
        is_known = adopted is not None
        guard.may_create(aws, settings, saved=settings, outputs=outputs, is_known=is_known).require()
    wrapped = elsewhere.wrapped if elsewhere else adopted or aws.kms.make_data_key(outputs.key_arn)
    return _store(aws, settings, wrapped, outputs.key_arn, is_new=elsewhere is None and adopted is None)


def _copy_to_replica(aws: AwsClient, settings: Settings, wrapped: WrappedDataKey, key_arn: str) -> None:
    """Store the data key in the Region of a replica. Raises DataKeyConflict where another one is stored there."""
    name, region = settings.names.stored_data_key, Arn.parse(key_arn).region
    regional = aws.with_region(region)
    copy = regional.stored_data_keys.read_stored_data_key(name, store=settings.secret_store) or _store(
        regional, settings, wrapped, key_arn, is_new=False
    )
    if copy.wrapped != wrapped:
        raise DataKeyConflict(
            f"{name} in {region} holds {copy.wrapped.fingerprint}, not the data key {wrapped.fingerprint}",
            "nothing was overwritten; find out which of the two encrypts the application's records",
        )


def _key_rotations(aws: AwsClient, outputs: Outputs) -> dict[str, KeyRotation]:
    return {arn: aws.with_region(Arn.parse(arn).region).key_rotation for arn in outputs.key_arns}


def keep_versions(
    key_rotations: Mapping[str, KeyRotation], settings: Settings, *, at: datetime, repairs: bool = False
) -> None:
    """Give every version an entry in every Region: the stored data key too, and what one Region lacks.

    `key_rotations` has each Region by the ARN of the key there. An existing entry stays unchanged, unless it has
    another value than its name says, and this run `repairs` it.
    """
    versions = {
        key_arn: {version.fingerprint: version for version in key_rotation.versions(settings)}
        for key_arn, key_rotation in key_rotations.items()
    }
    known: dict[str, DataKeyVersion] = {}
    for by_fingerprint in versions.values():
        for fingerprint, version in by_fingerprint.items():
            if fingerprint not in known or (version.kept and not known[fingerprint].kept):
                known[fingerprint] = version
    for key_arn, key_rotation in key_rotations.items():
        for fingerprint, version in known.items():
            entry = versions[key_arn].get(fingerprint)
            if entry is None or not entry.kept:
                key_rotation.keep(
                    settings,
                    version.wrapped,
                    # A replica decrypts what its primary wrapped, under its own ARN.
                    key_arn=key_arn if version.key_arn in key_rotations else version.key_arn,
                    origin=version.origin,
                    at=version.kept_at or at,
                    same_as=version.same_as,
                    was_current=version.was_current and not version.current,
                    repairs=repairs,
                )


def _are_kept(key_rotations: Mapping[str, KeyRotation], settings: Settings) -> bool:
    """Whether every version has an entry in every Region."""
    regions = together(*(partial(key_rotation.fingerprints, settings) for key_rotation in key_rotations.values()))
    return all(region.get(fingerprint) for region in regions for other in regions for fingerprint in other)


def _refuse_foreign(aws: AwsClient, settings: Settings, stored: StoredDataKey, open_key: opening.OpenKey) -> None:
    """Raises DataKeyConflict where somebody stored a data key that is no version, and opens to the key of none."""
    versions = attempted(aws.key_rotation.versions, settings)
    if isinstance(versions, SetupError):
        return  # `policy delivery` does not allow it.
    is_kept = any(version.kept and version.wrapped == stored.wrapped for version in versions)
    if not is_kept and any(version.wrapped.check_value for version in versions):
        problem = opening.another_key(open_key(stored.wrapped), versions, is_new=True)
        opening.refuse(problem and f"{stored.parameter}: {problem}", settings)


def _refuse_another(stored_data_key: StoredDataKey, outputs: Outputs) -> None:
    if stored_data_key.key_arn not in (None, outputs.key_arn):
        raise DataKeyConflict(
            f"the data key in {stored_data_key.parameter} is wrapped by {stored_data_key.key_arn}, "
            f"not by the stack's key {outputs.key_arn}",
            "nothing was overwritten or delivered; use the stack that created it: --stack NAME",
        )


def _store(aws: AwsClient, settings: Settings, wrapped: WrappedDataKey, key_arn: str, *, is_new: bool) -> StoredDataKey:
    """Write the stored data key, create-only, and read it back: the value of the first writer is the data key."""
    name, store = settings.names.stored_data_key, settings.secret_store
    written = aws.stored_data_keys.store_data_key(name, wrapped, key_arn=key_arn, tags=settings.tags, store=store)
    stored_data_key = aws.stored_data_keys.read_stored_data_key(name, store=store)
    history = (
        shell("aws", "ssm", "get-parameter-history", "--name", name)
        if store is SecretStore.PARAMETER_STORE
        else shell("aws", "secretsmanager", "list-secret-version-ids", "--secret-id", name)
    )
    if stored_data_key is None:
        raise ResourceError(f"{name} was written, but does not exist", history)
    if (written or not is_new) and stored_data_key.wrapped.fingerprint != wrapped.fingerprint:
        raise DataKeyConflict(
            f"{name} holds {stored_data_key.wrapped.fingerprint}, not {wrapped.fingerprint}, just written to it",
            Text("nothing was delivered; find out who writes it: ", history),
        )
    return replace(stored_data_key, is_new=written and is_new)
