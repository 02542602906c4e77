"""The KMS keys: look-ups, rotations, re-encryption, and the one call that creates a wrapped data key.

Calls KMS and Service Quotas; the data key's store for its versions. Never Decrypt, GenerateDataKey or any other action
that returns plaintext, and no DryRun of them either: an endpoint that ignores DryRun would return the plaintext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from components.settings import Settings
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, or_none, tags_of, utc
from wizard.aws.data_keys.replacement import replace_current
from wizard.aws.data_keys.stored import store_of
from wizard.aws.data_keys.versions import DataKeyVersions
from wizard.core import retry, safe_text
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import (
    DataKeyConflict,
    OutcomeUnknown,
    PermissionDenied,
    ResourceError,
    SetupError,
    Unsupported,
)
from wizard.core.models.account import KeyFact
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation, StoredKey
from wizard.core.next_command import Text, eonpro, shell
from wizard.core.retry import Reason

_SECONDS = 10.0
"""Longest time until a new key is usable."""

_NEW_KEY_SECONDS = 60
"""After its creation, in which a denial may come from a key policy that is not in force everywhere yet."""

_ABSENT = ("NotFoundException",)
_NOT_YET = ("NotFoundException", "KMSInvalidStateException", "DependencyTimeoutException")

_NOT_ITS_OWN = ("IncorrectKeyException", "InvalidCiphertextException", "InvalidKeyUsageException")


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class KmsKeys(SessionClient):
    """The KMS keys of one Region. No method returns a data key's plaintext."""

    def describe_key(self, key: str, *, with_tags: bool = False) -> KeyFact | None:
        """A key by id, ARN or alias; None when there is none. Its tags are read only where they are wanted."""

        def read_details(arn: str) -> tuple[Mapping[str, Any], Mapping[str, str] | None]:
            if not with_tags:
                return _rotation(self._session, arn), None
            return self._session.together(
                lambda: _rotation(self._session, arn), lambda: tags_of_key(self._session, arn)
            )

        def describe() -> Mapping[str, Any] | None:
            answer = self._session.find("kms", "DescribeKey", absent=_ABSENT, KeyId=key)
            return answer["KeyMetadata"] if answer else None

        if ":key/" in key:
            metadata, details = self._session.together(describe, lambda: read_details(key))
        else:
            # Nothing but DescribeKey takes an alias.
            metadata = describe()
            details = read_details(metadata["Arn"]) if metadata else None
        return _fact(metadata, *details) if metadata else None

    def key_policy(self, key_arn: str) -> Mapping[str, object]:
        """The key's policy document."""
        answer = self._session.call("kms", "GetKeyPolicy", KeyId=key_arn, PolicyName="default")
        document = safe_text.json_object(answer["Policy"])
        if document is None:
            raise ResourceError(
                f"the policy of {key_arn} is not a JSON object",
                shell("aws", "kms", "get-key-policy", "--key-id", key_arn),
            )
        return document

    def find_keys(self, tags: Mapping[str, str]) -> tuple[KeyFact, ...]:
        """The Region's customer managed keys with all these tags, by ARN; without keys whose tags cannot be read."""

        def matching(key: str) -> KeyFact | None:
            key_tags = tags_of_key(self._session, key)
            if key_tags is None or not tags.items() <= key_tags.items():
                return None
            answer = self._session.find("kms", "DescribeKey", absent=_ABSENT, KeyId=key)
            if answer is None or answer["KeyMetadata"].get("KeyManager") == "AWS":
                return None
            return _fact(answer["KeyMetadata"], _rotation(self._session, key), key_tags)

        keys = [str(entry["KeyArn"]) for entry in self._session.pages("kms", "ListKeys", "Keys")]
        facts = self._session.together(*(lambda key=key: matching(key) for key in keys))
        return tuple(sorted((fact for fact in facts if fact is not None), key=lambda fact: fact.arn))

    def alias_target(self, alias: str) -> KeyFact | None:
        """The key that an alias points to; None when the Region has no such alias."""
        try:
            return self.describe_key(alias, with_tags=True)
        except (PermissionDenied, ResourceError, Unsupported):
            # Without the alias KMS says so, or that the caller is not allowed to know.
            listed = self._session.pages("kms", "ListAliases", "Aliases")
            if any(entry["AliasName"] == alias and entry.get("TargetKeyId") for entry in listed):
                raise
            return None

    def aliases_of(self, key_arn: str) -> tuple[str, ...]:
        """The names of the key's aliases: `alias/…`."""
        # A key has at most 50, unless AWS allows more (https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html).
        entries = self._session.pages("kms", "ListAliases", "Aliases", most=20, KeyId=key_arn)
        return tuple(str(entry["AliasName"]) for entry in entries)

    def make_data_key(self, key_arn: str) -> WrappedDataKey:
        """GenerateDataKeyWithoutPlaintext, AES_256, no encryption context: the application decrypts without one.

        Waits a few seconds for a new key: it may not be visible everywhere yet, nor its policy be in force.
        """

        def reason(error: SetupError) -> Reason | None:
            if isinstance(error, PermissionDenied):
                return Reason.PROPAGATION if _is_new(self._session, key_arn) else None
            cause = error.__cause__
            not_yet = code_of(cause) in _NOT_YET and "pending" not in str(cause).lower()
            return Reason.CONSISTENCY if isinstance(error, ResourceError) and not_yet else None

        def generate() -> WrappedDataKey:
            answer = self._session.call("kms", "GenerateDataKeyWithoutPlaintext", KeyId=key_arn, KeySpec="AES_256")
            return WrappedDataKey.from_blob(answer["CiphertextBlob"])

        return retry.call(generate, clock=self._session.clock, seconds=_SECONDS, reason=reason)


