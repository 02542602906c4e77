"""KMS: keys, and replicas of multi-Region keys.

May touch KMS at the endpoint of the region it is handed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import PAUSES_SECONDS, found, once_principals_are_seen
from sandbox.pulumi_plugins.provider.resource_type import Kind, present, tag_changes, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

# https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
DELETION_WINDOW_DAYS = (7, 30)
# https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
ROTATION_PERIOD_DAYS = (90, 2560)
_GONE = "NotFoundException"


def _out_of(name: str, value: Any, bounds: tuple[int, int]) -> Iterator[tuple[str, str]]:
    low, high = bounds
    if value is not None and not low <= value <= high:
        yield name, f"expected {name} to be in the range ({low} - {high}), got {value}"


class Key(Kind):
    """A customer managed key."""

    token = "aws:kms/key:Key"
    what = "KMS Key"
    force_new = frozenset({"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"})
    computed = frozenset({"description", "multiRegion", "policy", "rotationPeriodInDays"})
    defaults = {
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    }
    documents = frozenset({"policy"})
    write_only = frozenset({"bypassPolicyLockoutSafetyCheck", "deletionWindowInDays"})
    enabled_input = "isEnabled"

    def problems(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Windows and periods out of KMS's ranges."""
        yield from _out_of("deletionWindowInDays", inputs.get("deletionWindowInDays"), DELETION_WINDOW_DAYS)
        period = inputs.get("rotationPeriodInDays")
        yield from _out_of("rotationPeriodInDays", period, ROTATION_PERIOD_DAYS)
        if period is not None and inputs.get("enableKeyRotation") is False:
            yield "rotationPeriodInDays", "rotationPeriodInDays requires enableKeyRotation to be true"

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the key under its policy."""
        arguments = present(
            Description=inputs.get("description"),
            KeyUsage=inputs.get("keyUsage"),
            KeySpec=inputs.get("customerMasterKeySpec"),
            MultiRegion=inputs.get("multiRegion"),
            Policy=inputs.get("policy"),
            BypassPolicyLockoutSafetyCheck=inputs.get("bypassPolicyLockoutSafetyCheck") or None,
            CustomKeyStoreId=inputs.get("customKeyStoreId"),
            XksKeyId=inputs.get("xksKeyId"),
            Tags=tag_list(inputs.get("tags"), "TagKey", "TagValue") or None,
        )
        answer = once_principals_are_seen(lambda: region.kms.create_key(**arguments))
        return str(answer["KeyMetadata"]["KeyId"])

    def complete(self, region: Region, ident: str, inputs: Properties) -> None:
        """Rotation first: a disabled key takes none."""
        if inputs.get("enableKeyRotation"):
            self._rotate(region, ident, inputs)
        if inputs.get(self.enabled_input) is False:
            region.kms.disable_key(KeyId=ident)

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The key; one that waits for its deletion is gone."""
        described = found(lambda: region.kms.describe_key(KeyId=ident), _GONE)
        if described is None or described["KeyMetadata"]["KeyState"] in (
            "PendingDeletion",
            "PendingReplicaDeletion",
        ):
            return None
        metadata = described["KeyMetadata"]
        key_id = metadata["KeyId"]
        told = {
            "arn": metadata["Arn"],
            "keyId": key_id,
            "description": metadata.get("Description", ""),
            self.enabled_input: metadata.get("Enabled", metadata["KeyState"] == "Enabled"),
            "keyUsage": metadata.get("KeyUsage", "ENCRYPT_DECRYPT"),
            "multiRegion": metadata.get("MultiRegion", False),
            "customKeyStoreId": metadata.get("CustomKeyStoreId"),
            "policy": region.kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"],
            "tags": _tags_of(region, key_id),
            **self._spec(metadata),
        }
        # https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html: symmetric keys only.
        if metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT":
            told.update(self._rotation(region, key_id, known))
        return told

    def ident_after(self, ident: str, state: Properties) -> str:
        """A key imported by ARN is recorded under its id."""
        return str(state["keyId"])

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Enable before anything else and disable last: a disabled key takes no other change."""
        enabled = self.enabled_input
        if enabled in changed and new.get(enabled) is not False:
            region.kms.enable_key(KeyId=ident)
        if "description" in changed:
            region.kms.update_key_description(KeyId=ident, Description=new.get("description") or "")
        if "policy" in changed:
            bypass = present(BypassPolicyLockoutSafetyCheck=new.get("bypassPolicyLockoutSafetyCheck") or None)
            once_principals_are_seen(
                lambda: region.kms.put_key_policy(KeyId=ident, PolicyName="default", Policy=new["policy"], **bypass)
            )
        if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
            if new.get("enableKeyRotation"):
                self._rotate(region, ident, new)
            else:
                region.kms.disable_key_rotation(KeyId=ident)
        if "tags" in changed:
            gone, put = tag_changes(old, new)
            if gone:
                region.kms.untag_resource(KeyId=ident, TagKeys=gone)
            if put:
                region.kms.tag_resource(KeyId=ident, Tags=tag_list(put, "TagKey", "TagValue"))
        if enabled in changed and new.get(enabled) is False:
            region.kms.disable_key(KeyId=ident)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Schedule the deletion; a key that waits for it already, or is gone, is no error."""
        window = state.get("deletionWindowInDays") or DELETION_WINDOW_DAYS[1]
        found(
            lambda: region.kms.schedule_key_deletion(KeyId=ident, PendingWindowInDays=window),
            _GONE,
            "KMSInvalidStateException",
        )

    def _spec(self, metadata: Any) -> Properties:
        spec = metadata.get("KeySpec", metadata.get("CustomerMasterKeySpec"))
        return {"customerMasterKeySpec": spec}

    def _rotate(self, region: Region, ident: str, inputs: Properties) -> None:
        period = inputs.get("rotationPeriodInDays")
        region.kms.enable_key_rotation(KeyId=ident, **present(RotationPeriodInDays=period))

    def _rotation(self, region: Region, key_id: str, known: Properties) -> Properties:
        status = found(lambda: region.kms.get_key_rotation_status(KeyId=key_id), "UnsupportedOperationException")
        if not status or not status["KeyRotationEnabled"]:
            return {"enableKeyRotation": False}
        # An emulator may not tell the period: what was asked for is then all there is to know.
        period = status.get("RotationPeriodInDays", known.get("rotationPeriodInDays"))
        return {"enableKeyRotation": True, "rotationPeriodInDays": period}


