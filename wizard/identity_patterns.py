"""Roles of IAM Identity Center by pattern: their names end at random, and with every new assignment anew.

Pure: touches nothing but its arguments.
"""

from __future__ import annotations

import re

_SSO_ROLE = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/"
    # The Region of Identity Center is part of the path, but for us-east-1; a caller who may not ask for it has no path.
    r"(?:aws-reserved/sso\.amazonaws\.com/(?:[a-z0-9-]+/)?)?"
    r"AWSReservedSSO_(?P<permission_set>[\w+=,.@-]{1,32})_[0-9a-f]{16}",
    re.ASCII,
)


def sso_pattern(principal_arn: str) -> str | None:
    """The pattern of all roles that IAM Identity Center makes for the principal's permission set in this account.

    None for a principal that is no such role. No role of that path can be made by anybody else; the sixteen characters
    at its end are counted, for `_*` would fit a permission set whose name goes on.
    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    role = _SSO_ROLE.fullmatch(principal_arn)
    if role is None:
        return None
    return (
        f"arn:{role['partition']}:iam::{role['account']}:role/aws-reserved/sso.amazonaws.com/"
        f"*AWSReservedSSO_{role['permission_set']}_{'?' * 16}"
    )
