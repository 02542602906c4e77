"""Corrections about leave: AWS does nothing for a caller whose own policies do not allow it; and who was given leave.

It may read the emulator's IAM, and remember in this process.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.aws.iam import permission_limits
from sandbox.aws.iam.authorization import Need, needs
from sandbox.aws.iam.policy import Decision, Request, evaluate
from sandbox.aws.iam.principals import Principal, identity_statements
from sandbox.aws.protocol import AwsError, Call

BY_IAM, BY_KEY_POLICY = "iam", "key-policy"

_CODES = {"iam": "AccessDenied", "s3": "AccessDenied", "sns": "AuthorizationError", "monitoring": "AccessDenied"}
"""The services whose error is not AccessDeniedException."""


@dataclass(frozen=True, order=True, kw_only=True)
class Leave:
    """What a principal was allowed at least once, and by what: its own policies, or the key's."""

    principal: str
    action: str
    resource: str
    region: str
    by: str


_given: set[Leave] = set()


def listing() -> list[dict[str, str]]:
    """Every leave that was given, once, in order."""
    return [vars(one) for one in sorted(_given)]


def forget() -> None:
    """Forget all of them."""
    _given.clear()


def remember(call: Call, who: Principal, *, action: str, resource: str, by: str) -> None:
    """Keep that a principal was given leave. A dry run only asks for it, and can do without."""
    if call.parameters.get("DryRun") is True:
        return
    _given.add(Leave(principal=who.identity, action=action, resource=resource, region=call.region, by=by))


def a_call_needs_its_callers_policies_leave(call: Call, who: Principal | None) -> None:
    """AWS refuses what no policy of the caller allows, or one of them denies. The emulator refuses nothing.

    Not considered: session policies, and what a bucket's, topic's or secret's policy allows by itself. What a key
    policy decides is judged beside it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    if who is None:
        return
    wanted = needs(call)
    allowing = identity_statements(who.identity) if wanted else ()
    for need in wanted:
        request = Request(action=need.action, resource=need.resource, context=who.context | dict(need.context))
        for refused in permission_limits.refusals(who.identity, request):
            tail = "" if refused.decision is Decision.EXPLICIT_DENY else f" {need.action} action"
            raise _refusal(call, who, need, f"{refused.why}{tail}")
        decision = evaluate(allowing, request)
        if decision is not Decision.ALLOWED:
            raise _refusal(call, who, need, _why(need, decision))
        remember(call, who, action=need.action, resource=need.resource, by=BY_IAM)


def _why(need: Need, decision: Decision) -> str:
    if decision is Decision.EXPLICIT_DENY:
        return "with an explicit deny in an identity-based policy"
    return f"because no identity-based policy allows the {need.action} action"


def _refusal(call: Call, who: Principal, need: Need, why: str) -> AwsError:
    what = f"User: {who.arn} is not authorized to perform: {need.action} on resource: {need.resource} {why}"
    return AwsError(_CODES.get(call.service, "AccessDeniedException"), what, 403 if call.service in _CODES else 400)
