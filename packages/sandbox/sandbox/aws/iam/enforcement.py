"""IAM enforcement: a call fails unless the caller's policies allow it; and the record of what was allowed and refused.

Reads moto's IAM and keeps the record in this process.
"""

import secrets
from dataclasses import dataclass

from sandbox.aws.iam import permission_limits
from sandbox.aws.iam.authorization import RequiredAction, required_actions
from sandbox.aws.iam.policy import Decision, Request, evaluate
from sandbox.aws.iam.principals import Principal, identity_statements
from sandbox.aws.protocol import AwsError, Call

BY_IAM, BY_KEY_POLICY = "iam", "key-policy"

_CODES = {"iam": "AccessDenied", "s3": "AccessDenied", "sns": "AuthorizationError", "monitoring": "AccessDenied"}
"""The services whose error is not AccessDeniedException."""


@dataclass(frozen=True, order=True, kw_only=True)
class Permission:
    """An action that a principal was allowed at least once, and the source: identity policies or key policy."""

    principal: str
    action: str
    resource: str
    region: str
    by: str


@dataclass(frozen=True, order=True, kw_only=True)
class Refusal:
    """An action that a principal was refused at least once."""

    principal: str
    action: str
    resource: str


_permissions: set[Permission] = set()
_refusals: set[Refusal] = set()


def permissions() -> list[dict[str, str]]:
    """Every permission that was used, once, in order."""
    return [vars(permission) for permission in sorted(_permissions)]


def refusals() -> list[dict[str, str]]:
    """Every action that was refused, once, in order."""
    return [vars(refusal) for refusal in sorted(_refusals)]


def clear_permissions() -> None:
    """Forget what was allowed and what was refused."""
    _permissions.clear()
    _refusals.clear()


def record_permission(call: Call, caller: Principal, *, action: str, resource: str, by: str) -> None:
    """Record a used permission. A dry run only tests it, so it is not recorded."""
    if call.parameters.get("DryRun") is True:
        return
    _permissions.add(Permission(principal=caller.identity, action=action, resource=resource, region=call.region, by=by))


def record_refusal(call: Call, caller: Principal, *, action: str, resource: str) -> None:
    """Record a refused action. A dry run asks whether it would be refused, so it is not recorded."""
    if call.parameters.get("DryRun") is not True:
        _refusals.add(Refusal(principal=caller.identity, action=action, resource=resource))


def enforce_identity_policies(call: Call, caller: Principal | None) -> None:
    """AWS denies what no policy of the caller allows, or one of them denies. Moto denies nothing.

    Not considered: session policies of AssumeRole, and what the policy of a bucket, topic or secret allows by
    itself. Key policies are evaluated in `sandbox.aws.moto_patches.kms.keys`.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    if caller is None:
        return
    actions = required_actions(call)
    allowing = identity_statements(caller.identity) if actions else ()
    for required in actions:
        request = Request(
            action=required.action, resource=required.resource, context=caller.context | dict(required.context)
        )
        for denial in permission_limits.denials(caller.identity, request, caller.scopes):
            tail = "" if denial.decision is Decision.EXPLICIT_DENY else f" {required.action} action"
            raise _access_denied(call, caller, required, f"{denial.reason}{tail}")
        decision = evaluate(allowing, request)
        if decision is not Decision.ALLOWED:
            raise _access_denied(call, caller, required, _reason(required, decision))
        record_permission(call, caller, action=required.action, resource=required.resource, by=BY_IAM)


def _reason(required: RequiredAction, decision: Decision) -> str:
    if decision is Decision.EXPLICIT_DENY:
        return "with an explicit deny in an identity-based policy"
    return f"because no identity-based policy allows the {required.action} action"


def _access_denied(call: Call, caller: Principal, required: RequiredAction, reason: str) -> AwsError:
    record_refusal(call, caller, action=required.action, resource=required.resource)
    message = (
        f"User: {caller.arn} is not authorized to perform: {required.action} on resource: {required.resource} {reason}"
    )
    if call.service == "iam":
        message += _link_to_details(call.region)
    return AwsError(_CODES.get(call.service, "AccessDeniedException"), message, 403 if call.service in _CODES else 400)


def _link_to_details(region: str) -> str:
    """The end of IAM's message: who has the id can read the request's context, so that no output may have it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html
    """
    id_ = secrets.token_hex(20)
    return (
        f". Go to https://{region}.console.aws.amazon.com/iam/home?region={region}#/authorization-details/{id_} for "
        f"complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: {id_}"
    )
