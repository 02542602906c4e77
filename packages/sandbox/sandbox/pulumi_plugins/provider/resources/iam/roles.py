"""IAM: roles, and the OpenID Connect providers whose tokens may assume them.

Touches IAM at the endpoint of the Region that is passed to it.
"""

from typing import Any

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.documents import normal_form, to_text, with_version_first
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import retry_unknown_principals
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("NoSuchEntity",)


class Role(base.ResourceType):
    """A role; its id is its name."""

    token = "aws:iam/role:Role"
    display_name = "IAM Role"
    not_found = _NOT_FOUND
    force_new = frozenset({"name", "namePrefix", "path"})
    computed = frozenset({"inlinePolicies", "managedPolicyArns"})
    defaults = {"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"}
    documents = frozenset({"assumeRolePolicy"})
    # Deprecated in the real provider, which has resources for them.
    unsupported = frozenset({"inlinePolicies", "managedPolicyArns"})
    name_input = "name"

    def create(self, region: Region, inputs: Properties) -> str:
        arguments = base.without_none(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Path=inputs.get("path"),
            Description=inputs.get("description"),
            MaxSessionDuration=inputs.get("maxSessionDuration"),
            PermissionsBoundary=inputs.get("permissionsBoundary"),
            Tags=base.tag_list(inputs.get("tags")) or None,
        )
        retry_unknown_principals(lambda: region.iam.create_role(**arguments))
        return str(inputs["name"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        role = region.iam.get_role(RoleName=resource_id)["Role"]
        return {
            "arn": role["Arn"],
            "name": role["RoleName"],
            "path": role["Path"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": role.get("Description", ""),
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "assumeRolePolicy": to_text(role["AssumeRolePolicyDocument"]),
            "tags": base.tag_map(role.get("Tags")),
            "forceDetachPolicies": bool(known.get("forceDetachPolicies")),
            "managedPolicyArns": _attached(region, resource_id),
            "inlinePolicies": [
                {
                    "name": name,
                    "policy": _spelled(
                        region.iam.get_role_policy(RoleName=resource_id, PolicyName=name)["PolicyDocument"]
                    ),
                }
                for name in _inline(region, resource_id)
            ],
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Change the properties that need no new role."""
        if "assumeRolePolicy" in changed:
            trust = new["assumeRolePolicy"]
            retry_unknown_principals(
                lambda: region.iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=trust)
            )
        if changed & {"description", "maxSessionDuration"}:
            region.iam.update_role(
                RoleName=resource_id,
                Description=new.get("description") or "",
                MaxSessionDuration=new.get("maxSessionDuration") or 3600,
            )
        if "permissionsBoundary" in changed:
            boundary = new.get("permissionsBoundary")
            if boundary:
                region.iam.put_role_permissions_boundary(RoleName=resource_id, PermissionsBoundary=boundary)
            else:
                region.iam.delete_role_permissions_boundary(RoleName=resource_id)
        if "tags" in changed:
            base.change_tags(old, new, region.iam.untag_role, region.iam.tag_role, RoleName=resource_id)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete the role and the policies that it had when it was read, or all with forceDetachPolicies."""
        for page in region.iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=resource_id):
            for profile in page["InstanceProfiles"]:
                region.iam.remove_role_from_instance_profile(
                    RoleName=resource_id, InstanceProfileName=profile["InstanceProfileName"]
                )
        force = bool(state.get("forceDetachPolicies"))
        for arn in _attached(region, resource_id) if force or state.get("managedPolicyArns") else ():
            region.iam.detach_role_policy(RoleName=resource_id, PolicyArn=arn)
        for name in _inline(region, resource_id) if force or state.get("inlinePolicies") else ():
            region.iam.delete_role_policy(RoleName=resource_id, PolicyName=name)
        region.iam.delete_role(RoleName=resource_id)


def _spelled(document: Any) -> str:
    return with_version_first(normal_form(to_text(document)))


def _attached(region: Region, role: str) -> list[str]:
    pages = region.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return sorted(policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"])


def _inline(region: Region, role: str) -> list[str]:
    pages = region.iam.get_paginator("list_role_policies").paginate(RoleName=role)
    return sorted(name for page in pages for name in page["PolicyNames"])


class OpenIdConnectProvider(base.ResourceType):
    """An identity provider whose tokens may assume roles; its id is its ARN."""

    token = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    display_name = "IAM OIDC Provider"
    not_found = _NOT_FOUND
    force_new = frozenset({"url"})
    computed = frozenset({"thumbprintLists"})
    rewritten = frozenset({"url"})
    sets = frozenset({"clientIdLists"})

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the provider; an account has one for each URL."""
        response = region.iam.create_open_id_connect_provider(
            Url=inputs["url"],
            ClientIDList=inputs["clientIdLists"],
            **base.without_none(
                ThumbprintList=inputs.get("thumbprintLists"), Tags=base.tag_list(inputs.get("tags")) or None
            ),
        )
        return str(response["OpenIDConnectProviderArn"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The provider; AWS returns its URL without the scheme."""
        current = region.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=resource_id)
        return {
            "arn": resource_id,
            "url": current["Url"].removeprefix("https://"),
            "clientIdLists": sorted(current.get("ClientIDList", [])),
            "thumbprintLists": current.get("ThumbprintList", []),
            "tags": base.tag_map(current.get("Tags")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Audiences, thumbprints and tags."""
        if "clientIdLists" in changed:
            before, after = set(old.get("clientIdLists") or []), set(new.get("clientIdLists") or [])
            for client in sorted(after - before):
                region.iam.add_client_id_to_open_id_connect_provider(
                    OpenIDConnectProviderArn=resource_id, ClientID=client
                )
            for client in sorted(before - after):
                region.iam.remove_client_id_from_open_id_connect_provider(
                    OpenIDConnectProviderArn=resource_id, ClientID=client
                )
        if "thumbprintLists" in changed:
            region.iam.update_open_id_connect_provider_thumbprint(
                OpenIDConnectProviderArn=resource_id, ThumbprintList=new.get("thumbprintLists") or []
            )
        if "tags" in changed:
            base.change_tags(
                old,
                new,
                region.iam.untag_open_id_connect_provider,
                region.iam.tag_open_id_connect_provider,
                OpenIDConnectProviderArn=resource_id,
            )

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=resource_id)

    def is_same(self, name: str, old: Any, new: Any) -> bool:
        """A URL with and without its scheme is the same."""
        if name == "url" and isinstance(old, str) and isinstance(new, str):
            return old.removeprefix("https://") == new.removeprefix("https://")
        return super().is_same(name, old, new)


RESOURCE_TYPES = (Role, OpenIdConnectProvider)
