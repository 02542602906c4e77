"""What a change of the current data key means for its targets: refused beforehand, delivered, proved.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wizard.commands.rotate.versions import (
    DataKeyStore,
    keep_everywhere,
    keep_stored_keys,
    refuse_another_key,
)
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, Unsupported
from wizard.core.models.delivery import AppVariables, Delivered, Verification
from wizard.core.models.rotation import DataKeyVersion, StoredKey
from wizard.core.next_command import wizard
from wizard.data_key import delivery
from wizard.setup import deliver_and_verify
from wizard.setup.steps import Clients
from wizard.targets.port import TargetContext, deploy_target, deploy_targets


@dataclass(frozen=True, kw_only=True)
class RotationDelivery:
    """The current data key where the application gets it."""

    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]


def deliverable(data_keys: DataKeyStore, version: DataKeyVersion, kept: frozenset[str]) -> TargetContext:
    """The application, reached. Raises, before anything is changed, what would keep the version from its targets.

    `kept` are the fingerprints of all kept versions: of data keys that may make way at a target.
    """
    context = data_keys.found.reachable()
    for target in map(deploy_target, context.targets):
        conflict = target.conflict(context, version.wrapped, key_arn=data_keys.outputs.key_arn, replaceable=kept)
        if conflict:
            raise DataKeyConflict(
                f"{conflict.message}; nothing was changed",
                wizard("doctor", "--stack", data_keys.stack, advice="what is there, and whose it is"),
            )
    return context


def replaceable(versions: Iterable[DataKeyVersion]) -> frozenset[str]:
    """The data keys that may make way at a target: those that are kept."""
    return frozenset(each.fingerprint for each in versions)


def deliver_to_targets(
    clients: Clients, data_keys: DataKeyStore, context: TargetContext, wrapped: WrappedDataKey, kept: frozenset[str]
) -> RotationDelivery:
    """The data key to every target in every Region, checked, and the proof that the application opens it there."""
    ui = clients.ui
    ui.section("Delivery", f"if it stops here: python -m wizard push --stack {data_keys.stack}")
    ui.working("delivering the three variables")
    delivered = delivery.deliver(
        context,
        wrapped,
        on_delivered=lambda result: deliver_and_verify.show_delivered(ui, result),
        replaceable=kept,
    )
    proofs = deliver_and_verify.prove(clients, context, delivered, wrapped)
    return RotationDelivery(delivered=delivered, proofs=proofs)


class ProofMethod(StrEnum):
    """How it is known that the stack's key opens a version."""

    APPLICATION = "application"
    """The application opened it, in a child process with its own credentials."""
    REENCRYPTED = "reencrypted"
    """KMS opened it under that very key, for a ReEncrypt whose result was let go."""
    KEPT_VERSION = "kept-version"
    """Neither could be tried from here; the kept version says that this key wrapped it."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What was learnt of a version before it became current."""

    how: ProofMethod
    words: str


def prove_opening(clients: Clients, data_keys: DataKeyStore, version: DataKeyVersion, *, trusted: bool) -> Opened:
    """That the stack's key opens the version: as the application, else by a ReEncrypt onto the same key.

    Raises DataKeyConflict when it does not, and when neither can be tried and the version is not `trusted`: one that
    this store has had since KMS made it.
    """
    refuse_another_key(data_keys, version)
    batch = AppVariables(region=data_keys.settings.region, key_arn=data_keys.outputs.key_arn, wrapped=version.wrapped)
    aws = data_keys.found.aws
    for target in deploy_targets(data_keys.settings.deploy_targets):
        principal = data_keys.outputs.principal_of(target.name)
        credentials = aws.application_credentials.app_credentials(
            principal, container_first=target.container_credentials_first
        ).found
        if credentials is None:
            continue
        verdict = clients.prover.prove(credentials, batch)
        if not verdict.proved or verdict.fingerprint != version.fingerprint:
            cause = f"{verdict.cause}: {verdict.message}" if not verdict.proved else f"it opened {verdict.fingerprint}"
            raise DataKeyConflict(
                f"the application cannot open {version.fingerprint} with the key {batch.key_arn} ({cause}); "
                "nothing was changed",
                wizard("doctor", "--stack", data_keys.stack, advice="if it is the key; else choose another version"),
            )
        return Opened(how=ProofMethod.APPLICATION, words=f"opened by the key, as {principal}")
    try:
        data_keys.own.key_rotation.reencrypt(version.wrapped, source=batch.key_arn, destination=batch.key_arn)
    except (PermissionDenied, Unsupported) as error:
        if trusted and version.key_arn == batch.key_arn:
            return Opened(
                how=ProofMethod.KEPT_VERSION,
                words="wrapped by the stack's key, as its entry says; it could not be opened from here to prove it",
            )
        raise DataKeyConflict(
            f"that the key opens {version.fingerprint} could not be proved from here ({error.message}); "
            "nothing was changed",
            "give the application's credentials (EONPRO_APP_PROFILE, or EONPRO_APP_ACCESS_KEY_ID and "
            "EONPRO_APP_SECRET_ACCESS_KEY), or have kms:ReEncryptFrom and kms:ReEncryptTo allowed for this command",
        ) from error
    return Opened(
        how=ProofMethod.REENCRYPTED, words="opened by the key, inside KMS (a ReEncrypt whose result was let go)"
    )


def settled(data_keys: DataKeyStore, version: DataKeyVersion) -> bool:
    """Whether the store of every Region holds the version already, and says so."""
    return all(
        _is_settled(region_store.key_rotation.stored_key(data_keys.settings), version, region_store.key_arn)
        for region_store in data_keys.region_stores
    )


def _is_settled(stored_key: StoredKey, version: DataKeyVersion, key_arn: str) -> bool:
    return stored_key.wrapped == version.wrapped and stored_key.agrees and stored_key.key_arn == key_arn


def make_current(
    data_keys: DataKeyStore, version: DataKeyVersion, *, seen: dict[str, StoredKey], at: datetime
) -> DataKeyVersion:
    """The version into the store of every Region, in the place of what was `seen` there, by Region.

    Both are among the kept versions of every Region before any stored data key is touched. The stack's own Region comes last: until then
    what it holds is the data key, and the same command again goes on from wherever this one was stopped.
    """
    keep_stored_keys(data_keys, at=at)
    kept = keep_everywhere(
        data_keys,
        version.wrapped,
        key_arn=version.key_arn or data_keys.outputs.key_arn,
        origin=version.origin,
        at=at,
        same_as=version.same_as,
    )
    for region_store in (*data_keys.region_stores[1:], data_keys.own):
        if not _is_settled(seen[region_store.region], version, region_store.key_arn):
            region_store.key_rotation.replace_current(
                data_keys.settings, kept, key_arn=region_store.key_arn, expected=seen[region_store.region]
            )
    found = data_keys.own.key_rotation.version(data_keys.settings, version.fingerprint)
    if found is None or not found.current:
        raise DataKeyConflict(
            f"{data_keys.settings.names.stored_data_key} does not hold {version.fingerprint}, just written to it",
            "run the same command again; find out who else writes it",
        )
    return found


def look(data_keys: DataKeyStore) -> dict[str, StoredKey]:
    """The stored data key of each Region now, by Region: what a person is shown before they confirm."""
    return {
        region_store.region: region_store.key_rotation.stored_key(data_keys.settings)
        for region_store in data_keys.region_stores
    }
