"""IAM: users and their access keys.

Touches IAM at the endpoint of the Region that is passed to it.
"""

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing
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


class AccessKey(base.ResourceType):
    """A user's access key; AWS returns its secret only at creation, and the state keeps it."""

    token = "aws:iam/accessKey:AccessKey"
    display_name = "IAM Access Key"
    not_found = _NOT_FOUND
    force_new = frozenset({"user", "pgpKey"})
    defaults = {"status": "Active"}
    unsupported = frozenset({"pgpKey"})

    def __init__(self) -> None:
        """Keeps secrets between a key's creation and its record in the state."""
        self._new_secrets: dict[str, str] = {}

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the key and keep its secret for the state."""
        key = region.iam.create_access_key(UserName=inputs["user"])["AccessKey"]
        self._new_secrets[key["AccessKeyId"]] = key["SecretAccessKey"]
        return str(key["AccessKeyId"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """A new key is active."""
        if inputs.get("status") == "Inactive":
            self._set_status(region, resource_id, inputs)

    def created_secrets(self, resource_id: str) -> Properties:
        secret = self._new_secrets.pop(resource_id, None)
        return {} if secret is None else {"secret": secret}

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The key, its secret from the recorded state."""
        user = known.get("user")
        if user is None:
            used = none_if_missing(lambda: region.iam.get_access_key_last_used(AccessKeyId=resource_id), "AccessDenied")
            user = (used or {}).get("UserName")
            if user is None:
                return None
        for key in region.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            if key["AccessKeyId"] == resource_id:
                return {
                    "user": user,
                    "status": key["Status"],
                    "createDate": key["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "secret": self._new_secrets.pop(resource_id, known.get("secret")),
                }
        return None

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        # The state is read again after an update, and AWS does not return the secret.
        if old.get("secret"):
            self._new_secrets[resource_id] = old["secret"]
        self._set_status(region, resource_id, new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.iam.delete_access_key(UserName=state["user"], AccessKeyId=resource_id)

    @staticmethod
    def _set_status(region: Region, resource_id: str, inputs: Properties) -> None:
        region.iam.update_access_key(UserName=inputs["user"], AccessKeyId=resource_id, Status=inputs["status"])


RESOURCE_TYPES = (User, AccessKey)
