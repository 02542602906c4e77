"""The limits of a request above its policies: a permissions boundary, service and resource control policies.

Reads moto's IAM in this process, and keeps the policies that an organization's management account, which the sandbox
does not have, would apply to the account. A resource control policy has the principal "*", and limits the resources of
a few services only. https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moto.iam.models import iam_backends

from sandbox.aws.iam.policy import Decision, Request, Statement, evaluate, statements
from sandbox.aws.iam.principals import find
from sandbox.state import ACCOUNT


class Limit(StrEnum):
    """The kinds of limits, in the words of AWS's error messages."""

    ORGANIZATION = "service control policy"
    RESOURCES = "resource control policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A limit that denies a request."""

    limit: Limit
    decision: Decision

    @property
    def reason(self) -> str:
        """The end of AWS's error message, without the action.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
        """
        if self.decision is Decision.EXPLICIT_DENY:
            return f"with an explicit deny in a {self.limit}"
        return f"because no {self.limit} allows the"


_organization: list[tuple[Statement, ...]] = []
_resources: list[tuple[Statement, ...]] = []
_WITH_RESOURCE_POLICIES = ("kms:", "s3:", "secretsmanager:", "sqs:", "sts:")


def put_service_control_policies(documents: Sequence[Mapping[str, Any]]) -> None:
    """Set the service control policies of this account; without any it is in no organization."""
    _organization[:] = [statements(document) for document in documents]


def put_resource_control_policies(documents: Sequence[Mapping[str, Any]]) -> None:
    """Set the resource control policies of this account, in addition to RCPFullAWSAccess, which every account has."""
    _resources[:] = [statements(document) for document in documents]


def is_member() -> bool:
    """Whether the account is in an organization that limits it."""
    return bool(_organization)


def boundary_of(identity: str) -> tuple[Statement, ...] | None:
    """The statements of a principal's permissions boundary; None where it has none."""
    boundary = getattr(find(identity), "permissions_boundary", None)
    if not boundary:
        return None
    policy = iam_backends[ACCOUNT]["aws"].managed_policies.get(str(boundary["PermissionsBoundaryArn"]))
    # A boundary whose policy was deleted allows nothing.
    return statements(json.loads(_text(policy))) if policy is not None else ()


def _text(policy: Any) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


def denials(identity: str, request: Request, scopes: Sequence[tuple[Statement, ...]] = ()) -> Iterator[Denial]:
    """The limits that deny the request, the organization's first. `scopes`: of the session, one for each policy."""
    for policy in _organization:
        decision = evaluate(policy, request)
        if decision is not Decision.ALLOWED:
            yield Denial(limit=Limit.ORGANIZATION, decision=decision)
            break
    if request.action.startswith(_WITH_RESOURCE_POLICIES) and any(
        evaluate(policy, request) is Decision.EXPLICIT_DENY for policy in _resources
    ):
        yield Denial(limit=Limit.RESOURCES, decision=Decision.EXPLICIT_DENY)
    boundary = boundary_of(identity)
    if boundary is not None and (decision := evaluate(boundary, request)) is not Decision.ALLOWED:
        yield Denial(limit=Limit.BOUNDARY, decision=decision)
    for scope in scopes:
        if (decision := evaluate(scope, request)) is not Decision.ALLOWED:
            yield Denial(limit=Limit.SESSION, decision=decision)
