"""IAM policies: managed ones, inline ones of roles, and attachments.

Touches IAM at the endpoint of the Region that is passed to it.
"""

from __future__ import annotations

from typing import ClassVar

from sandbox.pulumi_plugins.provider.documents import to_text
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing
from sandbox.pulumi_plugins.provider.resource_type import ResourceType, tag_changes, tag_list, tag_map, without_none
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = "NoSuchEntity"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: versions of a managed policy.
_VERSIONS = 5


class Policy(ResourceType):
    """A managed policy; its id is its ARN."""

    token = "aws:iam/policy:Policy"
    display_name = "IAM Policy"
    force_new = frozenset({"description", "name", "namePrefix", "path"})
    defaults = {"path": "/"}
    documents = frozenset({"policy"})
    write_only = frozenset({"delayAfterPolicyCreationInMs"})
    name_input = "name"
    name_limit = 128

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the policy with its first version."""
        response = region.iam.create_policy(
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
            **without_none(
                Path=inputs.get("path"),
                Description=inputs.get("description"),
                Tags=tag_list(inputs.get("tags")) or None,
            ),
        )
        return str(response["Policy"]["Arn"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The policy and the document of its default version."""
        response = none_if_missing(lambda: region.iam.get_policy(PolicyArn=resource_id), _NOT_FOUND)
        if response is None:
            return None
        policy = response["Policy"]
        version = region.iam.get_policy_version(PolicyArn=resource_id, VersionId=policy["DefaultVersionId"])
        return {
            "arn": policy["Arn"],
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "description": policy.get("Description", ""),
            "policyId": policy["PolicyId"],
            "attachmentCount": policy.get("AttachmentCount", 0),
            "policy": to_text(version["PolicyVersion"]["Document"]),
            "tags": tag_map(policy.get("Tags")),
        }

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """A changed document is a new default version; at the limit the oldest one is deleted."""
        if "policy" in changed:
            versions = region.iam.list_policy_versions(PolicyArn=resource_id)["Versions"]
            others = sorted(
                (version for version in versions if not version["IsDefaultVersion"]),
                key=lambda version: int(version["VersionId"].removeprefix("v")),
            )
            if len(versions) >= _VERSIONS:
                region.iam.delete_policy_version(PolicyArn=resource_id, VersionId=others[0]["VersionId"])
            region.iam.create_policy_version(PolicyArn=resource_id, PolicyDocument=new["policy"], SetAsDefault=True)
        if "tags" in changed:
            removed, added = tag_changes(old, new)
            if removed:
                region.iam.untag_policy(PolicyArn=resource_id, TagKeys=removed)
            if added:
                region.iam.tag_policy(PolicyArn=resource_id, Tags=tag_list(added))

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove the policy with its versions."""
        listed = none_if_missing(lambda: region.iam.list_policy_versions(PolicyArn=resource_id), _NOT_FOUND) or {}
        for version in listed.get("Versions", []):
            if not version["IsDefaultVersion"]:
                region.iam.delete_policy_version(PolicyArn=resource_id, VersionId=version["VersionId"])
        none_if_missing(lambda: region.iam.delete_policy(PolicyArn=resource_id), _NOT_FOUND)


class RolePolicy(ResourceType):
    """An inline policy of a role; its id is `role:name`."""

    token = "aws:iam/rolePolicy:RolePolicy"
    display_name = "IAM Role Policy"
    force_new = frozenset({"name", "namePrefix", "role"})
    documents = frozenset({"policy"})
    name_input = "name"
    name_limit = 128

    def create(self, region: Region, inputs: Properties) -> str:
        """Put the policy."""
        self._put(region, inputs)
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The role's policy."""
        role, _, name = resource_id.partition(":")
        response = none_if_missing(lambda: region.iam.get_role_policy(RoleName=role, PolicyName=name), _NOT_FOUND)
        if response is None:
            return None
        return {"role": role, "name": name, "policy": to_text(response["PolicyDocument"])}

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Put it again."""
        self._put(region, new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete it from the role."""
        role, _, name = resource_id.partition(":")
        none_if_missing(lambda: region.iam.delete_role_policy(RoleName=role, PolicyName=name), _NOT_FOUND)

    @staticmethod
    def _put(region: Region, inputs: Properties) -> None:
        region.iam.put_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])


class _Attachment(ResourceType):
    principal: ClassVar[str]

    def create(self, region: Region, inputs: Properties) -> str:
        """Attach."""
        name = inputs[self.principal]
        call = getattr(region.iam, f"attach_{self.principal}_policy")
        call(**{f"{self.principal.title()}Name": name, "PolicyArn": inputs["policyArn"]})
        return f"{name}/{inputs['policyArn']}"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The attachment, from the principal's list."""
        name, _, arn = resource_id.partition("/")
        pages = region.iam.get_paginator(f"list_attached_{self.principal}_policies")
        attached = none_if_missing(
            lambda: [
                policy["PolicyArn"]
                for page in pages.paginate(**{f"{self.principal.title()}Name": name})
                for policy in page["AttachedPolicies"]
            ],
            _NOT_FOUND,
        )
        return {self.principal: name, "policyArn": arn} if attached and arn in attached else None

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Every changed input replaces it."""

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Detach."""
        call = getattr(region.iam, f"detach_{self.principal}_policy")
        arguments = {
            f"{self.principal.title()}Name": state[self.principal],
            "PolicyArn": state["policyArn"],
        }
        none_if_missing(lambda: call(**arguments), _NOT_FOUND)


class RolePolicyAttachment(_Attachment):
    """A managed policy on a role."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    display_name = "IAM Role Policy Attachment"
    force_new = frozenset({"policyArn", "role"})
    principal = "role"


class UserPolicyAttachment(_Attachment):
    """A managed policy on a user."""

    token = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
    display_name = "IAM User Policy Attachment"
    force_new = frozenset({"policyArn", "user"})
    principal = "user"


RESOURCE_TYPES = (Policy, RolePolicy, RolePolicyAttachment, UserPolicyAttachment)
