"""The guardrails of who is let in: by a full name, and from another identity provider by a full subject.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from .documents import Statement, judged
from .rule import Resource, Rule
from .types import (
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

WITH_PRINCIPALS = frozenset(
    {*KEYS, KEY_POLICY, *BUCKETS, BUCKET_POLICY, TOPIC, TOPIC_POLICY, QUEUE_POLICY, SECRET, SECRET_POLICY}
)
"""The types whose `policy` is a policy of the resource itself, which names who may come."""


def principals_have_names(resource: Resource) -> Iterator[str]:
    """No policy of a resource, and no trust policy, allows anything to a wildcard."""
    document = resource.props.get("assumeRolePolicy" if resource.type == ROLE else "policy")
    return judged(document, _has_names)


def _has_names(statement: Statement) -> Iterator[str]:
    if not statement.allows:
        return
    if statement.excepts_principals:
        yield f"{statement.spoken_of} allows everybody but some (NotPrincipal): name whom it allows."
    for _, name in statement.principals:
        if "*" in name or "?" in name:
            yield f"{statement.spoken_of} allows a wildcard principal ({name}): name whom it allows."


def trust_has_a_subject(role: Resource) -> Iterator[str]:
    """A role that another identity provider's token opens is open to exactly named subjects and audiences.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html
    """
    return judged(role.props.get("assumeRolePolicy"), _has_a_subject)


def _has_a_subject(statement: Statement) -> Iterator[str]:
    if not statement.allows or not any(kind == "Federated" for kind, _ in statement.principals):
        return
    exact = {
        key.rpartition(":")[2].lower()
        for operator, keys in statement.conditions.items()
        if operator == "StringEquals"
        for key, values in keys.items()
        if values and all(values)
    }
    for claim, whose in (("sub", "subject"), ("aud", "audience")):
        if claim not in exact:
            yield f"{statement.spoken_of} takes a token of any {whose}: compare its :{claim} with StringEquals."


RULES = (
    Rule(
        name="no-wildcard-principal",
        demand="Whom a policy allows anything, it names.",
        types=WITH_PRINCIPALS | {ROLE},
        check=principals_have_names,
    ),
    Rule(
        name="trust-names-its-subject",
        demand="A role is open to tokens of exactly named subjects and audiences.",
        types=frozenset({ROLE}),
        check=trust_has_a_subject,
    ),
)
