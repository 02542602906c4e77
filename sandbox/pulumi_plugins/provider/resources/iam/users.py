"""IAM: users.

Touches IAM at the endpoint of the Region that is passed to it.
"""

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("NoSuchEntity",)


class User(base.ResourceType):
    """A user; its id is its name."""

    token = "aws:iam/user:User"
    display_name = "IAM User"
    not_found = _NOT_FOUND
    # The real provider renames in place; here a new name is a new user, because no program of this project renames one.
    force_new = frozenset({"name"})
    defaults = {"forceDestroy": False, "path": "/"}
    write_only = frozenset({"forceDestroy"})
    name_input = "name"

    def create(self, region: Region, inputs: Properties) -> str:
        region.iam.create_user(
            UserName=inputs["name"],
            **base.without_none(
                Path=inputs.get("path"),
                PermissionsBoundary=inputs.get("permissionsBoundary"),
                Tags=base.tag_list(inputs.get("tags")) or None,
            ),
        )
        return str(inputs["name"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        user = region.iam.get_user(UserName=resource_id)["User"]
        return {
            "arn": user["Arn"],
            "name": user["UserName"],
            "path": user["Path"],
            "uniqueId": user["UserId"],
            "permissionsBoundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": base.tag_map(region.iam.list_user_tags(UserName=resource_id)["Tags"]),
        }

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """The name, which an update may have changed."""
        return str(state["name"])

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Path, boundary and tags; a new name would change the id under everything that refers to it."""
        if "path" in changed:
            region.iam.update_user(UserName=resource_id, NewPath=new.get("path") or "/")
        if "permissionsBoundary" in changed:
            boundary = new.get("permissionsBoundary")
            if boundary:
                region.iam.put_user_permissions_boundary(UserName=resource_id, PermissionsBoundary=boundary)
            else:
                region.iam.delete_user_permissions_boundary(UserName=resource_id)
        if "tags" in changed:
            base.change_tags(old, new, region.iam.untag_user, region.iam.tag_user, UserName=resource_id)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove the user, with its access keys under forceDestroy."""
        if state.get("forceDestroy"):
            for key in region.iam.list_access_keys(UserName=resource_id)["AccessKeyMetadata"]:
                region.iam.delete_access_key(UserName=resource_id, AccessKeyId=key["AccessKeyId"])
        region.iam.delete_user(UserName=resource_id)


RESOURCE_TYPES = (User,)
