"""Fakes of `KeyRotation` and `Wrapper` in memory: keys with their rotations, a ledger that is create-only, a child.

It touches nothing but the fake cloud whose Region it belongs to.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from components.settings import OPTIONAL_VALUES, SecretStore, Settings, StoredValue
from components.settings.stored_values import DATA_KEY
from wizard.aws.kms import KeyRotation
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation, StoredKey, VersionOrigin
from wizard.data_key.verification import Wrapper

if TYPE_CHECKING:
    from tests.wizard.fakes.clients import FakeAwsClient


@dataclass(kw_only=True)
class FakeKeyRotation(KeyRotation):
    """The keys and the ledger of one Region."""

    aws: FakeAwsClient
    told: KeyRotations = KeyRotations(enabled=True, period_days=365, next_at=None)
    entries: dict[str, DataKeyVersion] = field(default_factory=dict)
    """By fingerprint."""
    places: list[WrappedDataKey] = field(default_factory=list)
    """Of new data keys."""
    altered_entries: tuple[str, ...] = ()
    failures: dict[str, SetupError] = field(default_factory=dict)
    crash_at: str | None = None
    """The method before which the power goes, once."""

    def _call(self, name: str, detail: str = "") -> None:
        self.aws.log.append(f"keyring.{name}" + (f" {detail}" if detail else ""))
        if name in self.failures:
            raise self.failures[name]
        if self.crash_at == name:
            self.crash_at = None
            raise KeyboardInterrupt

    def rotations(self, key_arn: str) -> KeyRotations:
        self._call("rotations", key_arn)
        return self.told

    def schedule(self, key_arn: str) -> KeyRotations:
        self._call("schedule", key_arn)
        return replace(self.told, rotations=(), on_demand_limit=None)

    def rotate_on_demand(self, key_arn: str, *, before: KeyRotations) -> None:
        self._call("rotate_on_demand", key_arn)
        made = Rotation(at=datetime.fromisoformat("2026-11-24T12:00:00+00:00"), on_demand=True)
        self.told = replace(self.told, rotations=(*self.told.rotations, made))

    def reencrypt(self, wrapped: WrappedDataKey, *, source: str, destination: str) -> WrappedDataKey:
        self._call("reencrypt", f"{source} {destination}")
        if self.aws.wrapped_by.get(wrapped.fingerprint, source) != source:
            raise DataKeyConflict(f"{source} does not open {wrapped.fingerprint}", "python -m wizard restore")
        seed = f"{wrapped.fingerprint} under {destination} {len(self.aws.wrapped_by)}".ljust(160).encode()
        made = WrappedDataKey(value=base64.b64encode(seed).decode())
        self.aws.wrapped_by[made.fingerprint] = destination
        self.aws.holds[made.fingerprint] = self.aws.holds.get(wrapped.fingerprint, wrapped.fingerprint)
        return replace(made, check_value=wrapped.check_value)

    def versions(self, settings: Settings) -> tuple[DataKeyVersion, ...]:
        self._call("versions")
        stored_key = self._stored_key(settings)
        value = settings.names.value
        entries = [each for each in self.entries.values() if _value_of(each) is value]
        found = [self._marked(each, stored_key) for each in entries]
        if stored_key.wrapped is not None and stored_key.wrapped.fingerprint not in self.entries:
            found.append(self._unkept(stored_key, stored_key.wrapped))
        return tuple(found)

    def fingerprints(self, settings: Settings) -> Mapping[str, bool]:
        self._call("fingerprints")
        current = self._stored_key(settings).wrapped
        return {**({current.fingerprint: False} if current else {}), **dict.fromkeys(self.entries, True)}

    def altered(self, settings: Settings, *, known: Collection[str] = ()) -> tuple[str, ...]:
        self._call("altered")
        missing = {
            f"{settings.names.versions}/{each.removeprefix('sha256:')}" for each in known if each not in self.entries
        }
        return tuple(sorted({*self.altered_entries, *missing}))

    def version(
        self, settings: Settings, fingerprint: str, stored_key: StoredKey | None = None
    ) -> DataKeyVersion | None:
        self._call("version", fingerprint)
        stored_key = self._stored_key(settings)
        if fingerprint in self.entries:
            return self._marked(self.entries[fingerprint], stored_key)
        if stored_key.wrapped is not None and stored_key.wrapped.fingerprint == fingerprint:
            return self._unkept(stored_key, stored_key.wrapped)
        return None

    def keep(
        self,
        settings: Settings,
        wrapped: WrappedDataKey,
        *,
        key_arn: str | None,
        origin: VersionOrigin,
        at: datetime,
        same_as: str | None = None,
        was_current: bool = False,
        repairs: bool = False,
    ) -> DataKeyVersion:
        self._call("keep", wrapped.fingerprint)
        self.entries.setdefault(
            wrapped.fingerprint,
            DataKeyVersion(
                wrapped=wrapped,
                key_arn=key_arn,
                parameter=f"{settings.names.versions}/{wrapped.fingerprint[7:]}",
                origin=origin,
                kept_at=at,
                same_as=same_as or wrapped.fingerprint,
                current=False,
                was_current=was_current or origin is VersionOrigin.FIRST,
            ),
        )
        return self._marked(self.entries[wrapped.fingerprint], self._stored_key(settings))

    def record_check_value(self, settings: Settings, wrapped: WrappedDataKey) -> None:
        self._call("record_check_value", wrapped.fingerprint)
        if (entry := self.entries.get(wrapped.fingerprint)) is not None:
            self.entries[wrapped.fingerprint] = replace(entry, wrapped=wrapped)
        stored_keys, name = self._stored_keys(settings), settings.names.stored_data_key
        if (stored := stored_keys.get(name)) is not None and stored.wrapped == wrapped:
            stored_keys[name] = replace(stored, wrapped=wrapped)

    def reserve_new(self, settings: Settings, wrapped: WrappedDataKey, *, key_arn: str, at: datetime) -> WrappedDataKey:
        self._call("reserve_new", wrapped.fingerprint)
        for place in self.places:
            version = self.version(settings, place.fingerprint)
            if version is None or not version.was_current:
                return place
        self.places.append(wrapped)
        return wrapped

    def stored_key(self, settings: Settings) -> StoredKey:
        self._call("stored_key")
        return self._stored_key(settings)

    def replace_current(
        self, settings: Settings, version: DataKeyVersion, *, key_arn: str, expected: StoredKey
    ) -> None:
        self._call("replace_current", version.fingerprint)
        assert version.fingerprint in self.entries, "what becomes current has to be kept"
        there = self._stored_key(settings)
        if (there.value, there.version) != (expected.value, expected.version):
            raise DataKeyConflict("somebody else changed it meanwhile", "look again")
        if there.wrapped is not None:
            old = self.entries[there.wrapped.fingerprint]
            self.entries[old.fingerprint] = replace(old, was_current=True)
        number = there.version if there.value == version.wrapped.value else there.version + 1
        store = settings.secret_store
        stored_data_key = StoredDataKey(
            parameter=there.parameter, wrapped=version.wrapped, key_arn=key_arn, version=number, store=store
        )
        self._stored_keys(settings)[there.parameter] = stored_data_key

    def _stored_keys(self, settings: Settings) -> dict[str, StoredDataKey]:
        secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
        return self.aws.secrets if secrets else self.aws.stored_keys

    def _stored_key(self, settings: Settings) -> StoredKey:
        found = self._stored_keys(settings).get(settings.names.stored_data_key)
        if found is None:
            return StoredKey(parameter=settings.names.stored_data_key, version=0)
        return StoredKey(
            parameter=found.parameter,
            version=found.version,
            value=found.wrapped.value,
            wrapped=found.wrapped,
            key_arn=found.key_arn,
            tagged=found.wrapped.fingerprint,
            overwrites=found.overwrites,
        )

    @staticmethod
    def _marked(version: DataKeyVersion, stored_key: StoredKey) -> DataKeyVersion:
        current = stored_key.wrapped == version.wrapped
        return replace(version, current=current, was_current=current or version.was_current)

    @staticmethod
    def _unkept(stored_key: StoredKey, wrapped: WrappedDataKey) -> DataKeyVersion:
        return DataKeyVersion(
            wrapped=wrapped,
            key_arn=stored_key.key_arn,
            parameter=stored_key.parameter,
            origin=VersionOrigin.FIRST,
            kept_at=None,
            same_as=wrapped.fingerprint,
            current=True,
            was_current=True,
            kept=False,
        )


@dataclass(kw_only=True)
class FakeWrapper(Wrapper):
    """The child that wraps an ENCRYPTION_KEY."""

    aws: FakeAwsClient
    failure: SetupError | None = None
    key: str = "ab" * 32
    """What is read."""
    prompted: list[bool] = field(default_factory=list)
    given: list[tuple[dict[str, str], str]] = field(default_factory=list)
    """Environment and key, in turn."""

    def wrap(self, environment: Mapping[str, str], *, key_arn: str, prompt: bool) -> WrappedDataKey:
        self.aws.log.append("wrapper.wrap")
        self.given.append((dict(environment), key_arn))
        self.prompted.append(prompt)
        if self.failure is not None:
            raise self.failure
        seed = f"adopted {len(self.prompted)} under {key_arn}".ljust(160).encode()
        made = WrappedDataKey(value=base64.b64encode(seed).decode())
        self.aws.holds[made.fingerprint] = self.key
        self.aws.wrapped_by[made.fingerprint] = key_arn
        return replace(made, check_value=self.aws.check_value(made))


def _value_of(version: DataKeyVersion) -> StoredValue:
    """The stored value whose folder the version is in."""
    return next((value for value in OPTIONAL_VALUES if f"/{value.versions}/" in version.parameter), DATA_KEY)
