"""IAM: users.

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
            "tags": base.tag_map(user.get("Tags")),
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
        """Remove the user, under forceDestroy with all that it has: each is asked for, in this order."""
        user = {"UserName": resource_id}
        for group in region.iam.list_groups_for_user(**user)["Groups"]:
            region.iam.remove_user_from_group(GroupName=group["GroupName"], **user)
        if state.get("forceDestroy"):
            for name in region.iam.list_user_policies(**user)["PolicyNames"]:
                region.iam.delete_user_policy(PolicyName=name, **user)
            for policy in region.iam.list_attached_user_policies(**user)["AttachedPolicies"]:
                region.iam.detach_user_policy(PolicyArn=policy["PolicyArn"], **user)
            self._delete_credentials(region, user)
        region.iam.delete_user(**user)

    @staticmethod
    def _delete_credentials(region: Region, user: dict[str, str]) -> None:
        iam = region.iam
        for key in iam.list_access_keys(**user)["AccessKeyMetadata"]:
            iam.delete_access_key(AccessKeyId=key["AccessKeyId"], **user)
        for key in iam.list_ssh_public_keys(**user)["SSHPublicKeys"]:
            iam.delete_ssh_public_key(SSHPublicKeyId=key["SSHPublicKeyId"], **user)
        for device in iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]:
            if device.get("User", {}).get("UserName") == user["UserName"]:
                iam.deactivate_mfa_device(SerialNumber=device["SerialNumber"], **user)
                iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
        for device in iam.list_mfa_devices(**user)["MFADevices"]:
            iam.deactivate_mfa_device(SerialNumber=device["SerialNumber"], **user)
        none_if_missing(lambda: iam.delete_login_profile(**user), *_NOT_FOUND)
        for certificate in iam.list_signing_certificates(**user)["Certificates"]:
            iam.delete_signing_certificate(CertificateId=certificate["CertificateId"], **user)
        for credential in iam.list_service_specific_credentials(**user)["ServiceSpecificCredentials"]:
            iam.delete_service_specific_credential(
                ServiceSpecificCredentialId=credential["ServiceSpecificCredentialId"], **user
            )


RESOURCE_TYPES = (User,)
