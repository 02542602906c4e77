"""The only replacement of the stored data key: what it held, and what it will hold, have entries of their own before.

Reads and writes one store.
"""

from datetime import datetime

from wizard.aws.data_keys.stored import store_data_key
from wizard.aws.data_keys.stores import (
    CREATED_BY,
    CREATED_BY_TAG,
    FINGERPRINT_TAG,
    KEY_ARN_TAG,
    NEXT_FINGERPRINT_TAG,
    NEXT_KEY_ARN_TAG,
    VERSION_TAG,
    StoredValue,
    check_value_tag,
    description_of,
    read_with_tags,
)
from wizard.aws.data_keys.versions import REPLACED_AT_TAG, DataKeyVersions
from wizard.core.errors import DataKeyConflict
from wizard.core.models.rotation import DataKeyVersion, StoredKey
from wizard.core.next_command import Command


def replace_current(
    versions: DataKeyVersions, version: DataKeyVersion, *, key_arn: str, expected: StoredKey, at: datetime
) -> None:
    """Write the version into the store, in place of `expected`, which was read there.

    Each step leaves the stored data key readable, and the same call continues after a crash at any point: 1. both
    versions have entries; 2. the tags name the next version; 3. the value is replaced; 4. the tags name only it.
    Parameter Store has no conditional overwrite: a value that somebody else writes between the last read and this
    write is noticed afterwards by the version number and reported. It is in the parameter's history.
    """
    store, place = versions.store, versions.stored_data_key
    _require_entries(versions, version, expected)
    final = {FINGERPRINT_TAG: version.fingerprint, KEY_ARN_TAG: key_arn, **check_value_tag(version.wrapped)}
    if not expected.exists:
        if not store_data_key(store, place, version.wrapped, key_arn=key_arn, tags=versions.tags):
            raise _changed_meanwhile(versions, expected)
        _read_back_or_refuse(versions, version)
        return
    if expected.value != version.wrapped.value:
        if expected.wrapped is not None:
            # Before the value, so that after a crash this version is known to have been in use.
            replaced = {REPLACED_AT_TAG: at.isoformat(timespec="seconds")}
            store.tag(versions.name_of(expected.wrapped.fingerprint), replaced)
        coming = {NEXT_FINGERPRINT_TAG: version.fingerprint, NEXT_KEY_ARN_TAG: key_arn, CREATED_BY_TAG: CREATED_BY}
        store.tag(place, coming)
        current = store.read([place]).get(place)
        if current is None or (current.value, current.version) != (expected.value, expected.version):
            raise _changed_meanwhile(versions, expected)
        store.overwrite(place, version.wrapped.value, current, description=description_of(place))
        if _read_back_or_refuse(versions, version).version > expected.version + 1:
            raise DataKeyConflict(
                f"somebody else wrote to {place} at the same moment; it holds {version.fingerprint} now",
                Command(
                    store.history_command(place),
                    advice="find out what was written, then run the same command again",
                ),
            )
    stored, tags = read_with_tags(store, place)
    if stored is not None and stored.value == version.wrapped.value:
        final[VERSION_TAG] = stored.id
    if any(tags.get(name) != text for name, text in final.items()):
        store.tag(place, final)
    if NEXT_FINGERPRINT_TAG in tags or NEXT_KEY_ARN_TAG in tags or expected.value != version.wrapped.value:
        store.untag(place, (NEXT_FINGERPRINT_TAG, NEXT_KEY_ARN_TAG))


def _require_entries(versions: DataKeyVersions, version: DataKeyVersion, expected: StoredKey) -> None:
    needed = [version.wrapped, *([expected.wrapped] if expected.wrapped is not None else [])]
    values = {versions.name_of(wrapped.fingerprint): wrapped.value for wrapped in needed}
    entries = versions.store.read(list(values))
    for name, value in values.items():
        if name not in entries or entries[name].value != value:
            raise DataKeyConflict(
                f"{versions.stored_data_key} was not changed: {name} does not hold the version that its name says",
                "run the same command again: it stores both versions first",
            )


def _read_back_or_refuse(versions: DataKeyVersions, version: DataKeyVersion) -> StoredValue:
    stored = versions.read_back(versions.stored_data_key, version.wrapped)
    if stored is None:
        raise DataKeyConflict(
            f"{versions.stored_data_key} does not hold {version.fingerprint}, which was just written: "
            "somebody else writes to it",
            Command(
                versions.store.history_command(versions.stored_data_key),
                advice="find out who, then run the same command again",
            ),
        )
    return stored


def _changed_meanwhile(versions: DataKeyVersions, expected: StoredKey) -> DataKeyConflict:
    was = expected.wrapped.fingerprint if expected.wrapped else "no data key" if expected.exists else "empty"
    return DataKeyConflict(
        f"somebody else changed {versions.stored_data_key} since this was confirmed (it was {was}); "
        "it was not overwritten",
        "run the same command again, and check what it shows",
    )
