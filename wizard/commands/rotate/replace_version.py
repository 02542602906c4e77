"""The replacement of the current version: check the targets, prove that the key decrypts it, replace, deliver.

Acts through the clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from wizard.commands.rotate.versions import DataKeyStore, keep_everywhere, keep_stored_keys, refuse_another_key
from wizard.core.clients import Clients
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, SetupError, Unsupported, attempted
from wizard.core.models.delivery import Delivered
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import DataKeyVersion, StoredKey
from wizard.core.models.verification import ChildResult, Verification
from wizard.core.next_command import Text, eonpro
from wizard.core.target_context import TargetContext
from wizard.data_key import delivery, opening
from wizard.setup import deliver_and_verify
from wizard.targets.port import deploy_target, deploy_targets


def deliverable(
    data_keys: DataKeyStore, version: DataKeyVersion, versions: Iterable[DataKeyVersion]
) -> tuple[TargetContext, frozenset[str]]:
    """The context of the targets, and the fingerprints of the keys that they can replace: of all kept `versions`.

    Raises, before anything changes, if a target would refuse the version.
    """
    others = (kept for other in data_keys.others for kept in other.versions())
    replaceable = frozenset(kept.fingerprint for kept in (*versions, version, *others))
    context = data_keys.deployed.reachable()
    for target in map(deploy_target, context.targets):
        conflict = delivery.conflict(target, context, version.wrapped, replaceable=replaceable)
        if conflict:
            raise DataKeyConflict(
                f"{conflict.message}; nothing was changed",
                eonpro("doctor", "--stack", data_keys.stack, advice="shows what the target has"),
            )
    return context, replaceable


def deliver_to_targets(
    clients: Clients,
    data_keys: DataKeyStore,
    context: TargetContext,
    wrapped: WrappedDataKey,
    replaceable: frozenset[str],
) -> tuple[tuple[Delivered, ...], tuple[Verification, ...]]:
    """Deliver the data key to every target in every Region, and verify that the application can decrypt it there."""
    ui = clients.ui
    ui.section("Delivery", Text("if this fails: ", eonpro("push", "--stack", data_keys.stack)))
    ui.working("delivering the variables")
    delivered = delivery.deliver(
        context,
        wrapped,
        on_delivered=lambda result: deliver_and_verify.show_delivered(ui, result),
        replaceable=replaceable,
    )
    return delivered, deliver_and_verify.prove(clients, context, delivered, wrapped)


def require_rights(data_keys: DataKeyStore) -> None:
    """Raises PermissionDenied where the caller is known to lack a right to replace the stored key."""
    rights = attempted(data_keys.deployed.aws.permissions.check_replacement, data_keys.settings)
    if not isinstance(rights, SetupError) and rights.denied:
        raise PermissionDenied(
            f"the caller may not replace the stored {data_keys.settings.names.noun} (not allowed: "
            f"{', '.join(rights.denied)}); nothing was changed",
            eonpro("policy", "promotion", "--stack", data_keys.stack, advice=RIGHTS),
        )


RIGHTS = "prints the policy that this needs; attach it for the time of the command"


class ProofMethod(StrEnum):
    """How it was proved that the stack's key decrypts a version."""

    APPLICATION = "application"
    """The application decrypted it, in a child process with its own credentials."""
    REENCRYPTED = "reencrypted"
    """KMS decrypted it in a ReEncrypt to the same key, whose result was dropped."""
    KEPT_VERSION = "kept-version"
    """Neither is possible from here; the tags of the kept version name this key."""


@dataclass(frozen=True, kw_only=True)
class DecryptProof:
    """How it was proved that the stack's key decrypts a version, before that became current."""

    how: ProofMethod
    words: str
    version: DataKeyVersion
    """The version; with its key check value, where that is known."""


