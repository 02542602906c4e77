"""Patches of STS: who may assume a role, and the credentials that a service gets for one.

Reads moto's IAM, and creates sessions in its STS, in this process.
"""

import json
import secrets
import time
from fnmatch import fnmatchcase
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from sandbox.aws.iam.policy import Decision, Request, Statement, applies, evaluate, names_principal, statements
from sandbox.aws.iam.principals import SCOPES, Principal, find, identity_statements
from sandbox.aws.protocol import AwsError, Call, Response, xml_response
from sandbox.oidc import decode
from sandbox.state import ACCOUNT, REGION

TASK_SERVICE = "ecs-tasks.amazonaws.com"
TASK_SESSION_SECONDS = 6 * 3600


def enforce_role_trust(call: Call, caller: Principal | None) -> None:
    """AWS lets a principal assume a role if the trust policy names it, or names its account and IAM allows it.

    Moto lets everyone assume every role, even one that does not exist.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    role_arn = str(call.parameters.get("RoleArn", ""))
    if caller is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    keys = {"sts:ExternalId": "ExternalId", "sts:RoleSessionName": "RoleSessionName"}
    context = caller.context | {
        key: (str(call.parameters[name]),) for key, name in keys.items() if call.parameters.get(name)
    }
    request = Request(action="sts:AssumeRole", resource=role_arn, context=context)
    identity = evaluate(identity_statements(caller.identity), request)
    by_name = _trust_decision(role_arn, "AWS", (caller.arn, caller.identity), request)
    by_account = _trust_decision(role_arn, "AWS", caller.names, request)
    narrowed = any(evaluate(scope, request) is not Decision.ALLOWED for scope in caller.scopes)
    allowed = by_name is Decision.ALLOWED or (by_account is Decision.ALLOWED and identity is Decision.ALLOWED)
    if not allowed or narrowed or Decision.EXPLICIT_DENY in (by_account, identity):
        message = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        raise AwsError("AccessDenied", message, 403)


LONGEST_SCOPE = 2048
MOST_SCOPES = 3


def get_scoped_credentials(call: Call, caller: Principal | None) -> Response:
    """AWS narrows a temporary session by a policy, up to three times; the identity stays. Moto does not have it.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetScopedCredentials.html
    """
    if caller is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    sts = sts_backends[ACCOUNT]["aws"]
    session = sts.get_assumed_role_from_access_key(call.access_key_id)
    if session is None:
        message = "GetScopedCredentials needs the temporary credentials of a role or of a federated session"
        raise AwsError("InvalidSubjectCredentials", message)
    document, seconds = call.parameters.get("Policy"), call.parameters.get("DurationSeconds")
    if document is None and seconds is None:
        raise AwsError("ValidationError", "One of Policy and DurationSeconds is required")
    left = int((session.expiration - utcnow()).total_seconds())
    if seconds is not None and int(seconds) > left:
        raise AwsError("InsufficientSessionLifetime", f"The calling session ends in {left} seconds")
    scopes = caller.scopes if document is None else (*caller.scopes, _scope(str(document)))
    if len(scopes) > MOST_SCOPES:
        raise AwsError("AccessDenied", f"A session has at most {MOST_SCOPES} scope down policies", 403)
    narrowed = sts.assume_role(
        region_name=REGION,
        role_session_name=session.session_name,
        role_arn=session.role_arn,
        policy="",
        duration=left if seconds is None else int(seconds),
        external_id="",
    )
    SCOPES[narrowed.access_key_id] = scopes
    return xml_response(
        call,
        f"<Credentials><AccessKeyId>{narrowed.access_key_id}</AccessKeyId>"
        f"<SecretAccessKey>{narrowed.secret_access_key}</SecretAccessKey>"
        f"<SessionToken>{narrowed.session_token}</SessionToken>"
        f"<Expiration>{narrowed.expiration.strftime('%Y-%m-%dT%H:%M:%SZ')}</Expiration></Credentials>"
        f"<SessionInfo><ScopedSessionId>{narrowed.user_id}</ScopedSessionId><Arn>{narrowed.arn}</Arn></SessionInfo>"
        f"<ScopedPoliciesCount>{len(scopes)}</ScopedPoliciesCount>",
    )


def _scope(document: str) -> tuple[Statement, ...]:
    if len(document) > LONGEST_SCOPE:
        raise AwsError("ValidationError", f"1 validation error: 'policy' has more than {LONGEST_SCOPE} characters")
    try:
        return statements(json.loads(document))
    except (ValueError, TypeError, KeyError) as broken:
        raise AwsError("MalformedPolicyDocument", "The policy is not in the valid JSON format.") from broken


def enforce_web_identity_trust(call: Call, caller: Principal | None) -> None:
    """AWS checks the token's issuer, audience and expiry, and its claims against the role's trust policy.

    Moto checks nothing. The sandbox does not verify the token's signature: it has no issuer to get keys from.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
    """
    try:
        claims = decode(str(call.parameters.get("WebIdentityToken", "")))
    except ValueError as broken:
        raise AwsError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.") from broken
    issuer = str(claims.get("iss", ""))
    provider = _provider(issuer)
    if provider is None:
        message = f"No OpenIDConnect provider found in your account for {issuer}"
        raise AwsError("InvalidIdentityToken", message)
    audiences = claims.get("aud")
    accepted = [
        item for item in (audiences if isinstance(audiences, list) else [audiences]) if item in provider.client_id_list
    ]
    if not accepted:
        raise AwsError("InvalidIdentityToken", "Incorrect token audience")
    if float(claims.get("exp", 0)) <= time.time():
        raise AwsError("ExpiredTokenException", "Token expired: its time of expiration has passed.")
    host = issuer.removeprefix("https://")
    context = {f"{host}:{name}": (str(value),) for name, value in claims.items() if isinstance(value, str)}
    context |= {f"{host}:aud": (str(accepted[0]),), "aws:FederatedProvider": (provider.arn,)}
    role_arn = str(call.parameters.get("RoleArn", ""))
    request = Request(action="sts:AssumeRoleWithWebIdentity", resource=role_arn, context=context)
    if _trust_decision(role_arn, "Federated", (provider.arn,), request) is not Decision.ALLOWED:
        raise AwsError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)


def task_credentials(role_name: str) -> dict[str, Any]:
    """The credentials of an ECS task for its task role, by its name or a pattern of it.

    Raises AwsError 404 or 403 when ECS cannot assume it.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    """
    role = next((each for each in iam_backends[ACCOUNT]["aws"].get_roles() if fnmatchcase(each.name, role_name)), None)
    if role is None:
        raise AwsError("NoSuchEntity", f"The role with name {role_name} cannot be found.", 404)
    task = secrets.token_hex(16)
    if not ecs_can_assume(role.arn, f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/eonpro/{task}"):
        raise AwsError("AccessDenied", f"{TASK_SERVICE} is not trusted by {role.arn}", 403)
    session = sts_backends[ACCOUNT]["aws"].assume_role(
        region_name=REGION,
        role_session_name=task,
        role_arn=role.arn,
        policy="",
        duration=TASK_SESSION_SECONDS,
        external_id="",
    )
    return {
        "RoleArn": role.arn,
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "Token": session.session_token,
        "Expiration": session.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def ecs_can_assume(role_arn: str, task_arn: str) -> bool:
    """Whether ECS can assume a task role or an execution role: it exists and trusts ECS."""
    context = {"aws:SourceAccount": (ACCOUNT,), "aws:SourceArn": (task_arn,)}
    request = Request(action="sts:AssumeRole", resource=role_arn, context=context)
    return _trust_decision(role_arn, "Service", (TASK_SERVICE,), request) is Decision.ALLOWED


def _provider(issuer: str) -> Any:
    """The account's OpenID Connect provider for an issuer, or `None`."""
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.removeprefix('https://')}"
    return iam_backends[ACCOUNT]["aws"].open_id_providers.get(arn)


def _trust_decision(role_arn: str, kind: str, names: tuple[str, ...], request: Request) -> Decision:
    """The decision of a role's trust policy for a principal of a kind (AWS, Service, Federated) with these names."""
    role = find(role_arn)
    if role is None or ":role/" not in role_arn:
        return Decision.IMPLICIT_DENY
    document = role.assume_role_policy_document
    trust: tuple[Statement, ...] = statements(json.loads(document) if isinstance(document, str) else document)
    applying = [item for item in trust if names_principal(item, kind, names) and applies(item, request)]
    return evaluate(applying, request)
