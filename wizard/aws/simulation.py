"""Asks IAM's policy simulator, with a value for every condition key that is known of the simulated request.

Asks IAM, and KMS about the tags and aliases of a key; changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from components.policies.evaluation.account import IamPolicy
from components.policies.evaluation.conditions import Context
from components.policies.evaluation.key_access import key_context
from components.policies.evaluation.principals import account_of, caller_of
from components.policies.evaluation.statements import Request, evaluate_policies
from components.settings.arn import Arn
from wizard.aws import iam, kms
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import or_none
from wizard.core.models.access import Ruling, Simulation, StatementEvaluation


def simulate(
    session: Session, principal_arn: str, actions: Sequence[str], resource: str, context: Context
) -> Simulation:
    """SimulatePrincipalPolicy for one resource.

    `context`: the request's condition keys beside those of every request of this principal, in any case; one without a
    value is known to be absent, and `aws:ResourceTag/` stands for all that begin so. Key policies are not considered
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html).
    """
    known = {**_of_every_request(principal_arn), **{key.lower(): values for key, values in context.items()}}
    results = session.pages(
        "iam",
        "SimulatePrincipalPolicy",
        "EvaluationResults",
        PolicySourceArn=principal_arn,
        ActionNames=list(actions),
        ResourceArns=[resource],
        ContextEntries=[
            {"ContextKeyName": _NAMES.get(key.lower(), key), "ContextKeyType": _type(key), "ContextKeyValues": values}
            for key, values in {**_of_every_request(principal_arn), **context}.items()
            if values
        ],
    )
    by_action = {str(result["EvalActionName"]).lower(): result for result in results}
    evaluations = tuple(_evaluation(action, by_action.get(action.lower(), {}), known) for action in actions)
    if any(evaluation.by_boundary is False and evaluation.allowed is False for evaluation in evaluations):
        evaluations = _with_boundary(session, principal_arn, evaluations, resource, known)
    return Simulation(principal=principal_arn, resource=resource, evaluations=evaluations)


def context_of_key(session: Session, key_arn: str, tags: Mapping[str, str] | None) -> Context:
    """The condition keys of a direct call with a key. `tags`: of a key that does not exist yet."""
    aliases: tuple[str, ...] | None = ()
    if tags is None:
        tags, aliases = session.together(
            lambda: kms.tags_of_key(session, key_arn), lambda: or_none(lambda: kms.KmsKeys(session).aliases_of(key_arn))
        )
    named = {"aws:ResourceTag/": (), **{f"aws:ResourceTag/{name}": (value,) for name, value in (tags or {}).items()}}
    return {
        **key_context(key_arn, aliases=aliases),
        **(named if tags is not None else {}),
        # A call with a key that exists sets no tags.
        "aws:RequestTag/": (),
        "aws:TagKeys": (),
        # No AWS service stands between, as S3 does for a document.
        "kms:ViaService": (),
        # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html: the data key has none.
        "kms:EncryptionContext:": (),
    }


def _of_every_request(principal_arn: str) -> dict[str, tuple[str, ...]]:
    caller = caller_of(principal_arn, account=account_of(principal_arn) or "")
    return {"aws:securetransport": ("true",), **caller.context}


_NAMES = {
    name.lower(): name
    for name in (
        *("aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalIsAWSService", "aws:PrincipalType"),
        *("aws:RequestedRegion", "aws:ResourceAccount", "aws:SecureTransport"),
        *("kms:CallerAccount", "kms:ResourceAliases"),
    )
}
"""AWS's spelling of the condition keys that the evaluator has in lower case."""

_TYPES = {
    "aws:principalisawsservice": "boolean",
    "aws:securetransport": "boolean",
    "aws:tagkeys": "stringList",
    "kms:resourcealiases": "stringList",
}


def _type(key: str) -> str:
    return _TYPES.get(key.lower(), "string")


def _evaluation(action: str, result: Mapping[str, Any], known: Context) -> StatementEvaluation:
    """One action. AWS lists the keys without a value beside the decision, or beside that on the resource, or both.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    """
    decision = str(result.get("EvalDecision"))
    ruling = Ruling(decision) if decision in set(Ruling) else None
    parts = (result, *(result.get("ResourceSpecificResults") or ()))
    missing = {str(key) for part in parts for key in part.get("MissingContextValues") or ()}
    boundary = [part.get("PermissionsBoundaryDecisionDetail") or {} for part in parts]
    limits = [each["AllowedByPermissionsBoundary"] for each in boundary if "AllowedByPermissionsBoundary" in each]
    organization = result.get("OrganizationsDecisionDetail") or {}
    return StatementEvaluation(
        action=action,
        ruling=ruling,
        by_boundary=all(limits) if limits else None,
        by_organization=organization.get("AllowedByOrganizations"),
        depends_on=()
        if ruling is Ruling.ALLOWED
        else tuple(sorted(key for key in missing if not _is_known(key.lower(), known, of=action))),
    )


_OF_ONE_SERVICE = frozenset({"ecs", "iam", "kms", "s3", "secretsmanager", "ssm"})
"""Services whose own condition keys are in the requests of no other service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
"""


def _is_known(key: str, known: Context, *, of: str) -> bool:
    """Whether a condition key has its value, or is known to be absent from a request of the action `of`."""
    service = key.partition(":")[0]
    if service in _OF_ONE_SERVICE and service != of.partition(":")[0]:
        return True
    return key in known or any(key.startswith(prefix) for prefix in known if prefix.endswith(("/", ":")))


def _with_boundary(
    session: Session,
    principal_arn: str,
    evaluations: Sequence[StatementEvaluation],
    resource: str,
    known: Context,
) -> tuple[StatementEvaluation, ...]:
    """The evaluations, where a denial by the boundary counts only if the boundary's document says so, too.

    AWS does not say whether its list of missing keys is that of the boundary as well; for an organization's policies
    it is not (https://github.com/aws/aws-cli/issues/10525).
    """
    boundary = _boundary(session, principal_arn)
    if boundary is None:
        return tuple(evaluations)

    used = {key.lower() for each in boundary.statements for condition in each.conditions.values() for key in condition}

    def terms(action: str) -> tuple[str, ...]:
        context = {**{key: () for key in used if _is_known(key, known, of=action)}, **known}
        says = evaluate_policies((boundary,), Request(action=action, resource=resource, context=context))
        if not says.is_allowed:
            return ()
        matches = (*says.allows, *says.denies)
        return tuple(dict.fromkeys(term for match in matches for term in match.terms)) or (boundary.name,)

    return tuple(
        replace(evaluation, depends_on=evaluation.depends_on or terms(evaluation.action))
        if evaluation.by_boundary is False
        else evaluation
        for evaluation in evaluations
    )


def _boundary(session: Session, principal_arn: str) -> IamPolicy | None:
    """The permissions boundary of a user or role, if it can be read."""
    kind = "User" if ":user/" in principal_arn else "Role"
    answer = or_none(lambda: session.call("iam", f"Get{kind}", **{f"{kind}Name": Arn.parse(principal_arn).name}))
    arn = ((answer or {}).get(kind, {}).get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    document = iam.document_or_none(session, str(arn)) if arn else None
    return None if document is None else IamPolicy(name=str(arn), document=document)
