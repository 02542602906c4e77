"""The principal that makes a call, and its identity policies.

Reads moto's IAM and STS in this process.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from sandbox.aws.iam.policy import Statement, statements
from sandbox.aws.protocol import AwsError, Call
from sandbox.state import ACCOUNT

ORGANIZATION = "o-sandboxclinic"
"""Id of the organization of the account."""

SCOPES: dict[str, tuple[tuple[Statement, ...], ...]] = {}
"""By the access key of a session that was narrowed: the statements of each of its policies, the first one first."""

_QUERY_OR_S3 = ("sts", "iam", "s3")


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A caller: `arn` as in GetCallerIdentity, `identity` the ARN of its IAM user or role."""

    arn: str
    identity: str
    user_id: str
    scopes: tuple[tuple[Statement, ...], ...] = ()
    """The statements of each policy that narrows the session (GetScopedCredentials)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of this caller in policies, its account's last."""
        account = (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
        return (self.arn, self.identity, *account)

    @property
    def context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that every request of this caller has."""
        kind = "AssumedRole" if ":assumed-role/" in self.arn else "User"
        return {
            "aws:PrincipalArn": (self.identity,),
            "aws:PrincipalAccount": (ACCOUNT,),
            "aws:PrincipalType": (kind,),
            "aws:userid": (self.user_id,),
            "aws:PrincipalIsAWSService": ("false",),
            "aws:PrincipalOrgID": (ORGANIZATION,),
            "aws:SecureTransport": ("true",),
            "kms:CallerAccount": (ACCOUNT,),
        }


def authenticate(call: Call) -> Principal:
    """The owner of the access key that signed a call. Raises the service's own AwsError when there is none."""
    iam, sts = iam_backends[ACCOUNT]["aws"], sts_backends[ACCOUNT]["aws"]
    session = sts.get_assumed_role_from_access_key(call.access_key_id)
    if session is not None:
        if call.session_token != session.session_token:
            raise _unknown(call)
        if session.expiration <= utcnow():
            expired = "ExpiredToken" if call.service in _QUERY_OR_S3 else "ExpiredTokenException"
            status = 403 if call.service == "sts" else 400
            raise AwsError(expired, "The security token included in the request is expired", status)
        scopes = SCOPES.get(call.access_key_id, ())
        return Principal(arn=session.arn, identity=session.role_arn, user_id=session.user_id, scopes=scopes)
    for user in tuple(iam.users.values()):
        for key in user.access_keys:
            if key.access_key_id == call.access_key_id and key.status == "Active":
                return Principal(arn=user.arn, identity=user.arn, user_id=user.id)
    raise _unknown(call)


def _unknown(call: Call) -> AwsError:
    """The error for an unknown access key (IAM User Guide, "Common errors")."""
    invalid = "The security token included in the request is invalid."
    if call.service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", message, 403)
    if call.service in _QUERY_OR_S3:
        return AwsError("InvalidClientTokenId", invalid, 403)
    return AwsError("UnrecognizedClientException", invalid, 400 if call.service in ("kms", "ssm") else 403)


def find(arn: str) -> Any:
    """The IAM user or role of this account with an ARN; `None` when there is none."""
    iam = iam_backends[ACCOUNT]["aws"]
    known: tuple[Any, ...] = (*iam.users.values(), *iam.get_roles())
    return next((entity for entity in known if entity.arn == arn), None)


def identity_statements(arn: str) -> tuple[Statement, ...]:
    """Every statement of the identity policies of a user (its groups' too) or a role."""
    iam = iam_backends[ACCOUNT]["aws"]
    holder = find(arn)
    if holder is None:
        return ()
    holders = [holder]
    if ":user/" in arn:
        holders += [group for group in iam.groups.values() if holder in group.users]
    return tuple(
        statement for entity in holders for document in _documents(entity) for statement in statements(document)
    )


def _documents(holder: Any) -> Iterable[dict[str, Any]]:
    for document in holder.policies.values():
        yield json.loads(document)
    for policy in holder.managed_policies.values():
        yield json.loads(next(version.document for version in policy.versions if version.is_default))
