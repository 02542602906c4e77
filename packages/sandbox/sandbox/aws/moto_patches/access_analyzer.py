"""IAM Access Analyzer's checks of policies, which moto does not have.

Pure. AWS proves them by automated reasoning; here each check compares the statements' own text, and knows a few of
AWS's findings.
"""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from sandbox.aws.iam.policy import Statement, as_tuple, statements
from sandbox.aws.iam.principals import Principal
from sandbox.aws.protocol import AwsError, Call, Response, json_response

_FINDINGS = {
    "JSON_SYNTAX_ERROR": ("ERROR", "The policy is no valid JSON."),
    "MISSING_PRINCIPAL": ("ERROR", "Add a Principal element to the policy statement."),
    "UNSUPPORTED_PRINCIPAL": ("ERROR", "The policy type IDENTITY_POLICY does not support the Principal element."),
    "INVALID_ACTION": ("ERROR", "The action does not exist."),
    "PASS_ROLE_WITH_STAR_IN_RESOURCE": (
        "SECURITY_WARNING",
        "Using the iam:PassRole action with wildcards (*) in the resource can be overly permissive.",
    ),
}
_RESTRICTING = frozenset(
    ("aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:sourceaccount", "aws:sourcearn")
)


def validate_policy(call: Call, _: Principal | None) -> Response:
    """AWS lists the faults of a policy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
    """
    codes = dict.fromkeys(_codes(str(call.parameters.get("policyDocument")), call.parameters.get("policyType")))
    findings = [
        {
            "findingType": _FINDINGS[code][0],
            "issueCode": code,
            "findingDetails": _FINDINGS[code][1],
            "learnMoreLink": "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html",
            "locations": [],
        }
        for code in codes
    ]
    return json_response({"findings": findings}, content_type="application/json")


def _codes(text: str, kind: object) -> Iterator[str]:
    try:
        document = json.loads(text)
    except ValueError:
        yield "JSON_SYNTAX_ERROR"
        return
    for statement in statements(document):
        has_principal = "Principal" in statement or "NotPrincipal" in statement
        if kind == "RESOURCE_POLICY" and not has_principal:
            yield "MISSING_PRINCIPAL"
        if kind == "IDENTITY_POLICY" and has_principal:
            yield "UNSUPPORTED_PRINCIPAL"
        actions = as_tuple(statement.get("Action"))
        if any(action != "*" and ":" not in action for action in actions):
            yield "INVALID_ACTION"
        if statement["Effect"] == "Allow" and "iam:PassRole" in actions and "*" in as_tuple(statement.get("Resource")):
            yield "PASS_ROLE_WITH_STAR_IN_RESOURCE"


def check_no_public_access(call: Call, _: Principal | None) -> Response:
    """AWS answers FAIL where anybody at all may be allowed something.

    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_CheckNoPublicAccess.html
    """
    document = _document(call, "policyDocument")
    return _result(
        "Public access granted in the statement with index",
        [
            (index, statement)
            for index, statement in enumerate(statements(document))
            if statement["Effect"] == "Allow" and "*" in _principals(statement) and not _is_restricted(statement)
        ],
    )


def _is_restricted(statement: Statement) -> bool:
    keys = {key.lower() for operands in (statement.get("Condition") or {}).values() for key in operands}
    return bool(keys & _RESTRICTING)


def check_no_new_access(call: Call, _: Principal | None) -> Response:
    """AWS answers FAIL if the new policy allows more than the existing one.

    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_CheckNoNewAccess.html
    """
    new, existing = _document(call, "newPolicyDocument"), _document(call, "existingPolicyDocument")
    before = {grant for statement in statements(existing) for grant in _grants(statement, "Allow")}
    denied = {grant for statement in statements(new) for grant in _grants(statement, "Deny")}
    lifted = {grant for statement in statements(existing) for grant in _grants(statement, "Deny")} - denied
    return _result(
        "New access in the statement with index",
        [
            (index, statement)
            for index, statement in enumerate(statements(new))
            if {*_grants(statement, "Allow")} - before or (lifted and statement["Effect"] == "Allow")
        ],
    )


def _grants(statement: Statement, effect: str) -> Iterator[tuple[str, ...]]:
    """Each principal, action and resource of the statement, with its condition."""
    if statement["Effect"] == effect:
        condition = json.dumps(statement.get("Condition") or {}, sort_keys=True)
        actions = as_tuple(statement.get("Action")) or (json.dumps(statement.get("NotAction")),)
        resources = as_tuple(statement.get("Resource")) or (json.dumps(statement.get("NotResource")),)
        for principal, action, resource in product(_principals(statement) or ("",), actions, resources):
            yield principal, action, resource, condition


def _principals(statement: Statement) -> tuple[str, ...]:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        return tuple(name for names in principal.values() for name in as_tuple(names))
    return as_tuple(principal)


def _document(call: Call, name: str) -> Any:
    try:
        return json.loads(str(call.parameters.get(name)))
    except ValueError as error:
        raise AwsError("ValidationException", f"{name} is no valid JSON.") from error


def _result(message: str, failing: list[tuple[int, Statement]]) -> Response:
    reasons = [
        {"description": f"{message}: {index}.", "statementIndex": index, "statementId": statement.get("Sid", "")}
        for index, statement in failing
    ]
    result = "FAIL" if failing else "PASS"
    answer = {"result": result, "message": f"{len(failing)} statements fail the check.", "reasons": reasons}
    return json_response(answer, content_type="application/json")
