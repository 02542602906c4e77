"""IAM policies: managed ones, inline ones of roles, and attachments.

Touches IAM at the endpoint of the Region that is passed to it.
"""

from typing import ClassVar

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.documents import normal_form, to_text, with_version_first
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("NoSuchEntity",)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: versions of a managed policy.
_VERSIONS = 5


class Policy(base.ResourceType):
    """A managed policy; its id is its ARN."""

    token = "aws:iam/policy:Policy"
    display_name = "IAM Policy"
    not_found = _NOT_FOUND
    force_new = frozenset({"description", "name", "namePrefix", "path"})
    defaults = {"path": "/"}
    documents = frozenset({"policy"})
    write_only = frozenset({"delayAfterPolicyCreationInMs"})
    name_input = "name"
    name_limit = 128

    def create(self, region: Region, inputs: Properties) -> str:
        response = region.iam.create_policy(
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
            **base.without_none(
                Path=inputs.get("path"),
                Description=inputs.get("description"),
                Tags=base.tag_list(inputs.get("tags")) or None,
            ),
        )
        return str(response["Policy"]["Arn"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The policy and the document of its default version."""
        policy = region.iam.get_policy(PolicyArn=resource_id)["Policy"]
        version = region.iam.get_policy_version(PolicyArn=resource_id, VersionId=policy["DefaultVersionId"])
        return {
            "arn": policy["Arn"],
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "description": policy.get("Description", ""),
            "policyId": policy["PolicyId"],
            "attachmentCount": policy.get("AttachmentCount", 0),
            "policy": to_text(version["PolicyVersion"]["Document"]),
            "tags": base.tag_map(policy.get("Tags")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
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
            base.change_tags(old, new, region.iam.untag_policy, region.iam.tag_policy, PolicyArn=resource_id)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        for version in region.iam.list_policy_versions(PolicyArn=resource_id)["Versions"]:
            if not version["IsDefaultVersion"]:
                region.iam.delete_policy_version(PolicyArn=resource_id, VersionId=version["VersionId"])
        region.iam.delete_policy(PolicyArn=resource_id)


class RolePolicy(base.ResourceType):
    """An inline policy of a role; its id is `role:name`."""

    token = "aws:iam/rolePolicy:RolePolicy"
    display_name = "IAM Role Policy"
    not_found = _NOT_FOUND
    force_new = frozenset({"name", "namePrefix", "role"})
    documents = frozenset({"policy"})
    name_input = "name"
    name_limit = 128

    def put(self, region: Region, inputs: Properties) -> None:
        region.iam.put_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        return f"{state['role']}:{state['name']}"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        role, _, name = resource_id.partition(":")
        response = region.iam.get_role_policy(RoleName=role, PolicyName=name)
        return {"role": role, "name": name, "policy": to_text(response["PolicyDocument"])}

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        role, _, name = resource_id.partition(":")
        region.iam.delete_role_policy(RoleName=role, PolicyName=name)

    def spelled(self, document: str) -> str:
        """The document with its version first."""
        return with_version_first(normal_form(document))


class _Attachment(base.ResourceType):
    principal: ClassVar[str]
    not_found = _NOT_FOUND

    def put(self, region: Region, inputs: Properties) -> None:
        """Attach; every changed input replaces it."""
        self._call("attach", region, inputs)

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        return f"{state[self.principal]}/{state['policyArn']}"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        name, _, arn = resource_id.partition("/")
        pages = region.iam.get_paginator(f"list_attached_{self.principal}_policies")
        listed = pages.paginate(**{f"{self.principal.title()}Name": name})
        attached = any(arn == policy["PolicyArn"] for page in listed for policy in page["AttachedPolicies"])
        return {self.principal: name, "policyArn": arn} if attached else None

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        self._call("detach", region, state)

    def _call(self, verb: str, region: Region, state: Properties) -> None:
        call = getattr(region.iam, f"{verb}_{self.principal}_policy")
        call(**{f"{self.principal.title()}Name": state[self.principal], "PolicyArn": state["policyArn"]})


class RolePolicyAttachment(_Attachment):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    display_name = "IAM Role Policy Attachment"
    force_new = frozenset({"policyArn", "role"})
    principal = "role"


class UserPolicyAttachment(_Attachment):
    token = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
    display_name = "IAM User Policy Attachment"
    force_new = frozenset({"policyArn", "user"})
    principal = "user"


RESOURCE_TYPES = (Policy, RolePolicy, RolePolicyAttachment, UserPolicyAttachment)