def same_version(clients: Clients, data_keys: DataKeyStore, wrapped: WrappedDataKey) -> DataKeyVersion | None:
    """The version, the current one first, that opens to the same data key: by their key check values, else as far as
    the application can decrypt it.

    None where there is none, or where the application's credentials are not at hand. Raises Unreachable.
    """
    key_arn = data_keys.outputs.key_arn
    ours = [version for version in data_keys.versions() if version.key_arn == key_arn]
    ours.sort(key=lambda version: not version.current)
    known = [version.wrapped.check_value for version in ours]
    if wrapped.check_value and wrapped.check_value in known:
        return ours[known.index(wrapped.check_value)]
    if not ours or (wrapped.check_value and None not in known):
        return None
    answer = _as_application(clients, data_keys, wrapped, reading=[version.wrapped for version in ours])
    same = answer[1].same if answer else ()
    return next((version for version in ours if version.fingerprint in same), None)


def _as_application(
    clients: Clients, data_keys: DataKeyStore, wrapped: WrappedDataKey, *, reading: Sequence[WrappedDataKey] = ()
) -> tuple[str, ChildResult] | None:
    return opening.as_application(
        data_keys.deployed.aws,
        clients.prover,
        data_keys.settings,
        data_keys.outputs,
        wrapped,
        targets=deploy_targets(data_keys.settings.deploy_targets),
        reading=reading,
    )


def with_check_value(clients: Clients, data_keys: DataKeyStore, version: DataKeyVersion) -> DataKeyVersion:
    """The version with its key check value, recorded, where the application can open it from here; else as it is."""
    if version.wrapped.check_value:
        return version
    answer = attempted(_as_application, clients, data_keys, version.wrapped)
    if answer is None or isinstance(answer, SetupError):
        return version
    wrapped = opening.opened(version.wrapped, answer[1].check_values)
    if wrapped.check_value:
        opening.record(data_keys.deployed.aws, data_keys.settings, data_keys.outputs, wrapped)
    return replace(version, wrapped=wrapped)


