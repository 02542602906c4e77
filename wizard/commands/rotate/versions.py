"""The versions of a stack's data key in all its Regions: reading them, keeping one, and what may be replaced.

Acts through the clients; creates versions, and never replaces or deletes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from components.settings import Outputs, Settings
from components.settings.arn import Arn
from components.settings.stored_values import BY_VARIABLE
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.core.clients import Clients, Request
from wizard.core.data_key import FINGERPRINT, WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError, StackNotFound, UsageError
from wizard.core.models.rotation import DataKeyVersion, StoredKey, VersionOrigin
from wizard.core.next_command import Command, Text, eonpro
from wizard.data_key import guard, storage

if TYPE_CHECKING:
    from wizard.aws.kms import KeyRotation


@dataclass(frozen=True, kw_only=True)
class RegionStore:
    """One Region with the stack's key or a replica of it."""

    region: str
    key_arn: str
    key_rotation: KeyRotation


@dataclass(frozen=True, kw_only=True)
class DataKeyStore:
    deployed: StackFacts
    outputs: Outputs
    region_stores: tuple[RegionStore, ...]
    """The stack's own Region first, then its replicas'."""

    @property
    def stack(self) -> str:
        return self.deployed.stack

    @property
    def settings(self) -> Settings:
        return self.deployed.settings

    @property
    def own(self) -> RegionStore:
        return self.region_stores[0]

    @property
    def others(self) -> tuple[DataKeyStore, ...]:
        """The stores of the stack's other wrapped keys: for the data key, of each optional value."""
        mine, keys = self.settings.names.variable, self.settings.of_each_key
        return tuple(self.of_key(of_key) for of_key in keys if of_key.names.variable != mine)

    def of_key(self, settings: Settings) -> DataKeyStore:
        """The store of the wrapped key that these settings name."""
        return replace(self, deployed=self.deployed.otherwise(settings=settings))

    def stored_key(self) -> StoredKey:
        """The stored data key of the stack's own Region."""
        return self.own.key_rotation.stored_key(self.settings)

    def versions(self) -> tuple[DataKeyVersion, ...]:
        """Every version of the stack's own Region, oldest first; then those that only a replica's Region has."""
        versions = {version.fingerprint: version for version in self.own.key_rotation.versions(self.settings)}
        for region_store in self.region_stores[1:]:
            for version in region_store.key_rotation.versions(self.settings):
                versions.setdefault(version.fingerprint, self._in_own_region(version))
        return tuple(versions.values())

    def version(self, fingerprint: str) -> DataKeyVersion | None:
        """The version with that fingerprint: of the stack's own Region, else of a replica's; None if there is none."""
        version = self.own.key_rotation.version(self.settings, fingerprint)
        for region_store in self.region_stores[1:]:
            if version is None:
                copy = region_store.key_rotation.version(self.settings, fingerprint)
                version = copy and self._in_own_region(copy)
        return version

    def _in_own_region(self, version: DataKeyVersion) -> DataKeyVersion:
        """A version that only a replica's Region has, for the stack's own, where it is not stored."""
        key_arn = self.own.key_arn if version.key_arn in self.outputs.key_arns else version.key_arn
        return replace(version, key_arn=key_arn, current=False, kept=False)


def read_stack(request: Request, clients: Clients, *, variable: str | None = None) -> DataKeyStore:
    """Read the stack, with the versions of the stored value of that variable, else of the data key.

    Raises StackNotFound if it is not deployed.
    """
    clients.ui.working("reading the stack and its data keys")
    deployed = deployed_stack.find(request, clients)
    outputs = deployed_stack.outputs_of(deployed)
    region_stores = tuple(
        RegionStore(region=region, key_arn=arn, key_rotation=deployed.aws.with_region(region).key_rotation)
        for arn in outputs.key_arns
        for region in (Arn.parse(arn).region,)
    )
    data_keys = DataKeyStore(deployed=deployed, outputs=outputs, region_stores=region_stores)
    setting = BY_VARIABLE[variable].setting if variable else None
    if variable is None or setting is None:
        return data_keys
    # One that the application has already is stored before the settings ask for it.
    settings = deployed.settings.model_copy(update={setting: True})
    return data_keys.of_key(settings.of_key(variable))


