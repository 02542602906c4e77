"""KMS: keys, replicas of multi-Region keys, and aliases.

Touches KMS at the endpoint of the Region that is passed to it.
"""

import time
from collections.abc import Iterator
from typing import Any

from sandbox.arns import parse as parse_arn
from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.documents import normal_form
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import PAUSES_SECONDS, none_if_missing, retry_unknown_principals
from sandbox.pulumi_plugins.provider.values import Properties

# https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
DELETION_WINDOW_DAYS = (7, 30)
# https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
ROTATION_PERIOD_DAYS = (90, 2560)
_NOT_FOUND = ("NotFoundException",)


def _out_of(name: str, value: Any, bounds: tuple[int, int]) -> Iterator[tuple[str, str]]:
    low, high = bounds
    if value is not None and not low <= value <= high:
        yield name, f"expected {name} to be in the range ({low} - {high}), got {value}"


class Key(base.ResourceType):
    token = "aws:kms/key:Key"
    display_name = "KMS Key"
    not_found = _NOT_FOUND
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
    creation_seconds = 13.0

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Windows and periods out of KMS's ranges."""
        yield from _out_of("deletionWindowInDays", inputs.get("deletionWindowInDays"), DELETION_WINDOW_DAYS)
        period = inputs.get("rotationPeriodInDays")
        yield from _out_of("rotationPeriodInDays", period, ROTATION_PERIOD_DAYS)
        if period is not None and inputs.get("enableKeyRotation") is False:
            yield "rotationPeriodInDays", "rotationPeriodInDays requires enableKeyRotation to be true"

    def create(self, region: Region, inputs: Properties) -> str:
        arguments = base.without_none(
            Description=inputs.get("description"),
            KeyUsage=inputs.get("keyUsage"),
            KeySpec=inputs.get("customerMasterKeySpec"),
            MultiRegion=inputs.get("multiRegion"),
            Policy=inputs.get("policy"),
            BypassPolicyLockoutSafetyCheck=inputs.get("bypassPolicyLockoutSafetyCheck") or None,
            CustomKeyStoreId=inputs.get("customKeyStoreId"),
            XksKeyId=inputs.get("xksKeyId"),
            Tags=base.tag_list(inputs.get("tags"), "TagKey", "TagValue") or None,
        )
        response = retry_unknown_principals(lambda: region.kms.create_key(**arguments))
        return str(response["KeyMetadata"]["KeyId"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """Rotation first: it cannot be enabled on a disabled key."""
        if inputs.get("enableKeyRotation"):
            self._rotate(region, resource_id, inputs)
        if inputs.get(self.enabled_input) is False:
            region.kms.disable_key(KeyId=resource_id)

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The key; one that is pending deletion counts as missing."""
        metadata = region.kms.describe_key(KeyId=resource_id)["KeyMetadata"]
        if metadata["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
            return None
        key_id = metadata["KeyId"]
        current = {
            "arn": metadata["Arn"],
            "keyId": key_id,
            "description": metadata.get("Description", ""),
            self.enabled_input: metadata.get("Enabled", metadata["KeyState"] == "Enabled"),
            "keyUsage": metadata.get("KeyUsage", "ENCRYPT_DECRYPT"),
            "multiRegion": metadata.get("MultiRegion", False),
            "customKeyStoreId": metadata.get("CustomKeyStoreId"),
            "policy": region.kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"],
            "tags": _tags_of(region, key_id),
            "customerMasterKeySpec": metadata.get("KeySpec", metadata.get("CustomerMasterKeySpec")),
        }
        # https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html: symmetric keys only.
        if metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT":
            current.update(self._rotation(region, key_id, known))
        return current

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """A key imported by ARN is recorded under its id."""
        return str(state["keyId"])

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Enable first and disable last: a disabled key accepts no other change."""
        enabled = self.enabled_input
        if enabled in changed and new.get(enabled) is not False:
            region.kms.enable_key(KeyId=resource_id)
        if "description" in changed:
            region.kms.update_key_description(KeyId=resource_id, Description=new.get("description") or "")
        if "policy" in changed:
            bypass = base.without_none(BypassPolicyLockoutSafetyCheck=new.get("bypassPolicyLockoutSafetyCheck") or None)
            retry_unknown_principals(
                lambda: region.kms.put_key_policy(
                    KeyId=resource_id, PolicyName="default", Policy=new["policy"], **bypass
                )
            )
        if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
            if new.get("enableKeyRotation"):
                self._rotate(region, resource_id, new)
            else:
                region.kms.disable_key_rotation(KeyId=resource_id)
        if "tags" in changed:
            base.change_tags(
                old,
                new,
                region.kms.untag_resource,
                region.kms.tag_resource,
                names=("TagKey", "TagValue"),
                KeyId=resource_id,
            )
        if enabled in changed and new.get(enabled) is False:
            region.kms.disable_key(KeyId=resource_id)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Schedule the deletion; a key that is pending deletion or missing is no error."""
        window = state.get("deletionWindowInDays") or DELETION_WINDOW_DAYS[1]
        none_if_missing(
            lambda: region.kms.schedule_key_deletion(KeyId=resource_id, PendingWindowInDays=window),
            "KMSInvalidStateException",
        )
        region.kms.describe_key(KeyId=resource_id)

    def _rotate(self, region: Region, resource_id: str, inputs: Properties) -> None:
        period = inputs.get("rotationPeriodInDays")
        region.kms.enable_key_rotation(KeyId=resource_id, **base.without_none(RotationPeriodInDays=period))

    def _rotation(self, region: Region, key_id: str, known: Properties) -> Properties:
        status = none_if_missing(
            lambda: region.kms.get_key_rotation_status(KeyId=key_id), "UnsupportedOperationException"
        )
        # The period of a key that is not rotated is not read, and an emulator may not return it: it stays as it was.
        period = known.get("rotationPeriodInDays")
        if not status or not status["KeyRotationEnabled"]:
            return {"enableKeyRotation": False, "rotationPeriodInDays": period}
        return {"enableKeyRotation": True, "rotationPeriodInDays": status.get("RotationPeriodInDays", period)}


class ReplicaKey(Key):
    """A replica of a multi-Region key in the region the resource is in."""

    token = "aws:kms/replicaKey:ReplicaKey"
    display_name = "KMS Replica Key"
    force_new = frozenset({"primaryKeyArn"})
    computed = frozenset({"policy"})
    defaults = {"bypassPolicyLockoutSafetyCheck": False, "enabled": True}
    enabled_input = "enabled"

    def create(self, region: Region, inputs: Properties) -> str:
        """Replicate from the primary's Region, and wait until the replica exists."""
        primary = parse_arn(inputs["primaryKeyArn"])
        arguments = base.without_none(
            KeyId=primary.path,
            ReplicaRegion=region.name,
            Description=inputs.get("description"),
            Policy=inputs.get("policy"),
            BypassPolicyLockoutSafetyCheck=inputs.get("bypassPolicyLockoutSafetyCheck") or None,
            Tags=base.tag_list(inputs.get("tags"), "TagKey", "TagValue") or None,
        )
        primary_region = region.endpoint.in_region(primary.region)
        response = retry_unknown_principals(lambda: primary_region.kms.replicate_key(**arguments))
        resource_id = str(response["ReplicaKeyMetadata"]["KeyId"])
        for pause in PAUSES_SECONDS:
            described = none_if_missing(lambda: region.kms.describe_key(KeyId=resource_id), *_NOT_FOUND)
            if described and described["KeyMetadata"]["KeyState"] != "Creating":
                break
            time.sleep(pause)
        return resource_id

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The replica, with the ARN of its primary."""
        current = super().read(region, resource_id, known)
        if current is None:
            return None
        metadata = region.kms.describe_key(KeyId=resource_id)["KeyMetadata"]
        primary = metadata.get("MultiRegionConfiguration", {}).get("PrimaryKey", {}).get("Arn")
        current["primaryKeyArn"] = primary or known.get("primaryKeyArn")
        current["keyRotationEnabled"] = bool(current.pop("enableKeyRotation", False))
        current["keySpec"] = metadata.get("KeySpec")
        current["policy"] = normal_form(current["policy"])
        return current

    def spelled(self, document: str) -> str:
        """The document as it was given."""
        return document


def _tags_of(region: Region, key_id: str) -> dict[str, str]:
    tags: list[dict[str, str]] = []
    for page in region.kms.get_paginator("list_resource_tags").paginate(KeyId=key_id):
        tags += page.get("Tags", [])
    return base.tag_map(tags, "TagKey", "TagValue")


class Alias(base.ResourceType):
    """A name for a key; its id is the name."""

    token = "aws:kms/alias:Alias"
    display_name = "KMS Alias"
    not_found = _NOT_FOUND
    force_new = frozenset({"name", "namePrefix"})
    name_input = "name"
    name_prefix = "alias/"
    name_limit = 256

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Names that KMS reserves or does not accept."""
        name = inputs.get("name", "alias/x")
        if not name.startswith("alias/") or name.startswith("alias/aws/"):
            yield "name", f'name must begin with "alias/" and not "alias/aws/", got "{name}"'

    def create(self, region: Region, inputs: Properties) -> str:
        """Point a new name to the key."""
        region.kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The alias, from the region's list: KMS cannot describe a single one."""
        for page in region.kms.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == resource_id:
                    target = alias.get("TargetKeyId")
                    return {
                        "arn": alias["AliasArn"],
                        "name": resource_id,
                        "targetKeyId": target,
                        "targetKeyArn": alias["AliasArn"].replace(f":{resource_id}", f":key/{target}"),
                    }
        return None

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Point the name to another key."""
        region.kms.update_alias(AliasName=resource_id, TargetKeyId=new["targetKeyId"])

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove the name; the key is not changed."""
        region.kms.delete_alias(AliasName=resource_id)

    def is_same(self, name: str, old: Any, new: Any) -> bool:
        """A key's id and its ARN name the same key."""
        if name == "targetKeyId" and isinstance(old, str) and isinstance(new, str):
            return old.rsplit("key/", 1)[-1] == new.rsplit("key/", 1)[-1]
        return super().is_same(name, old, new)


RESOURCE_TYPES = (Key, ReplicaKey, Alias)