def _rotation(session: Session, key: str) -> Mapping[str, Any]:
    return _tolerated(session, "GetKeyRotationStatus", key) or {}


def _fact(metadata: Mapping[str, Any], rotation: Mapping[str, Any], tags: Mapping[str, str] | None) -> KeyFact:
    return KeyFact(
        arn=str(metadata["Arn"]),
        state=str(metadata.get("KeyState", "Enabled")),
        spec=str(metadata.get("KeySpec") or metadata.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"),
        usage=str(metadata.get("KeyUsage", "ENCRYPT_DECRYPT")),
        description=str(metadata.get("Description") or ""),
        tags=tags,
        rotation_enabled=rotation.get("KeyRotationEnabled"),
        rotation_period_days=rotation.get("RotationPeriodInDays"),
        origin=str(metadata.get("Origin") or "AWS_KMS"),
        replica_of=_primary(metadata),
        replicas=_replicas(metadata),
    )


def _primary(metadata: Mapping[str, Any]) -> str | None:
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_MultiRegionConfiguration.html
    configuration = metadata.get("MultiRegionConfiguration") or {}
    if configuration.get("MultiRegionKeyType") != "REPLICA":
        return None
    return str(configuration.get("PrimaryKey", {}).get("Arn") or "in another Region")


def _replicas(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    configuration = metadata.get("MultiRegionConfiguration") or {}
    return tuple(sorted(str(each["Arn"]) for each in configuration.get("ReplicaKeys") or () if each.get("Arn")))


def _tolerated(session: Session, operation: str, key: str) -> Mapping[str, Any] | None:
    # The policy of another key may deny it, and an asymmetric key has no rotation.
    return or_none(lambda: session.find("kms", operation, absent=_ABSENT, KeyId=key))


def tags_of_key(session: Session, key: str) -> dict[str, str] | None:
    """The tags of a key; None where they cannot be read."""
    pairs = or_none(lambda: list(session.pages("kms", "ListResourceTags", "Tags", KeyId=key)))
    return None if pairs is None else tags_of(pairs, key="TagKey", value="TagValue")


class DryRun(StrEnum):
    """KMS's answer to a call with DryRun, which it only evaluates."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    """Denied by the current policies; another key policy may allow it."""
    FORBIDDEN = "forbidden"
    """Denied by a policy that overrides the key policy: an explicit denial, the organization's policy, a boundary."""
    UNASKED = "unasked"
    """There is no such key, it cannot be used, or the endpoint lacks the call."""


_ABOVE_THE_KEY = (
    "service control policy",
    "resource control policy",
    "permissions boundary",
    "explicit deny in an identity-based policy",
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""


def simulate_make_data_key(session: Session, key: str) -> DryRun:
    """Whether the caller is allowed to create a data key under a key or alias; none is created.

    https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
    """
    try:
        # An endpoint that ignores DryRun answers with a wrapped key, which is discarded.
        session.call("kms", "GenerateDataKeyWithoutPlaintext", KeyId=key, KeySpec="AES_256", DryRun=True)
    except PermissionDenied as error:
        above = any(words in error.message for words in _ABOVE_THE_KEY)
        return DryRun.FORBIDDEN if above else DryRun.REFUSED
    except Unsupported:
        return DryRun.UNASKED
    except ResourceError as error:
        return DryRun.ALLOWED if code_of(error.__cause__) == "DryRunOperationException" else DryRun.UNASKED
    return DryRun.ALLOWED


def _is_new(session: Session, key: str) -> bool:
    answer = _tolerated(session, "DescribeKey", key) or {}
    created = answer.get("KeyMetadata", {}).get("CreationDate")
    # A clock that is behind puts the creation into the future; AWS refuses requests when it is far behind.
    return isinstance(created, datetime) and (datetime.now(UTC) - created).total_seconds() < _NEW_KEY_SECONDS


def _of_versions(
    operation: Callable[Concatenate[DataKeyVersions, Parameters], Result],
) -> Callable[Concatenate[KeyRotation, Settings, Parameters], Result]:
    """A method of the client: an operation on the versions of one stack's data key."""

    def method(
        self: KeyRotation, settings: Settings, /, *values: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        return operation(self._data_key_versions(settings), *values, **options)

    return method


class KeyRotation(SessionClient):
    """The KMS keys and the data key's versions in the session's Region. No method returns a data key's plaintext."""

    def rotations(self, key_arn: str) -> KeyRotations:
        """The past and future rotations of a key; `on_demand_limit` is None where Service Quotas does not say it."""
        schedule, rotations, limit = self._session.together(
            lambda: self.schedule(key_arn),
            lambda: list(self._session.pages("kms", "ListKeyRotations", "Rotations", KeyId=key_arn)),
            self._on_demand_limit,
        )
        complete: KeyRotations = replace(
            schedule,
            rotations=tuple(
                sorted(
                    (
                        Rotation(at=at, on_demand=rotation.get("RotationType") == "ON_DEMAND")
                        for rotation in rotations
                        if (at := utc(rotation.get("RotationDate"))) is not None
                    ),
                    key=lambda rotation: rotation.at,
                )
            ),
            on_demand_limit=limit,
        )
        return complete

    def schedule(self, key_arn: str) -> KeyRotations:
        """The period and the next rotation alone, which need no permission for the past ones."""
        status = self._session.call("kms", "GetKeyRotationStatus", KeyId=key_arn)
        period = status.get("RotationPeriodInDays")
        return KeyRotations(
            enabled=bool(status["KeyRotationEnabled"]),
            period_days=int(period) if period is not None else None,
            next_at=utc(status.get("NextRotationDate")),
            on_demand_started=utc(status.get("OnDemandRotationStartDate")),
        )

    def _on_demand_limit(self) -> int | None:
        """The limit of Service Quotas, which has changed over time and is therefore not written down here.

        https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html#on-demand-rotation-resource-quota
        """
        for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
            # A limit that cannot be read is unknown, and reported so.
            quotas: list[Any] | None = or_none(
                partial(list, self._session.pages("service-quotas", operation, "Quotas", ServiceCode="kms"))
            )
            for quota in quotas or ():
                name = str(quota.get("QuotaName", "")).lower()
                if "on-demand" in name and "rotation" in name:
                    return int(quota["Value"])
        return None

    def rotate_on_demand(self, key_arn: str, *, before: KeyRotations) -> None:
        """RotateKeyOnDemand, sent once; after a lost answer the rotations are read and compared with `before`.

        Raises ResourceError when no rotation is left or one is in progress, OutcomeUnknown when the answer was lost
        and KMS shows no new rotation.
        """
        try:
            self._session.call("kms", "RotateKeyOnDemand", KeyId=key_arn)
        except OutcomeUnknown as error:
            for _ in retry.attempts(Reason.CONSISTENCY, clock=self._session.clock):
                if _has_another(self.rotations(key_arn), before):
                    return
            raise OutcomeUnknown(
                f"KMS did not answer whether it rotates {key_arn}, and KMS shows no new rotation",
                shell(
                    *("aws", "kms", "get-key-rotation-status", "--key-id", key_arn),
                    advice="in a minute; without an OnDemandRotationStartDate, run the same command again",
                ),
            ) from error
        except ResourceError as error:
            code = code_of(error.__cause__)
            if code == "LimitExceededException":
                raise ResourceError(
                    f"{key_arn} has used all its on-demand rotations; nothing was changed",
                    Text("automatic rotation continues: ", eonpro("rotate", "--schedule", "DAYS")),
                ) from error
            if code == "ConflictException":
                raise ResourceError(
                    f"a rotation of {key_arn} is already in progress; nothing was changed",
                    shell(
                        *("aws", "kms", "get-key-rotation-status", "--key-id", key_arn),
                        advice="OnDemandRotationStartDate disappears when it has ended",
                    ),
                ) from error
            raise

    def reencrypt(self, wrapped: WrappedDataKey, *, source: str, destination: str) -> WrappedDataKey:
        """ReEncrypt: KMS decrypts it with one key and encrypts it with another; the plaintext stays in KMS.

        Raises PermissionDenied without kms:ReEncryptFrom or kms:ReEncryptTo, DataKeyConflict when the source cannot
        decrypt it. https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
        """
        try:
            answer = self._session.call(
                "kms",
                "ReEncrypt",
                CiphertextBlob=wrapped.blob,
                SourceKeyId=source,
                DestinationKeyId=destination,
            )
        except ResourceError as error:
            code = code_of(error.__cause__)
            if code in _NOT_ITS_OWN:
                raise DataKeyConflict(
                    f"the key {source} does not decrypt the data key {wrapped.fingerprint} ({code}); "
                    "nothing was changed",
                    eonpro("restore", advice="lists the kept versions, each with the key that wraps it"),
                ) from error
            raise
        return replace(WrappedDataKey.from_blob(answer["CiphertextBlob"]), check_value=wrapped.check_value)

    # --- the data key's versions -------------------------------------------------------------------------------

    versions = _of_versions(DataKeyVersions.versions)
    fingerprints = _of_versions(DataKeyVersions.fingerprints)
    altered = _of_versions(DataKeyVersions.altered)
    version = _of_versions(DataKeyVersions.version)
    keep = _of_versions(DataKeyVersions.keep)
    record_check_value = _of_versions(DataKeyVersions.record_check_value)
    reserve_new = _of_versions(DataKeyVersions.reserve_new)
    stored_key = _of_versions(DataKeyVersions.stored_key)

    def replace_current(
        self, settings: Settings, version: DataKeyVersion, *, key_arn: str, expected: StoredKey
    ) -> None:
        """Write the version into the store, in place of `expected`, which was read there."""
        versions = self._data_key_versions(settings)
        replace_current(versions, version, key_arn=key_arn, expected=expected, at=datetime.now(UTC))

    def _data_key_versions(self, settings: Settings) -> DataKeyVersions:
        return DataKeyVersions(
            store=store_of(self._session, settings.secret_store),
            names=settings.names,
            tags=settings.tags,
        )


def _has_another(after: KeyRotations, before: KeyRotations) -> bool:
    """Whether an on-demand rotation has started, or has even ended, since `before`."""
    if after.on_demand_started not in (None, before.on_demand_started):
        return True
    done, done_before = (sum(rotation.on_demand for rotation in each.rotations) for each in (after, before))
    return done > done_before