class ReplicaKey(Key):
    """A replica of a multi-Region key in the region the resource is in."""

    token = "aws:kms/replicaKey:ReplicaKey"
    what = "KMS Replica Key"
    force_new = frozenset({"primaryKeyArn"})
    computed = frozenset({"policy"})
    defaults = {"bypassPolicyLockoutSafetyCheck": False, "enabled": True}
    enabled_input = "enabled"

    def create(self, region: Region, inputs: Properties) -> str:
        """Replicate, asked of the primary's region, and wait until the replica is there."""
        primary = inputs["primaryKeyArn"].split(":")
        arguments = present(
            KeyId=primary[5].removeprefix("key/"),
            ReplicaRegion=region.name,
            Description=inputs.get("description"),
            Policy=inputs.get("policy"),
            BypassPolicyLockoutSafetyCheck=inputs.get("bypassPolicyLockoutSafetyCheck") or None,
            Tags=tag_list(inputs.get("tags"), "TagKey", "TagValue") or None,
        )
        there = region.elsewhere(primary[3])
        answer = once_principals_are_seen(lambda: there.kms.replicate_key(**arguments))
        ident = str(answer["ReplicaKeyMetadata"]["KeyId"])
        for pause in PAUSES_SECONDS:
            described = found(lambda: region.kms.describe_key(KeyId=ident), _GONE)
            if described and described["KeyMetadata"]["KeyState"] != "Creating":
                break
            time.sleep(pause)
        return ident

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The replica, with the primary it belongs to."""
        told = super().read(region, ident, known)
        if told is None:
            return None
        metadata = region.kms.describe_key(KeyId=ident)["KeyMetadata"]
        primary = metadata.get("MultiRegionConfiguration", {}).get("PrimaryKey", {}).get("Arn")
        told["primaryKeyArn"] = primary or known.get("primaryKeyArn")
        told["keyRotationEnabled"] = bool(told.pop("enableKeyRotation", False))
        told["keySpec"] = metadata.get("KeySpec")
        return told


def _tags_of(region: Region, key_id: str) -> dict[str, str]:
    tags: list[dict[str, str]] = []
    for page in region.kms.get_paginator("list_resource_tags").paginate(KeyId=key_id):
        tags += page.get("Tags", [])
    return tag_map(tags, "TagKey", "TagValue")


class Alias(Kind):
    """A name for a key; its id is the name."""

    token = "aws:kms/alias:Alias"
    what = "KMS Alias"
    force_new = frozenset({"name", "namePrefix"})
    name_input = "name"
    name_prefix = "alias/"
    name_limit = 256

    def problems(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Names that KMS keeps for itself or does not take."""
        name = inputs.get("name", "alias/x")
        if not name.startswith("alias/") or name.startswith("alias/aws/"):
            yield "name", f'name must begin with "alias/" and not "alias/aws/", got "{name}"'

    def create(self, region: Region, inputs: Properties) -> str:
        """Point a new name to the key."""
        region.kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The alias, found in the region's list: KMS describes no single one."""
        for page in region.kms.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == ident:
                    target = alias.get("TargetKeyId")
                    return {
                        "arn": alias["AliasArn"],
                        "name": ident,
                        "targetKeyId": target,
                        "targetKeyArn": alias["AliasArn"].replace(f":{ident}", f":key/{target}"),
                    }
        return None

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Point the name to another key."""
        region.kms.update_alias(AliasName=ident, TargetKeyId=new["targetKeyId"])

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the name; the key stays."""
        found(lambda: region.kms.delete_alias(AliasName=ident), _GONE)

    def same(self, name: str, old: Any, new: Any) -> bool:
        """A key's id and its ARN name the same key."""
        if name == "targetKeyId" and isinstance(old, str) and isinstance(new, str):
            return old.rsplit("key/", 1)[-1] == new.rsplit("key/", 1)[-1]
        return super().same(name, old, new)


KINDS = (Key, ReplicaKey, Alias)
