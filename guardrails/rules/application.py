"""The guardrails of the application's rights: it uses its key, and can do nothing else.

Touches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .documents import Statement, judged
from .rule import Resource, Rule, StackRule, each_of
from .types import (
    APP_ACCESS,
    GRANT,
    GROUP_USERS,
    KEY_POLICY,
    KEYS,
    POLICY,
    POLICY_ATTACHMENT,
    ROLE,
    ROLE_ATTACHMENT,
    ROLE_ATTACHMENTS,
    ROLE_POLICY,
    USER_ATTACHMENT,
    USER_ATTACHMENTS,
    USER_GROUPS,
    USER_POLICY,
)

ACTIONS = frozenset({"kms:decrypt", "kms:generatedatakey", "kms:describekey"})
OPERATIONS = frozenset({"Decrypt", "GenerateDataKey", "DescribeKey"})
"""The same, as a grant names them."""

STATEMENTS = ("Allow use of the key for EONPRO", "Allow description of the key for EONPRO")
"""The Sids of the application's statements in the key policy."""

FOUND_ACTIONS = frozenset({"kms:encrypt", "kms:generatedatakeywithoutplaintext"})
"""What a key that was set up by hand may have given the application beside that, and may be left as it was found:
neither opens anything, and a policy whose changes are ignored is widened by nobody."""

_NAMES = ("eonpro-app-role", "eonpro-app-user")
_POLICY_NAME = "EONPROKMSAccess"
_KEY_ARN = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_POLICY_ARN = re.compile(rf"arn:[a-z-]+:iam::\d{{12}}:policy/(.*/)?{_POLICY_NAME}[^/]*")


def application_uses_its_key_only(resource: Resource) -> Iterator[str]:
    """Whatever gives the application a right gives it the use of named keys, and nothing else."""
    return _JUDGES[resource.type](resource)


def is_application(principal: object) -> bool:
    """Whether a name or an ARN is that of the application's own role or user."""
    return str(principal).rpartition("/")[2].startswith(_NAMES)


def _managed(policy: Resource) -> Iterator[str]:
    name = str(policy.props.get("name") or policy.props.get("namePrefix") or "")
    if policy.is_within(APP_ACCESS) or name.startswith(_POLICY_NAME):
        yield from judged(policy.props.get("policy"), _uses_keys_only)


def _inline(policy: Resource) -> Iterator[str]:
    principal = policy.props.get("role") if policy.type == ROLE_POLICY else policy.props.get("user")
    if policy.is_within(APP_ACCESS) or is_application(principal):
        yield from judged(policy.props.get("policy"), _uses_keys_only)


def _in_the_role(role: Resource) -> Iterator[str]:
    if not is_application(role.props.get("name")):
        return
    yield from each_of(lambda one: judged(one.get("policy"), _uses_keys_only), role.props.get("inlinePolicies"))
    yield from each_of(_is_the_applications, role.props.get("managedPolicyArns"))


def _uses_keys_only(statement: Statement) -> Iterator[str]:
    if not statement.allows:
        return
    yield from _uses_only(statement)
    if statement.excepts_resources:
        yield f"{statement.spoken_of} gives the application all but some resources (NotResource): name its keys."
    for resource in statement.resources:
        if not _KEY_ARN.fullmatch(resource):
            yield f"{statement.spoken_of} gives the application {resource}: the ARNs of its keys and nothing else."


def _uses_only(statement: Statement, *, besides: frozenset[str] = frozenset()) -> Iterator[str]:
    if statement.excepts_actions:
        yield f"{statement.spoken_of} gives the application all but some actions (NotAction): name them."
    for action in statement.actions:
        if action.lower() not in ACTIONS | besides:
            yield f"{statement.spoken_of} gives the application {action}: it needs {_NEEDED} and nothing else."


_NEEDED = "kms:Decrypt, kms:GenerateDataKey and kms:DescribeKey"


def _attachment(attachment: Resource) -> Iterator[str]:
    if attachment.is_within(APP_ACCESS) or _is_attached_to_the_application(attachment):
        yield from _is_the_applications(attachment.props.get("policyArn"))


