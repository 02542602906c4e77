"""The guardrails of principals: no wildcards, and exact subjects for tokens of an identity provider.

Pure.
"""

from collections.abc import Iterator

from components.policies.statements import PolicyStatement

from .policy_documents import check_statements, label
from .resource_types import (
    BUCKET_POLICY,
    BUCKETS,
    KEY_POLICY,
    KEYS,
    QUEUE_POLICY,
    ROLE,
    SECRET,
    SECRET_POLICY,
    TOPIC,
    TOPIC_POLICY,
)
from .rule import Resource, Rule

RESOURCE_POLICY_TYPES = frozenset(
    {*KEYS, KEY_POLICY, *BUCKETS, BUCKET_POLICY, TOPIC, TOPIC_POLICY, QUEUE_POLICY, SECRET, SECRET_POLICY}
)
"""The types whose `policy` is a resource-based policy, which names principals."""


def no_wildcard_principal(resource: Resource) -> Iterator[str]:
    """No resource-based policy and no trust policy allows a wildcard principal."""
    document = resource.props.get("assumeRolePolicy" if resource.type == ROLE else "policy")
    return check_statements(document, _names_principals)


def _names_principals(statement: PolicyStatement) -> Iterator[str]:
    if not statement.allows:
        return
    if statement.not_principals is not None:
        yield f"{label(statement)} allows everybody but some principals (NotPrincipal): list the allowed ARNs."
    for _, name in statement.principals:
        if "*" in name or "?" in name:
            yield f"{label(statement)} allows a wildcard principal ({name}): use the full ARN."


def trust_policy_subject(role: Resource) -> Iterator[str]:
    """A role for tokens of an identity provider allows exact subjects and audiences only.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html
    """
    return check_statements(role.props.get("assumeRolePolicy"), _compares_claims)


def _compares_claims(statement: PolicyStatement) -> Iterator[str]:
    if not statement.allows or not any(kind == "Federated" for kind, _ in statement.principals):
        return
    exact = {
        key.rpartition(":")[2].lower()
        for operator, keys in statement.conditions.items()
        if operator == "StringEquals"
        for key, values in keys.items()
        if values and all(values)
    }
    for claim, name in (("sub", "subject"), ("aud", "audience")):
        if claim not in exact:
            yield f"{label(statement)} accepts a token with any {name}: compare its :{claim} with StringEquals."


RULES = (
    Rule(
        name="no-wildcard-principal",
        description="Policies name the principals that they allow, without wildcards.",
        types=RESOURCE_POLICY_TYPES | {ROLE},
        check=no_wildcard_principal,
    ),
    Rule(
        name="trust-policy-subject",
        description="A role accepts tokens of exact subjects and audiences only.",
        types=frozenset({ROLE}),
        check=trust_policy_subject,
    ),
)
