"""The KMS key and the wrapped data key: look-ups, and the one call that makes a data key.

Calls KMS. Never Decrypt, GenerateDataKey or any other action that returns plaintext, and no DryRun of them
either: an endpoint that passes over DryRun would return it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session, tags_of
from wizard.core import retry
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import PermissionDenied, ResourceError, SetupError, Unsupported
from wizard.core.models.account import KeyFact
from wizard.core.next_command import Command
from wizard.core.retry import Reason

_SECONDS = 10.0
"""In which a key that was just made becomes usable."""

_YOUNG = 60
"""Seconds after its creation in which a denial may come of a key policy that is not yet everywhere."""

_ABSENT = ("NotFoundException",)
_NOT_YET = ("NotFoundException", "KMSInvalidStateException", "DependencyTimeoutException")


class KmsKeys:
    """The KMS keys of one Region: a `wizard.core.ports.aws.KmsKeys`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def describe_key(self, key: str) -> KeyFact | None:
        """A key by id, ARN or alias; None when there is none."""
        found = self._session.find("kms", "DescribeKey", absent=_ABSENT, KeyId=key)
        return _fact(self._session, found["KeyMetadata"]) if found else None

    def key_policy(self, key_arn: str) -> Mapping[str, object]:
        """The key's policy document."""
        document = json.loads(self._session.call("kms", "GetKeyPolicy", KeyId=key_arn, PolicyName="default")["Policy"])
        if not isinstance(document, dict):
            raise ResourceError(
                f"the policy of {key_arn} is no JSON object", Command(f"aws kms get-key-policy --key-id {key_arn}")
            )
        return document

    def find_keys(self, tags: Mapping[str, str]) -> tuple[KeyFact, ...]:
        """The Region's customer managed keys with all these tags, by ARN; keys that tell none are left out."""

        def look(key: str) -> KeyFact | None:
            carried = _tags(self._session, key)
            if carried is None or not tags.items() <= carried.items():
                return None
            found = self._session.find("kms", "DescribeKey", absent=_ABSENT, KeyId=key)
            if found is None or found["KeyMetadata"].get("KeyManager") == "AWS":
                return None
            return _fact(self._session, found["KeyMetadata"], carried)

        keys = [str(entry["KeyArn"]) for entry in self._session.pages("kms", "ListKeys", "Keys")]
        found = self._session.together(*(lambda key=key: look(key) for key in keys))
        return tuple(sorted((fact for fact in found if fact is not None), key=lambda fact: fact.arn))

    def alias_target(self, alias: str) -> KeyFact | None:
        """The key that an alias points to; None when the Region has no such alias."""
        for entry in self._session.pages("kms", "ListAliases", "Aliases"):
            if entry["AliasName"] == alias and entry.get("TargetKeyId"):
                return self.describe_key(str(entry["TargetKeyId"]))
        return None

    def make_data_key(self, key_arn: str) -> WrappedDataKey:
        """GenerateDataKeyWithoutPlaintext, AES_256, no encryption context: the application decrypts without one.

        Waits a few seconds for a key made a moment ago, which may not be visible everywhere, nor its policy in force.
        """

        def reason(error: SetupError) -> Reason | None:
            if isinstance(error, PermissionDenied):
                return Reason.PROPAGATION if _made_a_moment_ago(self._session, key_arn) else None
            cause = error.__cause__
            not_yet = code_of(cause) in _NOT_YET and "pending" not in str(cause).lower()
            return Reason.CONSISTENCY if isinstance(error, ResourceError) and not_yet else None

        def generate() -> WrappedDataKey:
            answer = self._session.call("kms", "GenerateDataKeyWithoutPlaintext", KeyId=key_arn, KeySpec="AES_256")
            return WrappedDataKey.from_blob(answer["CiphertextBlob"])

        return retry.call(generate, clock=self._session.clock, seconds=_SECONDS, reason=reason)


def _fact(session: Session, metadata: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> KeyFact:
    arn = str(metadata["Arn"])
    rotation = _tolerated(session, "GetKeyRotationStatus", arn) or {}
    return KeyFact(
        arn=arn,
        state=str(metadata.get("KeyState", "Enabled")),
        spec=str(metadata.get("KeySpec") or metadata.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"),
        usage=str(metadata.get("KeyUsage", "ENCRYPT_DECRYPT")),
        description=str(metadata.get("Description") or ""),
        tags=tags if tags is not None else (_tags(session, arn) or {}),
        rotation_enabled=rotation.get("KeyRotationEnabled"),
        rotation_period_days=rotation.get("RotationPeriodInDays"),
        origin=str(metadata.get("Origin") or "AWS_KMS"),
        replica_of=_primary(metadata),
    )


def _primary(metadata: Mapping[str, Any]) -> str | None:
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_MultiRegionConfiguration.html
    configuration = metadata.get("MultiRegionConfiguration") or {}
    if configuration.get("MultiRegionKeyType") != "REPLICA":
        return None
    return str(configuration.get("PrimaryKey", {}).get("Arn") or "in another Region")


def _tolerated(session: Session, operation: str, key: str) -> Mapping[str, Any] | None:
    # Another key's policy may deny it, an asymmetric key has no rotation, a dying key has neither.
    try:
        found: Mapping[str, Any] | None = session.find("kms", operation, absent=_ABSENT, KeyId=key)
    except (PermissionDenied, Unsupported, ResourceError):
        return None
    return found


def _tags(session: Session, key: str) -> dict[str, str] | None:
    try:
        return tags_of(
            list(session.pages("kms", "ListResourceTags", "Tags", KeyId=key)), key="TagKey", value="TagValue"
        )
    except (PermissionDenied, Unsupported, ResourceError):
        return None


class DryRun(StrEnum):
    """What KMS says to a call that it is asked only to weigh."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    """By the policies as they are; another policy of the key may allow it."""
    FORBIDDEN = "forbidden"
    """By a policy that stands above the key's: a denial, the organization's, a boundary."""
    UNASKED = "unasked"
    """There is no such key, none that can be used, or no such call."""


_ABOVE_THE_KEY = ("service control policy", "permissions boundary", "explicit deny in an identity-based policy")
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""


def weigh_data_key(session: Session, key: str) -> DryRun:
    """Whether KMS would make the caller a data key under a key or alias; nothing is made.

    https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
    """
    try:
        # An endpoint that passes over DryRun answers with a wrapped key, and that is let go.
        session.call("kms", "GenerateDataKeyWithoutPlaintext", KeyId=key, KeySpec="AES_256", DryRun=True)
    except PermissionDenied as error:
        above = any(words in error.message for words in _ABOVE_THE_KEY)
        return DryRun.FORBIDDEN if above else DryRun.REFUSED
    except Unsupported:
        return DryRun.UNASKED
    except ResourceError as error:
        return DryRun.ALLOWED if code_of(error.__cause__) == "DryRunOperationException" else DryRun.UNASKED
    return DryRun.ALLOWED


def _made_a_moment_ago(session: Session, key: str) -> bool:
    try:
        found = session.find("kms", "DescribeKey", absent=_ABSENT, KeyId=key)
    except (PermissionDenied, Unsupported, ResourceError):
        return False
    made = (found or {}).get("KeyMetadata", {}).get("CreationDate")
    # A clock that is behind makes the key one of the future; AWS takes no requests of one far behind.
    return isinstance(made, datetime) and (datetime.now(UTC) - made).total_seconds() < _YOUNG