def _attachments(attachments: Resource) -> Iterator[str]:
    name = "roleName" if attachments.type == ROLE_ATTACHMENTS else "userName"
    if is_application(attachments.props.get(name)):
        yield from each_of(_is_the_applications, attachments.props.get("policyArns"))


def _is_attached_to_the_application(attachment: Resource) -> bool:
    return any(is_application(name) for name in _attached_to(attachment))


def _attached_to(attachment: Resource) -> list[str]:
    props = attachment.props
    one = [props.get("role"), props.get("user")] if attachment.type != POLICY_ATTACHMENT else []
    many = [*(props.get("roles") or ()), *(props.get("users") or ())] if attachment.type == POLICY_ATTACHMENT else []
    return [str(name) for name in (*one, *many) if name]


def _is_the_applications(policy_arn: Any) -> Iterator[str]:
    if policy_arn is not None and not _POLICY_ARN.fullmatch(str(policy_arn)):
        yield f"The policy {policy_arn} is attached to the application: {_POLICY_NAME} and no other may be."


def _groups(membership: Resource) -> Iterator[str]:
    props = membership.props
    users = [props.get("user")] if membership.type == USER_GROUPS else list(props.get("users") or ())
    for user in users:
        if is_application(user):
            yield f"The application's user {user} is put into a group, whose rights it then has: take it out."


def _granted(grant: Resource) -> Iterator[str]:
    if not is_application(grant.props.get("granteePrincipal")):
        return
    for operation in grant.props.get("operations") or ():
        if operation not in OPERATIONS:
            yield f"A grant gives the application {operation}: it needs {_NEEDED} and nothing else."


def _in_the_key_policy(resource: Resource) -> Iterator[str]:
    besides = FOUND_ACTIONS if "policy" in resource.ignored else frozenset()

    def uses_only(statement: Statement) -> Iterator[str]:
        # A key policy's Resource is "*", the key itself.
        if statement.allows and _speaks_of_the_application(statement):
            yield from _uses_only(statement, besides=besides)

    return judged(resource.props.get("policy"), uses_only)


def _speaks_of_the_application(statement: Statement) -> bool:
    if statement.sid in STATEMENTS or any(is_application(name) for _, name in statement.principals):
        return True
    # Or the account's root, on the condition that it is the application who comes.
    return any(
        key.lower() == "aws:principalarn" and any(is_application(value) for value in values)
        for keys in statement.conditions.values()
        for key, values in keys.items()
    )


_JUDGES = {
    POLICY: _managed,
    ROLE_POLICY: _inline,
    USER_POLICY: _inline,
    ROLE: _in_the_role,
    ROLE_ATTACHMENT: _attachment,
    USER_ATTACHMENT: _attachment,
    POLICY_ATTACHMENT: _attachment,
    ROLE_ATTACHMENTS: _attachments,
    USER_ATTACHMENTS: _attachments,
    USER_GROUPS: _groups,
    GROUP_USERS: _groups,
    GRANT: _granted,
    KEY_POLICY: _in_the_key_policy,
    **dict.fromkeys(KEYS, _in_the_key_policy),
}


def application_has_one_policy(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Whomever AppAccess serves, an existing role or user too, has no other policy from this stack."""
    attachments = [one for one in resources if one.type in (ROLE_ATTACHMENT, USER_ATTACHMENT, POLICY_ATTACHMENT)]
    inline = [one for one in resources if one.type in (ROLE_POLICY, USER_POLICY)]
    served = {name for one in attachments if one.is_within(APP_ACCESS) for name in _attached_to(one)}
    for one in (*attachments, *inline):
        if not one.is_within(APP_ACCESS) and (both := sorted(served.intersection(_attached_to(one)))):
            yield one.urn, f"The application ({both[0]}) gets a policy beside {_POLICY_NAME}: take it away."


RULES = (
    Rule(
        name="application-rights",
        demand=f"The application has {_NEEDED}, on its own keys, and no other right.",
        types=frozenset(_JUDGES),
        check=application_uses_its_key_only,
    ),
)
STACK_RULES = (
    StackRule(
        name="application-one-policy",
        demand="This stack gives the application's principal one policy, and no other.",
        check=application_has_one_policy,
    ),
)
