"""IAM Access Troubleshooter: the authorization ids of denied IAM requests, and the evaluation behind each.

Keeps the evaluations in this process. https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html
"""

import secrets
from collections import OrderedDict
from typing import Any

from sandbox.aws.iam.permission_limits import Limit
from sandbox.aws.iam.principals import Principal
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT

REMEMBERED_EVALUATIONS = 1_000
_ROUTE = "/authorization-details/"

_CHECKS = {
    Limit.ORGANIZATION: "SERVICE_CONTROL_POLICY",
    Limit.RESOURCES: "RESOURCE_CONTROL_POLICY",
    Limit.BOUNDARY: "PERMISSIONS_BOUNDARY",
    Limit.SESSION: "SESSION",
}
_evaluations: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()


def details_of(
    call: Call, caller: Principal, *, action: str, resource: str, limit: Limit | None, sid: str | None
) -> str:
    """The end of the message of a denied request, with a new authorization id; empty for another service than IAM.

    `limit`: None for the caller's identity-based policies. `sid`: of the denying statement; None: nothing allows it.
    AWS has the details some seconds later; here they are there at once, and each policy of the caller is an inline one.
    """
    if call.service != "iam":
        return ""
    id_ = secrets.token_hex(20)
    effect = "IMPLICIT_DENY" if sid is None else "EXPLICIT_DENY"
    is_inline = limit is None or limit is Limit.SESSION
    kind = "PRINCIPAL" if limit is None else _CHECKS[limit]
    uri = secrets.token_hex(16) if is_inline else f"arn:aws:organizations::{ACCOUNT}:policy/{kind.lower()}/p-1"
    statement = {"sid": sid, "evaluatedEffect": "DENY"}
    check = {
        "checkType": kind,
        "evaluatedEffect": effect,
        **({"targetArn": f"arn:aws:organizations::{ACCOUNT}:account/o-sandboxclinic/{ACCOUNT}"}
           if limit in (Limit.ORGANIZATION, Limit.RESOURCES) else {}),
        "matchedPolicies": [] if sid is None else [{"uri": uri, "matchedStatements": [statement]}],
    }  # fmt: skip
    policies = [] if sid is None else [{"uri": uri, "inline": is_inline, "attachedTo": [{"arn": caller.identity}]}]
    evaluation = {"action": action, "resource": resource, "evaluatedEffect": effect, "checks": [check]}
    _evaluations[call.region, id_] = {
        "requestContext": {"aws:PrincipalArn": caller.identity},
        "evaluations": [evaluation],
        "policies": policies,
    }
    if len(_evaluations) > REMEMBERED_EVALUATIONS:
        _evaluations.popitem(last=False)
    console = f"https://{call.region}.console.aws.amazon.com/iam/home?region={call.region}"
    return (
        f". Go to {console}#/authorization-details/{id_} for complete details, or call the "
        f"GetRequestAuthorizationDetails API with the following authorization id: {id_}"
    )


def get_request_authorization_details(call: Call, caller: Principal | None) -> Response:
    """AWS answers in the Region of the denied request, to callers of the account or the organization."""
    found = _evaluations.get((call.region, call.path.removeprefix(_ROUTE)))
    if found is None:
        raise AwsError("ResourceNotFoundException", "The authorization details do not exist.", 404)
    return json_response(found, content_type="application/json")
