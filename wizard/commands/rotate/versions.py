"""A stack with the key rings of all its Regions: which versions of the data key there are, and keeping one in each.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from components.settings import Outputs, Settings
from wizard.commands import deployed_stack
from wizard.commands.deployed_stack import DeployedStack
from wizard.core.data_key import FINGERPRINT, WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError, StackNotFound, UsageError
from wizard.core.models.rotation import DataKeyVersion, StoredKey, VersionOrigin
from wizard.core.next_command import wizard
from wizard.core.ports.aws import KeyRotation
from wizard.data_key import delivery, guard
from wizard.setup.steps import Clients, Request
from wizard.targets.port import deploy_targets

_HEX = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class RegionStore:
    """One Region with the stack's key or a replica of it."""

    region: str
    key_arn: str
    key_rotation: KeyRotation


@dataclass(frozen=True, kw_only=True)
class DataKeyStore:
    """A stack that is built, and where its data key is held."""

    found: DeployedStack
    outputs: Outputs
    region_stores: tuple[RegionStore, ...]
    """The stack's own Region first, then its replicas'."""

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.found.stack

    @property
    def settings(self) -> Settings:
        """The stack's settings."""
        return self.found.settings

    @property
    def own(self) -> RegionStore:
        """The stack's own Region."""
        return self.region_stores[0]

    def stored_key(self) -> StoredKey:
        """The stored data key of the stack's own Region."""
        return self.own.key_rotation.stored_key(self.settings)

    def versions(self) -> tuple[DataKeyVersion, ...]:
        """Every version that is kept in the stack's own Region, the oldest first."""
        return self.own.key_rotation.versions(self.settings)


def take(request: Request, clients: Clients) -> DataKeyStore:
    """The stack as it stands. Raises StackNotFound for one that is not built."""
    clients.ui.working("looking at the stack and its data keys")
    found = deployed_stack.find(request, clients)
    return data_key_store_of(found)


def data_key_store_of(found: DeployedStack) -> DataKeyStore:
    """The holding of a stack that was found. Raises StackNotFound for one that is not built."""
    outputs = deployed_stack.outputs_of(found)
    region_stores = tuple(
        RegionStore(region=region, key_arn=arn, key_rotation=found.aws.with_region(region).key_rotation)
        for arn in outputs.key_arns
        for region in (delivery.region_of(arn),)
    )
    return DataKeyStore(found=found, outputs=outputs, region_stores=region_stores)


def stored(data_keys: DataKeyStore) -> StoredKey:
    """What is stored, where that has to be a data key.

    Raises what `wizard.data_key.guard` says where nothing is stored and versions or variables are known, StackNotFound
    where there never was a data key, ResourceError where something else is stored.
    """
    refuse_other_store(data_keys)
    stored_key = data_keys.stored_key()
    name = data_keys.settings.names.stored_data_key
    if not stored_key.exists:
        may_create(data_keys).require()
        raise StackNotFound(f"{name} holds no data key yet", wizard("push"))
    if stored_key.wrapped is None:
        raise ResourceError(
            f"{name} holds something that is no wrapped data key; nothing was changed",
            wizard("restore", advice="lists the kept versions; one of them goes back"),
        )
    return stored_key


def may_create(data_keys: DataKeyStore, *, importing: bool = False) -> guard.Decision:
    """May a first data key be made or imported: by the account, and by Vercel where the stack delivers there."""
    found, settings = data_keys.found, data_keys.settings
    decision = guard.may_create(found.aws, settings, saved=settings, outputs=data_keys.outputs, importing=importing)
    context = found.context(settings.deploy_targets)
    for target in deploy_targets(settings.deploy_targets):
        if decision.is_allowed and target.has_own_copy:
            reached = target.access_problem(context) is None
            conflict = partial(target.conflict, context, None) if reached else None
            decision = guard.may_create_for(target.title, conflict, settings, is_deployed=True)
    return decision


def refuse_other_store(data_keys: DataKeyStore) -> None:
    """Raises DataKeyConflict where the data key is still in the store that the settings do not name."""
    _require_replaceable(guard.may_replace(data_keys.found.aws, data_keys.settings, data_keys.outputs))


def refuse_another_key(data_keys: DataKeyStore, version: DataKeyVersion) -> None:
    """Raises DataKeyConflict for a version that another KMS key than the stack's wraps."""
    _require_replaceable(guard.may_replace(data_keys.found.aws, data_keys.settings, data_keys.outputs, version))


def _require_replaceable(decision: guard.Decision) -> None:
    if not decision.is_allowed:
        raise DataKeyConflict(f"{decision.what}; nothing was changed", decision.next)


def version_of(data_keys: DataKeyStore, given: str, *, command: str) -> DataKeyVersion:
    """The kept version of a fingerprint as a person gives it. Raises UsageError, which names those there are."""
    fingerprint = given if given.startswith("sha256:") else f"sha256:{given}"
    if not FINGERPRINT.fullmatch(fingerprint):
        raise UsageError(
            f"{given!r} is not a fingerprint: sha256: and 16 hex digits",
            wizard("restore", "--stack", data_keys.stack, advice="lists the kept versions"),
        )
    version = data_keys.own.key_rotation.version(data_keys.settings, fingerprint)
    if version is None:
        there = ", ".join(each.fingerprint for each in data_keys.versions()) or "none"
        raise UsageError(f"no version {fingerprint} is kept (there are: {there})", f"{command}   # with one of those")
    return version


def keep_everywhere(
    data_keys: DataKeyStore,
    wrapped: WrappedDataKey,
    *,
    key_arn: str | None,
    origin: VersionOrigin,
    at: datetime,
    same_as: str | None = None,
) -> DataKeyVersion:
    """The version among the kept versions of every Region, the stack's own first; an entry that is there is left alone."""
    kept = [
        region_store.key_rotation.keep(
            data_keys.settings,
            wrapped,
            key_arn=_in_region(key_arn, region_store, data_keys.outputs),
            origin=origin,
            at=at,
            same_as=same_as,
        )
        for region_store in data_keys.region_stores
    ]
    return kept[0]


def keep_stored_keys(data_keys: DataKeyStore, *, at: datetime) -> None:
    """The stored data key of each Region, into the kept versions of that Region, before anything could take its place."""
    for region_store in data_keys.region_stores:
        stored_key = region_store.key_rotation.stored_key(data_keys.settings)
        if stored_key.wrapped is None:
            continue
        version = region_store.key_rotation.version(data_keys.settings, stored_key.wrapped.fingerprint)
        if version is not None and not version.kept:
            region_store.key_rotation.keep(
                data_keys.settings,
                stored_key.wrapped,
                key_arn=version.key_arn,
                origin=version.origin,
                at=at,
                same_as=version.same_as,
            )


def _in_region(key_arn: str | None, region_store: RegionStore, outputs: Outputs) -> str | None:
    # A replica opens what its primary wrapped, by its own ARN.
    return region_store.key_arn if key_arn in outputs.key_arns else key_arn


def pending(versions: Iterable[DataKeyVersion]) -> tuple[DataKeyVersion, ...]:
    """The new data keys that were made to take the current one's place and have not done so yet."""
    return tuple(each for each in versions if each.origin is VersionOrigin.MADE and not each.was_current)