def stored_fingerprint(data_keys: DataKeyStore) -> str:
    """The fingerprint of the stored data key, which has to exist.

    Raises the error of `wizard.data_key.guard` if it is lost, StackNotFound if there never was one, ResourceError if
    the value is not a data key.
    """
    refuse_other_store(data_keys)
    stored_key = data_keys.stored_key()
    name = data_keys.settings.names.stored_data_key
    if not stored_key.exists:
        may_create(data_keys).require()
        raise StackNotFound(f"{name} has no data key yet", eonpro("push"))
    if stored_key.wrapped is None:
        raise ResourceError(
            f"the value of {name} is not a wrapped data key; nothing was changed",
            eonpro(
                "restore",
                *guard.key_option(data_keys.settings),
                advice="lists the kept versions, to restore one of them",
            ),
        )
    return stored_key.wrapped.fingerprint


def may_create(data_keys: DataKeyStore, *, importing: bool = False) -> guard.Decision:
    """May a first data key be created or imported: as far as the account and the targets with own copies know."""
    return guard.may_create_in(data_keys.deployed.context(data_keys.settings.deploy_targets), importing=importing)


def refuse_other_store(data_keys: DataKeyStore) -> None:
    """Raises DataKeyConflict if the data key is still in the other store than that of the settings."""
    _require_replaceable(guard.may_replace(data_keys.deployed.aws, data_keys.settings, data_keys.outputs))


def refuse_another_key(data_keys: DataKeyStore, version: DataKeyVersion) -> None:
    """Raises DataKeyConflict if another KMS key than the stack's wraps the version."""
    _require_replaceable(guard.may_replace(data_keys.deployed.aws, data_keys.settings, data_keys.outputs, version))


def _require_replaceable(decision: guard.Decision) -> None:
    if not decision.is_allowed:
        raise DataKeyConflict(f"{decision.what}; nothing was changed", decision.next)


def version_of(data_keys: DataKeyStore, typed: str, *, command: Command) -> DataKeyVersion:
    """The kept version with the fingerprint that was typed. Raises UsageError with the existing ones."""
    fingerprint = typed if typed.startswith("sha256:") else f"sha256:{typed}"
    option = guard.key_option(data_keys.settings)
    listing = eonpro(
        "restore", *option, "--stack", data_keys.stack, advice=Text("lists the kept versions; then: ", command)
    )
    if not FINGERPRINT.fullmatch(fingerprint):
        raise UsageError(f"{typed!r} is not a fingerprint: sha256: and 16 hex digits", listing)
    version = data_keys.version(fingerprint)
    if version is None:
        existing = ", ".join(entry.fingerprint for entry in data_keys.versions()) or "none"
        raise UsageError(f"the version {fingerprint} does not exist (kept: {existing})", listing)
    return version


def of_version(data_keys: DataKeyStore, fingerprint: str) -> DataKeyStore:
    """The store of the hash key, if the version is one of it; else the data key's."""
    typed = fingerprint if fingerprint.startswith("sha256:") else f"sha256:{fingerprint}"
    for other in data_keys.others:
        if any(version.fingerprint == typed for version in other.versions()):
            return other
    return data_keys


def keep_everywhere(
    data_keys: DataKeyStore,
    wrapped: WrappedDataKey,
    *,
    key_arn: str | None,
    origin: VersionOrigin,
    at: datetime,
    same_as: str | None = None,
    was_current: bool = False,
    repairs: bool = False,
) -> DataKeyVersion:
    """Keep the version in every Region, the stack's own first; an existing entry stays, unless it is wrong and this
    run `repairs` it.
    """
    versions = [
        region_store.key_rotation.keep(
            data_keys.settings,
            wrapped,
            key_arn=_in_region(key_arn, region_store, data_keys.outputs),
            origin=origin,
            at=at,
            same_as=same_as,
            was_current=was_current,
            repairs=repairs,
        )
        for region_store in data_keys.region_stores
    ]
    return versions[0]


def keep_stored_keys(data_keys: DataKeyStore, *, at: datetime, repairs: bool = False) -> None:
    """Keep the stored data key of each Region as a version in all of them, before it is replaced."""
    key_rotations = {region_store.key_arn: region_store.key_rotation for region_store in data_keys.region_stores}
    storage.keep_versions(key_rotations, data_keys.settings, at=at, repairs=repairs)


def _in_region(key_arn: str | None, region_store: RegionStore, outputs: Outputs) -> str | None:
    # A replica decrypts what its primary wrapped, under its own ARN.
    return region_store.key_arn if key_arn in outputs.key_arns else key_arn


def pending(versions: Iterable[DataKeyVersion]) -> tuple[DataKeyVersion, ...]:
    """The data keys that were created to replace the current one, and have not replaced it yet."""
    return tuple(version for version in versions if version.origin is VersionOrigin.MADE and not version.was_current)
