"""The IAM policy simulator, which moto does not have.

Reads moto's IAM in this process.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from xml.sax.saxutils import escape

from sandbox.aws.iam import permission_limits
from sandbox.aws.iam.policy import Decision, Request, Statement, UnsupportedCondition, evaluate, statements
from sandbox.aws.iam.principals import Principal, find, identity_statements
from sandbox.aws.protocol import AwsError, Call, Response, xml_response

ORGANIZATION, BOUNDARY = permission_limits.Limit.ORGANIZATION, permission_limits.Limit.BOUNDARY
_NOT_SIMULATED = ("ResourcePolicy", "PermissionsBoundaryPolicyInputList", "CallerArn")


def simulate_principal_policy(call: Call, caller: Principal | None) -> Response:
    """AWS returns the decision of a user's or role's identity policies on actions and resources.

    It evaluates managed, inline and group policies, PolicyInputList, the source's permissions boundary, and its
    service control policies, and returns what each decided: once for each action, with a part for each resource. Only
    ContextEntries have values for condition keys. The keys without one are returned: those of all statements,
    whatever these are about (https://github.com/boto/boto3/issues/3111), but not those of an organization
    (https://github.com/aws/aws-cli/issues/10525). The sandbox does not simulate, and rejects: resource policies,
    other boundaries, a caller other than the source.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    """
    for name in _NOT_SIMULATED:
        if any(parameter.split(".")[0] == name for parameter in call.parameters):
            raise AwsError("InvalidInput", f"The sandbox does not simulate {name}.")
    source = str(call.parameters.get("PolicySourceArn", ""))
    if find(source) is None:
        raise AwsError("NoSuchEntity", f"The entity {source} cannot be found.", 404)
    policy = [*identity_statements(source)]
    for text in call.texts("PolicyInputList"):
        policy += statements(json.loads(text))
    actions, resources = call.texts("ActionNames"), call.texts("ResourceArns") or ("*",)
    if not actions:
        raise AwsError("InvalidInput", "ActionNames must not be empty.")
    context = _context(call)
    try:
        results = "".join(
            _result(source, policy, [Request(action=action, resource=each, context=context) for each in resources])
            for action in actions
        )
    except UnsupportedCondition as unknown:
        message = f"The sandbox does not simulate the condition operator {unknown}."
        raise AwsError("InvalidInput", message) from unknown
    return xml_response(call, f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>")


def _context(call: Call) -> dict[str, tuple[str, ...]]:
    """The condition keys of the simulated request: ContextEntries."""
    entries = {name.split(".")[2] for name in call.parameters if name.startswith("ContextEntries.member.")}
    return {
        str(call.parameters[f"ContextEntries.member.{entry}.ContextKeyName"]): call.texts(
            f"ContextEntries.member.{entry}.ContextKeyValues"
        )
        for entry in sorted(entries)
        if f"ContextEntries.member.{entry}.ContextKeyName" in call.parameters
    }


def _result(source: str, policy: list[Statement], requests: list[Request]) -> str:
    """The element of one action on some resources: the most restrictive decision, and that on each resource."""
    decided = [(request, *_decide(source, policy, request)) for request in requests]
    decisions = {decision for _, decision, _ in decided}
    worst = next(
        each for each in (Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY, Decision.ALLOWED) if each in decisions
    )
    denying = {limit for _, _, limits in decided for limit in limits}
    boundary = permission_limits.boundary_of(source)
    missing = "".join(
        f"<member>{escape(key)}</member>" for key in _missing_keys([*policy, *(boundary or ())], requests[0].context)
    )
    rest = f"<MatchedStatements/><MissingContextValues>{missing}</MissingContextValues>"

    def by_boundary(limits: Collection[permission_limits.Limit]) -> str:
        if boundary is None:
            return ""
        return _detail("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary", BOUNDARY not in limits)

    organization = ""
    if permission_limits.is_member():
        organization = _detail("OrganizationsDecisionDetail", "AllowedByOrganizations", ORGANIZATION not in denying)
    parts = "".join(
        f"<member><EvalResourceName>{escape(request.resource)}</EvalResourceName>"
        f"<EvalResourceDecision>{decision}</EvalResourceDecision>{by_boundary(limits)}{rest}</member>"
        for request, decision, limits in decided
        if request.resource != "*"
    )
    return (
        f"<member><EvalActionName>{escape(requests[0].action)}</EvalActionName>"
        f"<EvalResourceName>{escape(requests[0].resource)}</EvalResourceName>"
        f"<EvalDecision>{worst}</EvalDecision>{by_boundary(denying)}{organization}{rest}"
        f"<ResourceSpecificResults>{parts}</ResourceSpecificResults></member>"
    )


def _decide(
    source: str, policy: list[Statement], request: Request
) -> tuple[Decision, frozenset[permission_limits.Limit]]:
    """The decision on one resource, and the limits that deny it."""
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
    return decision, frozenset(denied)


def _detail(name: str, of: str, allowed: bool) -> str:
    return f"<{name}><{of}>{str(allowed).lower()}</{of}></{name}>"


def _missing_keys(policy: Iterable[Statement], context: Mapping[str, object]) -> tuple[str, ...]:
    """The condition keys of the statements that have no value."""
    present = {name.lower() for name in context}
    keys = {key for entry in policy for tested in (entry.get("Condition") or {}).values() for key in tested}
    return tuple(sorted(key for key in keys if key.lower() not in present))
