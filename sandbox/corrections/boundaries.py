"""Corrections about the permissions boundary of a user: it is kept and told.

It may write the boundary to the emulator's users in this process.
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import iam_backends

from sandbox.principals import Principal
from sandbox.state import ACCOUNT
from sandbox.wire import Answer, AwsError, Call, xml_answer


def a_new_user_keeps_its_boundary(call: Call, answer: Answer) -> Answer:
    """AWS gives a user the boundary it is made with, and tells it with the user; the emulator drops it.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
    """
    if boundary := call.parameters.get("PermissionsBoundary"):
        _user(call).permissions_boundary = _told(str(boundary))
    return answer


def a_users_boundary_is_put(call: Call, who: Principal | None) -> Answer:
    """AWS sets and changes a user's boundary; the emulator has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPermissionsBoundary.html
    """
    arn = str(call.parameters.get("PermissionsBoundary", ""))
    user = _user(call)
    if arn.startswith(f"arn:aws:iam::{ACCOUNT}:") and arn not in iam_backends[ACCOUNT]["aws"].managed_policies:
        raise AwsError("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.", 404)
    user.permissions_boundary = _told(arn)
    return xml_answer(call, "")


def a_users_boundary_is_taken_off(call: Call, who: Principal | None) -> Answer:
    """AWS takes a user's boundary off; the emulator has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUserPermissionsBoundary.html
    """
    _user(call).permissions_boundary = None
    return xml_answer(call, "")


def _told(arn: str) -> dict[str, str]:
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def _user(call: Call) -> Any:
    name = str(call.parameters.get("UserName", ""))
    user = iam_backends[ACCOUNT]["aws"].users.get(name)
    if user is None:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return user
