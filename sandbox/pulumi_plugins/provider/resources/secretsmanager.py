"""Secrets Manager: secrets, without their values, and their policies; the id is the secret's ARN.

May touch Secrets Manager at the endpoint of the region it is handed.
"""

from __future__ import annotations

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import found, once_principals_are_seen
from sandbox.pulumi_plugins.provider.resource_type import Kind, present, tag_changes, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

_GONE = "ResourceNotFoundException"


class Secret(Kind):
    """A secret's shell: name, key, policy, tags."""

    token = "aws:secretsmanager/secret:Secret"
    what = "Secrets Manager Secret"
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
        answer = region.secretsmanager.create_secret(
            Name=inputs["name"],
            **present(
                Description=inputs.get("description"),
                KmsKeyId=inputs.get("kmsKeyId"),
                Tags=tag_list(inputs.get("tags")) or None,
            ),
        )
        return str(answer["ARN"])

    def complete(self, region: Region, ident: str, inputs: Properties) -> None:
        """The policy is put once the secret is there."""
        if inputs.get("policy"):
            region.secretsmanager.put_resource_policy(SecretId=ident, ResourcePolicy=inputs["policy"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The secret; one that waits for its deletion is gone."""
        told = found(lambda: region.secretsmanager.describe_secret(SecretId=ident), _GONE)
        if told is None or told.get("DeletedDate"):
            return None
        policy = region.secretsmanager.get_resource_policy(SecretId=told["ARN"])
        return {
            "arn": told["ARN"],
            "name": told["Name"],
            "description": told.get("Description"),
            "kmsKeyId": told.get("KmsKeyId"),
            "policy": policy.get("ResourcePolicy"),
            "tags": tag_map(told.get("Tags")),
        }

    def ident_after(self, ident: str, state: Properties) -> str:
        """A secret imported by name is recorded under its ARN."""
        return str(state["arn"])

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Description, key, policy and tags."""
        if changed & {"description", "kmsKeyId"}:
            region.secretsmanager.update_secret(
                SecretId=ident,
                Description=new.get("description") or "",
                **present(KmsKeyId=new.get("kmsKeyId")),
            )
        if "policy" in changed:
            region.secretsmanager.put_resource_policy(SecretId=ident, ResourcePolicy=new["policy"])
        if "tags" in changed:
            gone, put = tag_changes(old, new)
            if gone:
                region.secretsmanager.untag_resource(SecretId=ident, TagKeys=gone)
            if put:
                region.secretsmanager.tag_resource(SecretId=ident, Tags=tag_list(put))

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Schedule the deletion, or delete at once where the recovery window is 0."""
        # Asking twice is an error of the same code as other, real refusals.
        if self.read(region, ident, state) is None:
            return
        window = state.get("recoveryWindowInDays", 30)
        how = {"RecoveryWindowInDays": window} if window else {"ForceDeleteWithoutRecovery": True}
        found(lambda: region.secretsmanager.delete_secret(SecretId=ident, **how), _GONE)


class SecretPolicy(Kind):
    """Who may read the secret besides those that IAM lets."""

    token = "aws:secretsmanager/secretPolicy:SecretPolicy"
    what = "Secrets Manager Secret Policy"
    force_new = frozenset({"secretArn"})
    documents = frozenset({"policy"})
    write_only = frozenset({"blockPublicPolicy"})

    def create(self, region: Region, inputs: Properties) -> str:
        """Put the policy on the secret."""
        self._put(region, inputs)
        return str(inputs["secretArn"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The secret's policy, None where it has none."""
        told = found(
            lambda: region.secretsmanager.get_resource_policy(SecretId=ident), _GONE, "InvalidRequestException"
        )
        policy = (told or {}).get("ResourcePolicy")
        return {"secretArn": ident, "policy": policy} if policy else None

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Put it again."""
        self._put(region, new)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Take it off the secret."""
        found(lambda: region.secretsmanager.delete_resource_policy(SecretId=ident), _GONE)

    @staticmethod
    def _put(region: Region, inputs: Properties) -> None:
        arguments = present(
            SecretId=inputs["secretArn"],
            ResourcePolicy=inputs["policy"],
            BlockPublicPolicy=inputs.get("blockPublicPolicy"),
        )
        once_principals_are_seen(lambda: region.secretsmanager.put_resource_policy(**arguments))


KINDS = (Secret, SecretPolicy)