def refuse_another_data_key(
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    is_new: bool,
    check_values: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Raises DataKeyConflict where the key check values say that the version opens to another key than it should.

    `is_new`: it comes from outside, and has to be the key of a version. `check_values`: of what was opened now, which
    counts before the tags: whoever may write tags could else keep a version from its return.
    """
    others = [each for other in data_keys.others for each in other.versions()]
    versions = opening.corrected(data_keys.versions(), check_values)
    problem = opening.another_key(version.wrapped, versions, same_as=version.same_as, others=others, is_new=is_new)
    opening.refuse(problem, data_keys.settings)


def prove_opening(clients: Clients, data_keys: DataKeyStore, version: DataKeyVersion, *, trusted: bool) -> DecryptProof:
    """Prove that the stack's key decrypts the version: as the application, else by a ReEncrypt to the same key.

    Raises DataKeyConflict if it does not, if it opens to another key than it should, and if neither is possible and the
    version is not `trusted`: one that was in this store since KMS created it.
    """
    refuse_another_key(data_keys, version)
    key_arn = data_keys.outputs.key_arn
    ours = [each for each in data_keys.versions() if each.key_arn == key_arn and each.same_as == version.same_as]
    answer = _as_application(clients, data_keys, version.wrapped, reading=[each.wrapped for each in ours])
    if answer is not None:
        principal, verdict = answer
        if not verdict.proved or verdict.fingerprint != version.fingerprint:
            cause = (
                f"{verdict.cause}: {verdict.message}" if not verdict.proved else f"it decrypted {verdict.fingerprint}"
            )
            raise DataKeyConflict(
                f"the application cannot decrypt {version.fingerprint} with the key {key_arn} ({cause}); "
                "nothing was changed",
                eonpro("doctor", "--stack", data_keys.stack, advice="checks the key; or choose another version"),
            )
        wrapped, recorded = opening.opened(version.wrapped, verdict.check_values), version.wrapped.check_value
        if recorded not in (None, wrapped.check_value):
            problem = (
                f"{version.fingerprint} opens to the key {wrapped.check_value}, and was recorded as the key {recorded}"
            )
            # What the store says of its own version is a tag, which more callers may write than its value.
            opening.refuse(None if trusted else problem, data_keys.settings)
            clients.ui.line(f"{problem}: somebody has changed its tag", mark=Mark.WARN)
        version = replace(version, wrapped=wrapped)
        refuse_another_data_key(data_keys, version, is_new=not trusted, check_values=verdict.check_values)
        words = f"decrypted by the key, as {principal}"
        return DecryptProof(how=ProofMethod.APPLICATION, words=words, version=version)
    # By what is recorded: it cannot be opened from here.
    refuse_another_data_key(data_keys, version, is_new=not trusted)
    try:
        data_keys.own.key_rotation.reencrypt(version.wrapped, source=key_arn, destination=key_arn)
    except (PermissionDenied, Unsupported) as error:
        if trusted and version.key_arn == key_arn:
            return DecryptProof(
                how=ProofMethod.KEPT_VERSION,
                words="wrapped by the stack's key, as its tags say; this could not be proved from here",
                version=version,
            )
        raise DataKeyConflict(
            f"it could not be proved from here that the key decrypts {version.fingerprint} ({error.message}); "
            "nothing was changed",
            "set the application's credentials (EONPRO_APP_PROFILE, or EONPRO_APP_ACCESS_KEY_ID and "
            "EONPRO_APP_SECRET_ACCESS_KEY), or get the permissions kms:ReEncryptFrom and kms:ReEncryptTo",
        ) from error
    words = "decrypted by the key in KMS (ReEncrypt)"
    return DecryptProof(how=ProofMethod.REENCRYPTED, words=words, version=version)


def is_current_everywhere(data_keys: DataKeyStore, version: DataKeyVersion, *, repairs: bool = False) -> bool:
    """Whether the version is the stored data key of every Region already, with fitting tags.

    One that `repairs` records it again where somebody else has written to it meanwhile.
    """
    return all(
        _is_current(
            region_store.key_rotation.stored_key(data_keys.settings), version, region_store.key_arn, repairs=repairs
        )
        for region_store in data_keys.region_stores
    )


def _is_current(stored_key: StoredKey, version: DataKeyVersion, key_arn: str, *, repairs: bool) -> bool:
    # What an earlier version of this program stored has no such record, and was not replaced.
    overwrites = stored_key.version - 1 if stored_key.overwrites is None else stored_key.overwrites
    is_it = stored_key.wrapped == version.wrapped and stored_key.agrees and stored_key.key_arn == key_arn
    return is_it and not (repairs and overwrites)


def make_current(
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    former: dict[str, StoredKey],
    at: datetime,
    repairs: bool = False,
) -> DataKeyVersion:
    """Store the version as the data key of every Region, in place of the `former` one, by Region.

    Before that, both are kept as versions in every Region; `repairs`: in entries too that have another value. The
    stack's own Region comes last: until then its stored data key is the current one, and the same command continues an
    interrupted run.
    """
    keep_stored_keys(data_keys, at=at, repairs=repairs)
    kept = keep_everywhere(
        data_keys,
        version.wrapped,
        key_arn=version.key_arn or data_keys.outputs.key_arn,
        origin=version.origin,
        at=at,
        same_as=version.same_as,
        repairs=repairs,
    )
    for region_store in (*data_keys.region_stores[1:], data_keys.own):
        if not _is_current(former[region_store.region], version, region_store.key_arn, repairs=repairs):
            region_store.key_rotation.replace_current(
                data_keys.settings, kept, key_arn=region_store.key_arn, expected=former[region_store.region]
            )
    current = data_keys.own.key_rotation.version(data_keys.settings, version.fingerprint)
    if current is None or not current.current:
        raise DataKeyConflict(
            f"{data_keys.settings.names.stored_data_key} does not have {version.fingerprint}, just written to it",
            "find out who else writes it, then run the same command again",
        )
    return current


def stored_keys(data_keys: DataKeyStore) -> dict[str, StoredKey]:
    """The stored data key of each Region, by Region, as it is before the confirmation."""
    return {
        region_store.region: region_store.key_rotation.stored_key(data_keys.settings)
        for region_store in data_keys.region_stores
    }
