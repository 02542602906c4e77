"""The KMS keys with their rotations, and the versions of the data key: a `wizard.core.ports.aws.KeyRotation`.

Calls KMS, Service Quotas and the data key's store. Never an action of KMS that returns plaintext, nor a DryRun of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.settings import Settings
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session
from wizard.aws.data_keys.stored import store_of
from wizard.aws.data_keys.versions import DataKeyVersions
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, Unsupported
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation, StoredKey, VersionOrigin
from wizard.core.next_command import Command, wizard

_NOT_ITS_OWN = ("IncorrectKeyException", "InvalidCiphertextException", "InvalidKeyUsageException")


@dataclass(frozen=True)
class AwsKeyRotation:
    """The keys and the kept versions of the session's Region."""

    session: Session

    # --- the key -----------------------------------------------------------------------------------------------

    def rotations(self, key_arn: str) -> KeyRotations:
        """The rotations of a key; a limit that nobody tells is None. Raises PermissionDenied where KMS does."""
        status, made, limit = self.session.together(
            lambda: self.session.call("kms", "GetKeyRotationStatus", KeyId=key_arn),
            lambda: list(self.session.pages("kms", "ListKeyRotations", "Rotations", KeyId=key_arn)),
            self._on_demand_limit,
        )
        period = status.get("RotationPeriodInDays")
        return KeyRotations(
            enabled=bool(status["KeyRotationEnabled"]),
            period_days=int(period) if period is not None else None,
            next_at=_utc(status.get("NextRotationDate")),
            rotations=tuple(
                sorted(
                    (
                        Rotation(at=at, on_demand=each.get("RotationType") == "ON_DEMAND")
                        for each in made
                        if (at := _utc(each.get("RotationDate"))) is not None
                    ),
                    key=lambda each: each.at,
                )
            ),
            on_demand_limit=limit,
            on_demand_started=_utc(status.get("OnDemandRotationStartDate")),
        )

    def _on_demand_limit(self) -> int | None:
        """What Service Quotas says a key may have; the limit has changed over time, so that nothing here knows it.

        https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html#on-demand-rotation-resource-quota
        """
        for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
            for quota in self._kms_quotas(operation):
                name = str(quota.get("QuotaName", "")).lower()
                if "on-demand" in name and "rotation" in name:
                    return int(quota["Value"])
        return None

    def _kms_quotas(self, operation: str) -> list[Mapping[str, Any]]:
        try:
            return list(self.session.pages("service-quotas", operation, "Quotas", ServiceCode="kms"))
        except (PermissionDenied, Unsupported, ResourceError):
            # A limit that nobody tells is unknown, and said to be.
            return []

    def rotate_on_demand(self, key_arn: str) -> None:
        """RotateKeyOnDemand. Raises ResourceError, with what KMS said, when none is left or one is under way."""
        try:
            self.session.call("kms", "RotateKeyOnDemand", KeyId=key_arn)
        except ResourceError as error:
            cause: Any = error.__cause__
            code = code_of(cause) if cause is not None else ""
            if code == "LimitExceededException":
                raise ResourceError(
                    f"{key_arn} has had all the rotations on demand that KMS allows a key; nothing was changed",
                    "automatic rotation goes on: python -m wizard rotate --schedule DAYS",
                ) from error
            if code == "ConflictException":
                raise ResourceError(
                    f"a rotation of {key_arn} is under way already; nothing was changed",
                    Command(
                        f"aws kms get-key-rotation-status --key-id {key_arn}",
                        advice="OnDemandRotationStartDate goes with it",
                    ),
                ) from error
            raise

    def reencrypt(self, wrapped: WrappedDataKey, *, source: str, destination: str) -> WrappedDataKey:
        """ReEncrypt: KMS opens it with one key and wraps it with another, and the plaintext stays in KMS.

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
            cause: Any = error.__cause__
            if cause is not None and code_of(cause) in _NOT_ITS_OWN:
                raise DataKeyConflict(
                    f"the key {source} does not open the data key {wrapped.fingerprint} ({code_of(cause)}); "
                    "nothing was changed",
                    wizard("restore", advice="lists the kept versions, each with the key that wraps it"),
                ) from error
            raise
        return WrappedDataKey.from_blob(answer["CiphertextBlob"])

    # --- the kept versions --------------------------------------------------------------------------------------------

    def versions(self, settings: Settings) -> tuple[DataKeyVersion, ...]:
        """Every version that is kept, the oldest first, and the stored one where it has no entry yet."""
        return self._ledger(settings).versions()

    def altered(self, settings: Settings) -> tuple[str, ...]:
        """The names of entries whose value somebody replaced."""
        return self._ledger(settings).altered()

    def version(self, settings: Settings, fingerprint: str) -> DataKeyVersion | None:
        """The kept version of that fingerprint; None for none."""
        return self._ledger(settings).version(fingerprint)

    def keep(
        self,
        settings: Settings,
        wrapped: WrappedDataKey,
        *,
        key_arn: str | None,
        origin: VersionOrigin,
        at: datetime,
        same_as: str | None = None,
    ) -> DataKeyVersion:
        """An entry for a version, create-only, read back; one that is there is left alone."""
        return self._ledger(settings).keep(wrapped, key_arn=key_arn, origin=origin, at=at, same_as=same_as)

    def stored_key(self, settings: Settings) -> StoredKey:
        """What is stored now, whatever that is."""
        return self._ledger(settings).stored_key()

    def replace_current(self, settings: Settings, version: DataKeyVersion, *, key_arn: str, seen: StoredKey) -> None:
        """The kept version into the store, in place of what was read there."""
        self._ledger(settings).replace_current(version, key_arn=key_arn, seen=seen, at=datetime.now(UTC))

    def _ledger(self, settings: Settings) -> DataKeyVersions:
        names, tags = settings.names, settings.tags
        return DataKeyVersions(
            store=store_of(self.session, settings.secret_store),
            prefix=names.parameter_prefix,
            stored_data_key=names.stored_data_key,
            tags=tags,
        )


def _utc(at: object) -> datetime | None:
    return at.astimezone(UTC) if isinstance(at, datetime) else None
