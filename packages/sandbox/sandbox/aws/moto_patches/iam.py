"""Patches of IAM: trusted principals, permissions boundaries and deletion of users, audiences of OIDC providers.

Reads and writes moto's IAM in this process.
"""

import json
from typing import Any

from moto.iam.models import iam_backends

from sandbox.aws.iam.policy import statements
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.kms.key_policy import invalid_principals
from sandbox.aws.protocol import AwsError, Call, Response, xml_response
from sandbox.state import ACCOUNT


def keep_boundary_of_new_user(call: Call, response: Response) -> Response:
    """AWS keeps the permissions boundary of CreateUser; moto drops it.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
    """
    if boundary := call.parameters.get("PermissionsBoundary"):
        _user(call).permissions_boundary = _boundary(str(boundary))
    return response


def put_user_boundary(call: Call, caller: Principal | None) -> Response:
    """AWS sets and changes a user's permissions boundary; moto has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPermissionsBoundary.html
    """
    arn = str(call.parameters.get("PermissionsBoundary", ""))
    user = _user(call)
    if arn.startswith(f"arn:aws:iam::{ACCOUNT}:") and arn not in iam_backends[ACCOUNT]["aws"].managed_policies:
        raise AwsError("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.", 404)
    user.permissions_boundary = _boundary(arn)
    return xml_response(call, "")


def delete_user_boundary(call: Call, caller: Principal | None) -> Response:
    """AWS removes a user's permissions boundary; moto has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUserPermissionsBoundary.html
    """
    _user(call).permissions_boundary = None
    return xml_response(call, "")


def _boundary(arn: str) -> dict[str, str]:
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def _user(call: Call) -> Any:
    name = str(call.parameters.get("UserName", ""))
    user = iam_backends[ACCOUNT]["aws"].users.get(name)
    if user is None:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return user


AUDIENCE_LIMIT = 100


def add_client_id(call: Call, caller: Principal | None) -> Response:
    """AWS adds a client ID to a provider, and accepts one that exists already; moto has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
    """
    provider, audience = _named_provider(call), str(call.parameters.get("ClientID", ""))
    if audience not in provider.client_id_list:
        if len(provider.client_id_list) >= AUDIENCE_LIMIT:
            message = f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {AUDIENCE_LIMIT}"
            raise AwsError("LimitExceeded", message, 409)
        provider.client_id_list = [*provider.client_id_list, audience]
    return xml_response(call, "")


def remove_client_id(call: Call, caller: Principal | None) -> Response:
    """AWS removes a client ID from a provider, and accepts an unknown one; moto has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveClientIDFromOpenIDConnectProvider.html
    """
    provider, audience = _named_provider(call), str(call.parameters.get("ClientID", ""))
    provider.client_id_list = [client_id for client_id in provider.client_id_list if client_id != audience]
    return xml_response(call, "")


def _named_provider(call: Call) -> Any:
    arn = str(call.parameters.get("OpenIDConnectProviderArn", ""))
    provider = iam_backends[ACCOUNT]["aws"].open_id_providers.get(arn)
    if provider is None:
        raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
    return provider


def check_trusted_principals(call: Call, caller: Principal | None) -> None:
    """AWS answers MalformedPolicyDocument for a trust policy with an unknown principal; moto stores it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html
    """
    text = call.parameters.get("AssumeRolePolicyDocument", call.parameters.get("PolicyDocument", ""))
    try:
        document = json.loads(text)
    except ValueError:
        return  # Moto rejects it itself.
    if not isinstance(document, dict):
        return
    for statement in statements(document):
        for kind, name in invalid_principals(statement.get("Principal")):
            raise AwsError("MalformedPolicyDocument", f'Invalid principal in policy: "{kind}":"{name}"')


def list_service_specific_credentials(call: Call, caller: Principal | None) -> Response:
    """AWS lists a user's credentials for CodeCommit and others; moto has no such call, and none of them.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListServiceSpecificCredentials.html
    """
    _user(call)
    return xml_response(call, "<ServiceSpecificCredentials/><IsTruncated>false</IsTruncated>")


def refuse_deleting_user_with_access_keys(call: Call, caller: Principal | None) -> None:
    """AWS answers DeleteConflict; moto deletes the user and keeps its access keys.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
    """
    user = iam_backends[ACCOUNT]["aws"].users.get(str(call.parameters.get("UserName", "")))
    if user is not None and user.access_keys:
        raise AwsError("DeleteConflict", "Cannot delete entity, must delete access keys first.", 409)
