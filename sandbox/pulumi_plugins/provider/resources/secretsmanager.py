"""Secrets Manager: secrets without their values, and their policies; the id is the secret's ARN.

Touches Secrets Manager at the endpoint of the Region that is passed to it.
"""

from __future__ import annotations

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import retry_unknown_principals
from sandbox.pulumi_plugins.provider.resource_type import (
    Names,
    ResourceType,
    change_tags,
    tag_list,
    tag_map,
    without_none,
)
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("ResourceNotFoundException",)


class Secret(ResourceType):
    """A secret without its value: name, key, policy, tags."""

    token = "aws:secretsmanager/secret:Secret"
    display_name = "Secrets Manager Secret"
    not_found = _NOT_FOUND
    force_new = frozenset({"name", "namePrefix", "type"})
    computed = frozenset({"policy"})
    defaults = {"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30}
    documents = frozenset({"policy"})
    write_only = frozenset({"forceOverwriteReplicaSecret", "recoveryWindowInDays"})
    unsupported = frozenset({"replicas", "type"})
    name_input = "name"
    name_limit = 512

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the secret, empty."""
        response = region.secretsmanager.create_secret(
            Name=inputs["name"],
            **without_none(
                Description=inputs.get("description"),
                KmsKeyId=inputs.get("kmsKeyId"),
                Tags=tag_list(inputs.get("tags")) or None,
            ),
        )
        return str(response["ARN"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """Put the policy on the new secret."""
        if inputs.get("policy"):
            region.secretsmanager.put_resource_policy(SecretId=resource_id, ResourcePolicy=inputs["policy"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The secret; one that is scheduled for deletion counts as missing."""
        current = region.secretsmanager.describe_secret(SecretId=resource_id)
        if current.get("DeletedDate"):
            return None
        policy = region.secretsmanager.get_resource_policy(SecretId=current["ARN"])
        return {
            "arn": current["ARN"],
            "name": current["Name"],
            "description": current.get("Description"),
            "kmsKeyId": current.get("KmsKeyId"),
            "policy": policy.get("ResourcePolicy"),
            "tags": tag_map(current.get("Tags")),
        }

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """A secret imported by name is recorded under its ARN."""
        return str(state["arn"])

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: Names) -> None:
        """Description, key, policy and tags."""
        if changed & {"description", "kmsKeyId"}:
            region.secretsmanager.update_secret(
                SecretId=resource_id,
                Description=new.get("description") or "",
                **without_none(KmsKeyId=new.get("kmsKeyId")),
            )
        if "policy" in changed:
            region.secretsmanager.put_resource_policy(SecretId=resource_id, ResourcePolicy=new["policy"])
        if "tags" in changed:
            change_tags(
                old, new, region.secretsmanager.untag_resource, region.secretsmanager.tag_resource, SecretId=resource_id
            )

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Schedule the deletion, or delete at once where the recovery window is 0."""
        # A second deletion fails with the same code as other, real errors.
        if self.read(region, resource_id, state) is None:
            return
        window = state.get("recoveryWindowInDays", 30)
        how = {"RecoveryWindowInDays": window} if window else {"ForceDeleteWithoutRecovery": True}
        region.secretsmanager.delete_secret(SecretId=resource_id, **how)


class SecretPolicy(ResourceType):
    """The resource policy of a secret."""

    token = "aws:secretsmanager/secretPolicy:SecretPolicy"
    display_name = "Secrets Manager Secret Policy"
    not_found = (*_NOT_FOUND, "InvalidRequestException")
    force_new = frozenset({"secretArn"})
    documents = frozenset({"policy"})
    write_only = frozenset({"blockPublicPolicy"})

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """The secret's ARN."""
        return str(state["secretArn"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The secret's policy, None where it has none."""
        policy = region.secretsmanager.get_resource_policy(SecretId=resource_id).get("ResourcePolicy")
        return {"secretArn": resource_id, "policy": policy} if policy else None

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove it from the secret."""
        region.secretsmanager.delete_resource_policy(SecretId=resource_id)

    def put(self, region: Region, inputs: Properties) -> None:
        """Put the policy on the secret."""
        arguments = without_none(
            SecretId=inputs["secretArn"],
            ResourcePolicy=inputs["policy"],
            BlockPublicPolicy=inputs.get("blockPublicPolicy"),
        )
        retry_unknown_principals(lambda: region.secretsmanager.put_resource_policy(**arguments))


RESOURCE_TYPES = (Secret, SecretPolicy)
