"""IAM: users and their access keys.

May touch IAM at the endpoint of the region it is handed.
"""

from __future__ import annotations

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import found
from sandbox.pulumi_plugins.provider.resource_type import Kind, present, tag_changes, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

_GONE = "NoSuchEntity"


class User(Kind):
    """A user; its id is its name."""

    token = "aws:iam/user:User"
    what = "IAM User"
    # The real provider renames in place; here a new name is a new user, which no program of ours asks for.
    force_new = frozenset({"name"})
    defaults = {"forceDestroy": False, "path": "/"}
    write_only = frozenset({"forceDestroy"})
    name_input = "name"

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the user."""
        region.iam.create_user(
            UserName=inputs["name"],
            **present(
                Path=inputs.get("path"),
                PermissionsBoundary=inputs.get("permissionsBoundary"),
                Tags=tag_list(inputs.get("tags")) or None,
            ),
        )
        return str(inputs["name"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The user."""
        answer = found(lambda: region.iam.get_user(UserName=ident), _GONE)
        if answer is None:
            return None
        user = answer["User"]
        return {
            "arn": user["Arn"],
            "name": user["UserName"],
            "path": user["Path"],
            "uniqueId": user["UserId"],
            "permissionsBoundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": tag_map(region.iam.list_user_tags(UserName=ident)["Tags"]),
        }

    def ident_after(self, ident: str, state: Properties) -> str:
        """The name, which an update may have changed."""
        return str(state["name"])

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Path, boundary and tags; a new name would change the id under everything that refers to it."""
        if "path" in changed:
            region.iam.update_user(UserName=ident, NewPath=new.get("path") or "/")
        if "permissionsBoundary" in changed:
            boundary = new.get("permissionsBoundary")
            if boundary:
                region.iam.put_user_permissions_boundary(UserName=ident, PermissionsBoundary=boundary)
            else:
                region.iam.delete_user_permissions_boundary(UserName=ident)
        if "tags" in changed:
            gone, put = tag_changes(old, new)
            if gone:
                region.iam.untag_user(UserName=ident, TagKeys=gone)
            if put:
                region.iam.tag_user(UserName=ident, Tags=tag_list(put))

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the user, with its access keys under forceDestroy."""
        if state.get("forceDestroy"):
            listed = found(lambda: region.iam.list_access_keys(UserName=ident), _GONE) or {}
            for key in listed.get("AccessKeyMetadata", []):
                region.iam.delete_access_key(UserName=ident, AccessKeyId=key["AccessKeyId"])
        found(lambda: region.iam.delete_user(UserName=ident), _GONE)


class AccessKey(Kind):
    """A user's access key; its secret is told once, at creation, and kept in the state."""

    token = "aws:iam/accessKey:AccessKey"
    what = "IAM Access Key"
    force_new = frozenset({"user", "pgpKey"})
    defaults = {"status": "Active"}
    unsupported = frozenset({"pgpKey"})

    def __init__(self) -> None:
        """Secrets wait here between a key's creation and the state it is recorded in."""
        self._told_once: dict[str, str] = {}

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the key and keep its secret for the state."""
        key = region.iam.create_access_key(UserName=inputs["user"])["AccessKey"]
        self._told_once[key["AccessKeyId"]] = key["SecretAccessKey"]
        return str(key["AccessKeyId"])

    def complete(self, region: Region, ident: str, inputs: Properties) -> None:
        """A key is born active."""
        if inputs.get("status") == "Inactive":
            self._set_status(region, ident, inputs)

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The key, its secret from the recorded state."""
        user = known.get("user")
        if user is None:
            used = found(lambda: region.iam.get_access_key_last_used(AccessKeyId=ident), _GONE, "AccessDenied")
            user = (used or {}).get("UserName")
            if user is None:
                return None
        listed = found(lambda: region.iam.list_access_keys(UserName=user), _GONE) or {}
        for key in listed.get("AccessKeyMetadata", []):
            if key["AccessKeyId"] == ident:
                return {
                    "user": user,
                    "status": key["Status"],
                    "createDate": key["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "secret": self._told_once.pop(ident, known.get("secret")),
                }
        return None

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Switch the key on or off."""
        # The state is read anew after an update, and AWS will not tell the secret again.
        if old.get("secret"):
            self._told_once[ident] = old["secret"]
        self._set_status(region, ident, new)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the key."""
        found(lambda: region.iam.delete_access_key(UserName=state["user"], AccessKeyId=ident), _GONE)

    @staticmethod
    def _set_status(region: Region, ident: str, inputs: Properties) -> None:
        region.iam.update_access_key(UserName=inputs["user"], AccessKeyId=ident, Status=inputs["status"])


KINDS = (User, AccessKey)
