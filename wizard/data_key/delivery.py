"""The wrapped data key: stored once, copied to every Region and store, delivered to the targets and verified there.

Reads and writes AWS and the targets through their ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from components import policies
from components.policies.evaluation import KeyPolicyDecision
from components.policies.stack import decide_by_key_policy_of
from components.settings import DATA_KEY_VARIABLE, Outputs, SecretStore, Settings
from components.settings.arn import Arn
from components.settings.stored_values import BY_VARIABLE
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, SetupError, Unsupported, attempted
from wizard.core.models.delivery import (
    AccessKey,
    AppVariables,
    CredentialsSearch,
    Delivered,
    DeliveryState,
    Proof,
    Scope,
    StoredDataKey,
    Verification,
    VerificationState,
)
from wizard.core.models.rotation import DataKeyVersion, LastBackup, RestoreDrill, VersionOrigin
from wizard.core.next_command import Text, eonpro, shell
from wizard.core.ports.aws import KeyRotation
from wizard.core.ports.run import AwsClient, DecryptVerifier, TargetContext
from wizard.core.retry import SCHEDULES, Reason, together
from wizard.core.variable_ownership import OwnValues
from wizard.data_key import guard, opening
from wizard.targets.port import DeployTarget, deploy_target

NEW_KEY_SECONDS = 40.0
"""How long a new access key takes to be known everywhere; longer than a role."""


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


def keys_beside(context: TargetContext, wrapped: WrappedDataKey) -> dict[str, WrappedDataKey]:
    """The application's wrapped keys by their variables: `wrapped`, which the context's settings name, and the others.

    A value that was not made yet is left out. Raises DataKeyConflict without a stored data key.
    """
    keys, settings = {}, context.settings
    for variable in settings.wrapped_keys:
        is_this = variable == settings.names.variable
        stored = None if is_this else find_stored_data_key(context.aws, settings.of_key(variable))
        if is_this or stored:
            keys[variable] = stored.wrapped if stored else wrapped
    if DATA_KEY_VARIABLE not in keys:
        name = settings.of_key(DATA_KEY_VARIABLE).names.stored_data_key
        raise DataKeyConflict(
            f"{name} does not exist; nothing was delivered", eonpro("doctor", "--stack", context.stack)
        )
    return keys


def variables_of(
    context: TargetContext, wrapped: WrappedDataKey, key_arns: Sequence[str] = ()
) -> dict[str, AppVariables]:
    """The variables for each Region that has the key; the wrapped keys are the same in all of them.

    `key_arns`: of the key in each Region, where the stack's outputs are not at hand.
    """
    keys = keys_beside(context, wrapped)
    optional = tuple(_optional(context, keys))
    data_key = keys.pop(DATA_KEY_VARIABLE)
    return {
        Arn.parse(arn).region: AppVariables(
            region=Arn.parse(arn).region,
            key_arn=arn,
            wrapped=data_key,
            beside=tuple(keys.items()),
            optional=optional,
            names=context.settings.delivered_names,
            own=OwnValues.of(context.settings, context.outputs, region=Arn.parse(arn).region),
            replaces=context.replaces,
        )
        for arn in key_arns or context.require_outputs().key_arns
    }


READING_CHARACTERS = 4000
"""Of the variable with the keys for reading; a parameter holds 4,096: some sixteen keys."""


def _optional(context: TargetContext, keys: Mapping[str, WrappedDataKey]) -> Iterator[tuple[str, str]]:
    """The key check values and the keys for reading that the settings ask for, as far as they are known.

    Keys that the caller is not allowed to list are left out: the delivery leaves those that are delivered.
    """
    settings = context.settings
    for variable, wrapped in keys.items():
        value = BY_VARIABLE[variable]
        if settings.key_check_value and wrapped.check_value:
            yield value.check_value, wrapped.check_value
        if not settings.keys_for_reading:
            continue
        versions = attempted(context.aws.key_rotation.versions, settings.of_key(variable))
        if not isinstance(versions, SetupError):
            yield value.reading, " ".join(reading_keys(wrapped, versions))


def reading_keys(current: WrappedDataKey, versions: Sequence[DataKeyVersion]) -> list[str]:
    """The wrapped keys that the application tries beside the current one: what comes next, what was in use before, and
    the application's former key.

    Without any it is the current one: a parameter cannot be empty.
    """
    mine = next((version for version in versions if version.wrapped == current), None)
    found = dict[str, str]()
    for version in reversed(versions):
        is_used = version.was_current or version.origin in (VersionOrigin.MADE, VersionOrigin.ADOPTED)
        if mine and is_used and version.same_as != mine.same_as and version.key_arn == mine.key_arn:
            found.setdefault(version.same_as, version.wrapped.value)
    longest = READING_CHARACTERS // (1 + max(map(len, found.values()), default=0))
    return [*found.values()][:longest] or [current.value]


def conflict(
    target: DeployTarget,
    context: TargetContext,
    wrapped: WrappedDataKey,
    *,
    replaceable: frozenset[str] = frozenset(),
    scopes: tuple[Scope, ...] = (),
) -> DataKeyConflict | None:
    """Why a delivery to the target would be refused, for any of the wrapped keys."""
    key_arn = context.require_outputs().key_arn
    for variable, key in keys_beside(context, wrapped).items():
        of_key = replace(context, settings=context.settings.of_key(variable))
        if refusal := target.conflict(of_key, key, key_arn=key_arn, replaceable=replaceable, scopes=scopes):
            return refusal
    return None


def fingerprints_of(context: TargetContext) -> frozenset[str]:
    """The fingerprints of all versions of the wrapped keys: what a target can replace. Raises SetupError."""
    rotation = context.aws.key_rotation
    return frozenset(
        version.fingerprint for of_key in context.settings.of_each_key for version in rotation.versions(of_key)
    )


def deliver(
    context: TargetContext,
    wrapped: WrappedDataKey,
    *,
    on_delivered: Callable[[Delivered], None],
    replaceable: frozenset[str] = frozenset(),
    scopes: tuple[Scope, ...] = (),
) -> tuple[Delivered, ...]:
    """The variables, together, to every target of this run, in every Region; each checked after writing.

    `replaceable`: the fingerprints of stored versions, which may be replaced at a target. `scopes`: the environments,
    for a target that has any; empty: the stack's own.
    """
    done: list[Delivered] = []
    variables = variables_of(context, wrapped)
    own = variables[context.settings.region]
    for variable, key in own.wrapped_keys:
        # An outdated one, left beside another key, would make the application refuse that.
        opening.refuse_unknown(context.settings.of_key(variable), key)
    data_key = own.wrapped
    for target in context.targets:
        for result in deploy_target(target).deliver(context, variables, replaceable=replaceable, scopes=scopes):
            if result.fingerprint != data_key.fingerprint:
                raise DataKeyConflict(
                    f"{result.place} has the data key {result.fingerprint}, not the stored {data_key.fingerprint}",
                    eonpro("push", "--stack", context.stack),
                )
            on_delivered(result)
            done.append(result)
    return tuple(done)


def deliveries_of(context: TargetContext, stored: StoredDataKey) -> tuple[Delivered, ...]:
    """What every target should have in every Region, as `deliver` returns it where nothing is left to write."""
    return tuple(
        Delivered(
            target=target.name,
            place=context.settings.names.stored_data_key,
            state=DeliveryState.UNCHANGED,
            fingerprint=stored.wrapped.fingerprint,
            checked_by="the stored data key",
            region=region,
        )
        for target in map(deploy_target, context.targets)
        for region in target.regions(context.require_outputs())
    )


Searches = Mapping[tuple[str, str], CredentialsSearch]
"""The application's credentials by target and principal."""


