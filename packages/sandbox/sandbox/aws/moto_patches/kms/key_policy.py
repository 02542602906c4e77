"""Patches of key policies: KMS rejects malformed ones, unknown principals, and a lockout of the caller.

Reads moto's IAM in this process.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from moto.iam.models import iam_backends

from sandbox.aws.iam.policy import Request, applies, as_tuple, names_principal, statements, without_resource
from sandbox.aws.iam.principals import Principal, find
from sandbox.aws.protocol import AwsError, Call
from sandbox.state import ACCOUNT

KEY_POLICY_OPERATIONS = ("CreateKey", "PutKeyPolicy", "ReplicateKey")

_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = {"Version", "Id", "Statement"}
_OF_A_STATEMENT = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
                   "Condition"}  # fmt: skip
_KINDS = {"AWS", "Service", "Federated", "CanonicalUser"}


def set_default_policy_name(call: Call, caller: Principal | None) -> dict[str, Any]:
    """AWS uses `default`, the only name, when PolicyName is omitted; moto answers NotFoundException.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html
    """
    return {"PolicyName": "default"} | call.parameters


def check_key_policy_syntax(call: Call, caller: Principal | None) -> None:
    """AWS answers MalformedPolicyDocumentException for an invalid key policy; moto stores any text.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
    """
    text = call.parameters.get("Policy")
    if text is None:
        return
    try:
        document = json.loads(text)
    except (TypeError, ValueError) as broken:
        raise _malformed("Policy is not valid JSON") from broken
    if not isinstance(document, Mapping):
        raise _malformed("Policy is not a JSON object")
    if unknown := sorted(document.keys() - _ELEMENTS):
        raise _malformed(f"Policy has an unknown element: {unknown[0]}")
    if document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise _malformed("Policy has an unknown version")
    if not document.get("Statement"):
        raise _malformed("Policy has no statement")
    for statement in statements(document):
        _check_statement(statement)


def _check_statement(statement: object) -> None:
    if not isinstance(statement, Mapping):
        raise _malformed("Policy contains a statement that is not a JSON object")
    if unknown := sorted(statement.keys() - _OF_A_STATEMENT):
        raise _malformed(f"Policy contains a statement with an unknown element: {unknown[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Policy contains a statement whose effect is neither Allow nor Deny")
    for name in ("Principal", "Action", "Resource"):
        if (name in statement) == (f"Not{name}" in statement):
            raise _malformed(f"Policy contains a statement that does not have one of {name} and Not{name}")
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in statement and not as_tuple(statement[name]):
            raise _malformed(f"Policy contains a statement with an empty {name}")
    for action in as_tuple(statement.get("Action", statement.get("NotAction"))):
        if action != "*" and not re.fullmatch(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+", action):
            raise _malformed(f"Policy contains a statement with an invalid action: {action}")
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal != "*" and not (isinstance(principal, Mapping) and principal and principal.keys() <= _KINDS):
        raise _invalid_principal()


def check_key_policy_principals(call: Call, caller: Principal | None) -> None:
    """AWS answers MalformedPolicyDocumentException for a principal that does not exist; moto stores it.

    For other accounts only the form is checked. https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
    """
    for statement in statements(json.loads(call.parameters.get("Policy") or "{}")):
        if invalid_principals(statement.get("Principal", statement.get("NotPrincipal"))):
            raise _invalid_principal()


def invalid_principals(principal: object) -> tuple[tuple[str, str], ...]:
    """The principals of a statement that do not exist in AWS, each with its kind."""
    if not isinstance(principal, Mapping):
        return ()
    return tuple(
        (kind, name)
        for kind, names in principal.items()
        for name in as_tuple(names)
        if (kind == "AWS" and not _exists(name))
        or (kind == "Service" and not re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com", name))
    )


def _exists(name: str) -> bool:
    if name == "*" or re.fullmatch(r"\d{12}", name):
        return True
    match = re.fullmatch(
        r"arn:aws:(iam|sts)::(\d{12}):(root|(user|role|assumed-role|federated-user)/[\w+=,.@/-]+)", name
    )
    if match is None:
        return False
    service, account, resource, kind = match.groups()
    if account != ACCOUNT or resource == "root" or kind == "federated-user":
        return True
    if kind == "assumed-role":
        role = resource.split("/")[1]
        return service == "sts" and _role_exists(role)
    return service == "iam" and find(name) is not None


def _role_exists(name: str) -> bool:
    """A session's ARN has no path, so only the role's name is compared."""
    return any(role.name == name for role in iam_backends[ACCOUNT]["aws"].get_roles())


def check_key_policy_lockout(call: Call, caller: Principal | None) -> None:
    """AWS rejects a policy under which the caller could not call PutKeyPolicy again; moto accepts it.

    The flag BypassPolicyLockoutSafetyCheck turns this off.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html#prevent-unmanageable-key
    """
    text = call.parameters.get("Policy")
    if caller is None or text is None or call.parameters.get("BypassPolicyLockoutSafetyCheck") is True:
        return
    request = Request(action="kms:PutKeyPolicy", resource="*", context=caller.context)
    # The key has no ARN yet when it is created.
    if not _allows(map(without_resource, statements(json.loads(text))), caller, request):
        message = "The new key policy will not allow you to update the key policy in the future."
        raise _malformed(message)


def _allows(policy_statements: Iterable[Mapping[str, Any]], caller: Principal, request: Request) -> bool:
    effects = {
        statement["Effect"]
        for statement in policy_statements
        if applies(statement, request) and names_principal(statement, "AWS", caller.names)
    }
    return effects == {"Allow"}


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocumentException", message)


def _invalid_principal() -> AwsError:
    return _malformed("Policy contains a statement with one or more invalid principals.")
