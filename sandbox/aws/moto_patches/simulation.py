"""The IAM policy simulator, which moto does not have.

Reads moto's IAM in this process.
"""

import json
import re
from xml.sax.saxutils import escape

from sandbox.aws.iam import permission_limits
from sandbox.aws.iam.policy import Decision, Request, Statement, UnsupportedCondition, applies, evaluate, statements
from sandbox.aws.iam.principals import Principal, find, identity_statements
from sandbox.aws.protocol import AwsError, Call, Response, xml_response
from sandbox.state import ACCOUNT

ORGANIZATION, BOUNDARY = permission_limits.Limit.ORGANIZATION, permission_limits.Limit.BOUNDARY
_NOT_SIMULATED = ("ResourcePolicy", "PermissionsBoundaryPolicyInputList", "CallerArn")


def simulate_principal_policy(call: Call, caller: Principal | None) -> Response:
    """AWS returns the decision of a user's or role's identity policies on actions and resources.

    It evaluates managed, inline and group policies, PolicyInputList, the source's permissions boundary, and its
    service control policies, and returns what each decided. It also returns the condition keys without a value,
    because a value could change the decision. The sandbox does not simulate, and rejects: resource policies,
    other boundaries, a caller other than the source.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    for name in _NOT_SIMULATED:
        if any(parameter.split(".")[0] == name for parameter in call.parameters):
            raise AwsError("InvalidInput", f"The sandbox does not simulate {name}.")
    source = str(call.parameters.get("PolicySourceArn", ""))
    if find(source) is None:
        raise AwsError("NoSuchEntity", f"The entity {source} cannot be found.", 404)
    policy = [*identity_statements(source)]
    for text in _members(call, "PolicyInputList"):
        policy += statements(json.loads(text))
    actions, resources = _members(call, "ActionNames"), _members(call, "ResourceArns") or ("*",)
    if not actions:
        raise AwsError("InvalidInput", "ActionNames must not be empty.")
    context = {"aws:PrincipalArn": (source,), "aws:PrincipalAccount": (ACCOUNT,)} | _context(call)
    try:
        results = "".join(
            _result(source, policy, Request(action=action, resource=resource, context=context))
            for action in actions
            for resource in resources
        )
    except UnsupportedCondition as unknown:
        message = f"The sandbox does not simulate the condition operator {unknown}."
        raise AwsError("InvalidInput", message) from unknown
    return xml_response(call, f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>")


def _members(call: Call, name: str) -> tuple[str, ...]:
    """A list of the query protocol: `Name.member.1`, `Name.member.2`, …"""
    pattern = re.compile(rf"{re.escape(name)}\.member\.(\d+)")
    members = {
        int(match[1]): str(value)
        for parameter, value in call.parameters.items()
        if (match := pattern.fullmatch(parameter))
    }
    return tuple(members[position] for position in sorted(members))


def _context(call: Call) -> dict[str, tuple[str, ...]]:
    """The condition keys of the simulated request: ContextEntries."""
    entries = {name.split(".")[2] for name in call.parameters if name.startswith("ContextEntries.member.")}
    return {
        str(call.parameters[f"ContextEntries.member.{entry}.ContextKeyName"]): _members(
            call, rf"ContextEntries.member.{entry}.ContextKeyValues"
        )
        for entry in sorted(entries)
        if f"ContextEntries.member.{entry}.ContextKeyName" in call.parameters
    }


def _result(source: str, policy: list[Statement], request: Request) -> str:
    # AWS's simulator does not evaluate resource control policies.
    denied = {
        entry.limit: entry.decision
        for entry in permission_limits.denials(source, request)
        if entry.limit is not permission_limits.Limit.RESOURCES
    }
    decision = evaluate(policy, request)
    if Decision.EXPLICIT_DENY in denied.values():
        decision = Decision.EXPLICIT_DENY
    elif denied and decision is Decision.ALLOWED:
        decision = Decision.IMPLICIT_DENY
    details = ""
    if permission_limits.boundary_of(source) is not None:
        details += _detail("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary", BOUNDARY not in denied)
    if permission_limits.is_member():
        details += _detail("OrganizationsDecisionDetail", "AllowedByOrganizations", ORGANIZATION not in denied)
    members = "".join(f"<member>{escape(key)}</member>" for key in _missing_keys(policy, request))
    return (
        f"<member><EvalActionName>{escape(request.action)}</EvalActionName>"
        f"<EvalResourceName>{escape(request.resource)}</EvalResourceName>"
        f"<EvalDecision>{decision}</EvalDecision>{details}"
        f"<MatchedStatements/><MissingContextValues>{members}</MissingContextValues></member>"
    )


def _detail(name: str, of: str, allowed: bool) -> str:
    return f"<{name}><{of}>{str(allowed).lower()}</{of}></{name}>"


def _missing_keys(policy: list[Statement], request: Request) -> tuple[str, ...]:
    """The condition keys without a value in the statements about the action and the resource."""
    present = {name.lower() for name in request.context}
    applying = (entry for entry in policy if applies({**entry, "Condition": {}}, request))
    keys = {key for entry in applying for tested in (entry.get("Condition") or {}).values() for key in tested}
    return tuple(sorted(key for key in keys if key.lower() not in present))
