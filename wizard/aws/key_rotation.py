"""The rotations of KMS keys, re-encryption, and the data key's versions: a `wizard.core.ports.aws.KeyRotation`.

Calls KMS, Service Quotas and the data key's store. Never an action of KMS that returns plaintext, nor a DryRun of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from components.settings import Settings
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session, or_none, utc
from wizard.aws.data_keys.stored import store_of
from wizard.aws.data_keys.versions import DataKeyVersions
from wizard.core import retry
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, OutcomeUnknown, ResourceError
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation, StoredKey
from wizard.core.next_command import Text, shell, wizard
from wizard.core.retry import Reason

_NOT_ITS_OWN = ("IncorrectKeyException", "InvalidCiphertextException", "InvalidKeyUsageException")


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _of_versions(
    operation: Callable[Concatenate[DataKeyVersions, Parameters], Result],
) -> Callable[Concatenate[AwsKeyRotation, Settings, Parameters], Result]:
    """A method of the client: an operation on the versions of one stack's data key."""

    def method(
        self: AwsKeyRotation, settings: Settings, /, *values: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        return operation(self._data_key_versions(settings), *values, **options)

    return method


@dataclass(frozen=True)
class AwsKeyRotation:
    """The KMS keys and the data key's versions in the session's Region."""

    session: Session

    # --- the KMS key -------------------------------------------------------------------------------------------

    def rotations(self, key_arn: str) -> KeyRotations:
        """The rotations of a key; `on_demand_limit` is None where Service Quotas does not say it."""
        schedule, rotations, limit = self.session.together(
            lambda: self.schedule(key_arn),
            lambda: list(self.session.pages("kms", "ListKeyRotations", "Rotations", KeyId=key_arn)),
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
        """The period and the next rotation alone (GetKeyRotationStatus)."""
        status = self.session.call("kms", "GetKeyRotationStatus", KeyId=key_arn)
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
                partial(list, self.session.pages("service-quotas", operation, "Quotas", ServiceCode="kms"))
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
            self.session.call("kms", "RotateKeyOnDemand", KeyId=key_arn)
        except OutcomeUnknown as error:
            for _ in retry.attempts(Reason.CONSISTENCY, clock=self.session.clock):
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
                    Text("automatic rotation continues: ", wizard("rotate", "--schedule", "DAYS")),
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

        https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
        """
        try:
            answer = self.session.call(
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
                    wizard("restore", advice="lists the kept versions, each with the key that wraps it"),
                ) from error
            raise
        return WrappedDataKey.from_blob(answer["CiphertextBlob"])

    # --- the data key's versions -------------------------------------------------------------------------------

    versions = _of_versions(DataKeyVersions.versions)
    fingerprints = _of_versions(DataKeyVersions.fingerprints)
    altered = _of_versions(DataKeyVersions.altered)
    version = _of_versions(DataKeyVersions.version)
    keep = _of_versions(DataKeyVersions.keep)
    reserve_new = _of_versions(DataKeyVersions.reserve_new)
    stored_key = _of_versions(DataKeyVersions.stored_key)

    def replace_current(
        self, settings: Settings, version: DataKeyVersion, *, key_arn: str, expected: StoredKey
    ) -> None:
        """Write the version into the store, in place of `seen`, which was read there."""
        self._data_key_versions(settings).replace_current(
            version, key_arn=key_arn, expected=expected, at=datetime.now(UTC)
        )

    def _data_key_versions(self, settings: Settings) -> DataKeyVersions:
        return DataKeyVersions(
            store=store_of(self.session, settings.secret_store),
            names=settings.names,
            tags=settings.tags,
        )


def _has_another(after: KeyRotations, before: KeyRotations) -> bool:
    """Whether an on-demand rotation has started, or has even ended, since `before`."""
    if after.on_demand_started not in (None, before.on_demand_started):
        return True
    done, known = (sum(rotation.on_demand for rotation in each.rotations) for each in (after, before))
    return done > known