def find_credentials(context: TargetContext, targets: Iterable[str]) -> Searches:
    """The application's credentials at these targets, from this machine."""
    outputs = context.require_outputs()
    wanted = [(target, outputs.principal_of(target)) for target in dict.fromkeys(targets)]
    found = together(
        *(
            partial(
                context.aws.application_credentials.app_credentials,
                principal,
                container_first=deploy_target(target).container_credentials_first,
            )
            for target, principal in wanted
        )
    )
    return dict(zip(wanted, found, strict=True))


def prove(
    context: TargetContext,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    *,
    prover: DecryptVerifier,
    access_key: AccessKey | None = None,
    full: bool = False,
    credentials: Callable[[], Searches] | None = None,
    waits: bool = True,
) -> tuple[Verification, ...]:
    """One verification for each delivery: as the application, or else by its policies.

    As the application it is a dry run of KMS; a full round trip for what was written now, for all if `full`, and where
    the key check value of a stored value is not known yet, which is then recorded.
    `access_key`: the application's, created in this run. `credentials`: of `find_credentials`, which was begun earlier.
    `waits`: ask a refusal again for as long as AWS may still be applying a change.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    outputs, variables = context.require_outputs(), variables_of(context, wrapped)
    record = partial(_record, context, outputs)
    regions = [delivery.region or context.settings.region for delivery in delivered]
    searches, *gaps = together(
        credentials or partial(find_credentials, context, [delivery.target for delivery in delivered]),
        *(
            partial(deploy_target(delivery.target).missing, context, {region: variables[region]})
            for delivery, region in zip(delivered, regions, strict=True)
        ),
    )
    proofs = []
    for delivery, region, gap in zip(delivered, regions, gaps, strict=True):
        principal = outputs.principal_of(delivery.target)
        created = access_key if principal == outputs.app_user_arn else None
        # What the target gives to the application decides, whatever the stored data key is.
        state, detail, key_material, brief = VerificationState.FAILED, gap, "", ""
        if not gap:
            state, detail, key_material, brief = _verify(
                context.aws.with_region(region),
                context.settings,
                prover,
                principal,
                variables[region],
                deploy_target(delivery.target),
                opening.created(created) if created else searches[delivery.target, principal],
                record=record,
                seconds=(NEW_KEY_SECONDS if created else SCHEDULES[Reason.PROPAGATION].seconds) if waits else 0.0,
                full=full or delivery.state is DeliveryState.WRITTEN or not _has_check_values(variables[region]),
            )
        proofs.append(
            Verification(
                target=delivery.target,
                state=state,
                principal=principal,
                detail=f"in {region}: {detail}" if len(variables) > 1 else detail,
                at=now,
                key_material=key_material,
                brief=brief,
            )
        )
    return tuple(proofs)


def _verify(
    aws: AwsClient,
    settings: Settings,
    prover: DecryptVerifier,
    principal: str,
    app_variables: AppVariables,
    target: DeployTarget,
    search: CredentialsSearch,
    *,
    record: Callable[[AppVariables, Mapping[str, str]], str],
    seconds: float,
    full: bool,
) -> tuple[VerificationState, str, str, str]:
    """The state, how that is known, the id of the key material that opened the data key or "", and a proof in short."""
    credentials = search.credentials
    if credentials is not None:
        result = prover.prove(credentials, app_variables, retry_seconds=seconds, full=full)
        if not result.is_answer:
            return (
                VerificationState.UNPROVEN,
                f"as {result.principal or principal}: could not be verified: KMS did not answer "
                f"({result.cause}: {result.message}); try again later",
                "",
                "",
            )
        if not result.proved:
            why = f"as {result.principal or principal}: {result.cause}: {result.message}"
            return VerificationState.FAILED, why, "", ""
        if result.fingerprint != app_variables.wrapped.fingerprint:
            return (
                VerificationState.FAILED,
                f"the application opened {result.fingerprint}, not {app_variables.wrapped.fingerprint}",
                "",
                "",
            )
        if problem := record(app_variables, result.check_values):
            return VerificationState.FAILED, f"as {result.principal}: {problem}", "", ""
        return (
            VerificationState.PROVED,
            f"as {result.principal}, by {credentials.how}: {_DONE.get(result.how, 'KMS decrypts the data key')}"
            + (f", {target.proof_note}" if target.proof_note else ""),
            result.key_material,
            f"{principal} {_BRIEF.get(result.how, 'opens it')}",
        )
    return (*_simulated(aws, settings, principal, app_variables.key_arn, search.tried), "", "")


def _has_check_values(app_variables: AppVariables) -> bool:
    return all(wrapped.check_value for _, wrapped in app_variables.wrapped_keys)


def _record(
    context: TargetContext, outputs: Outputs, app_variables: AppVariables, check_values: Mapping[str, str]
) -> str:
    """Record the key check values that were not known; why a key is another one than what is recorded says, or ""."""
    for variable, wrapped in app_variables.wrapped_keys:
        opened = opening.opened(wrapped, check_values)
        if opened.check_value != wrapped.check_value and wrapped.check_value:
            return f"{variable} opens to the key {opened.check_value}, but it was the key {wrapped.check_value}"
        if opened.check_value and not wrapped.check_value:
            of_key = context.settings.of_key(variable)
            versions = attempted(context.aws.key_rotation.versions, of_key)
            if isinstance(versions, SetupError):
                continue
            is_kept = any(version.fingerprint == wrapped.fingerprint and version.kept for version in versions)
            if problem := opening.another_key(opened, versions, is_new=not is_kept):
                return problem
            recorded = attempted(opening.record, context.aws, of_key, outputs, opened)
            if isinstance(recorded, SetupError):
                return recorded.message
    return ""


_DONE: Mapping[Proof | None, str] = {
    Proof.ROUND_TRIP: "32 bytes unwrapped under the key, one record encrypted and decrypted",
    Proof.DRY_RUN: "KMS would decrypt this data key: a dry run, which returns no key (verify --full decrypts it)",
    Proof.DECRYPTED: "KMS decrypts this data key: the endpoint ignores dry runs (verify --full also encrypts a record)",
}


_BRIEF: Mapping[Proof | None, str] = {
    Proof.ROUND_TRIP: "opened it, and encrypted and decrypted a record",
    Proof.DRY_RUN: "may open it, by KMS's dry run",
    Proof.DECRYPTED: "opened it",
}


def _simulated(
    aws: AwsClient, settings: Settings, principal: str, key_arn: str, tried: tuple[str, ...]
) -> tuple[VerificationState, str]:
    """What the policies say, where the application's credentials are not available: only its platform has its role."""
    reason = "the application's credentials are not available here, so this was not run as the application"
    if tried:
        reason += f" (tried: {'; '.join(tried)})"
    try:
        policy = aws.kms.key_policy(key_arn)
        simulation = aws.permissions.simulate(principal, policies.APPLICATION_ACTIONS, key_arn)
    except Unsupported as error:
        return VerificationState.UNPROVEN, f"{reason}; nor could its policies be evaluated ({error.message})"
    except SetupError as error:
        return VerificationState.UNPROVEN, f"{reason}; nor could its policies be read ({error.message})"
    key_decision = decide_by_key_policy_of(settings, policy, principal, "kms:Decrypt")
    if simulation.allowed is False or key_decision in (KeyPolicyDecision.NONE, KeyPolicyDecision.DENIED):
        return (
            VerificationState.FAILED,
            f"{reason}; its policies refuse it: key policy {key_decision}, IAM {simulation.detail}",
        )
    if key_decision is KeyPolicyDecision.UNKNOWN:
        return (
            VerificationState.UNPROVEN,
            f"{reason}; whether the key policy allows it depends on conditions that are not known here",
        )
    if simulation.allowed is None:
        return (
            VerificationState.UNPROVEN,
            f"{reason}; the key policy allows it ({key_decision}), what IAM allows is not known: {simulation.detail}",
        )
    return VerificationState.SIMULATED, f"{reason}; IAM's policy simulator and the key policy ({key_decision}) allow it"
