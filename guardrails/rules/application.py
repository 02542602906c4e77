"""The guardrails of the application's permissions: it uses its keys, and can do nothing else.

Pure.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from components.policies.evaluation.conditions import conditions_hold
from components.policies.evaluation.principals import account_of
from components.policies.stack import APPLICATION_POLICIES
from components.policies.statements import PolicyStatement
from components.settings.arn import Arn, resource_name

from . import resource_types as kinds
from .policy_documents import check_statements, label
from .rule import Resource, Rule, StackRule, check_values

ACTIONS = frozenset({"kms:decrypt", "kms:generatedatakey", "kms:describekey"})
OPERATIONS = frozenset({"Decrypt", "GenerateDataKey", "DescribeKey"})
"""The same actions, as the operations of a grant."""

STATEMENT = "Allow use of the key for EONPRO"
"""The Sid of the application's statement in the key policy."""

IMPORTED_ACTIONS = frozenset({"kms:encrypt", "kms:generatedatakeywithoutplaintext"})
"""Further actions that an imported key policy may allow to the application, where the stack ignores its changes.

Neither decrypts anything, and this stack cannot add permissions to that policy."""

_NAMES = ("eonpro-app-role", "eonpro-app-user")
_POLICY_NAME = next(iter(APPLICATION_POLICIES))
_KEY_ARN = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_POLICY_ARN = re.compile(rf"arn:[a-z-]+:iam::\d{{12}}:policy/(.*/)?({'|'.join(APPLICATION_POLICIES)})[^/]*")


def application_permissions(resource: Resource) -> Iterator[str]:
    """Policies, attachments, groups and grants allow the application to use named keys, and nothing else."""
    return _CHECKS[resource.type](resource)


def is_application(principal: object) -> bool:
    """Whether a name or an ARN is that of the application's role or user."""
    return resource_name(str(principal)).startswith(_NAMES)


def _managed_policy(policy: Resource) -> Iterator[str]:
    name = str(policy.props.get("name") or policy.props.get("namePrefix") or "")
    if policy.is_within(kinds.APP_ACCESS) or name.startswith(_POLICY_NAME):
        yield from check_statements(policy.props.get("policy"), _uses_keys_only)


def _inline_policy(policy: Resource) -> Iterator[str]:
    principal = policy.props.get("role") if policy.type == kinds.ROLE_POLICY else policy.props.get("user")
    if policy.is_within(kinds.APP_ACCESS) or is_application(principal):
        yield from check_statements(policy.props.get("policy"), _uses_keys_only)


def _role(role: Resource) -> Iterator[str]:
    if not is_application(role.props.get("name")):
        return
    yield from check_values(
        lambda policy: check_statements(policy.get("policy"), _uses_keys_only), role.props.get("inlinePolicies")
    )
    yield from check_values(_attached_policy, role.props.get("managedPolicyArns"))


def _uses_keys_only(statement: PolicyStatement) -> Iterator[str]:
    if not statement.allows:
        return
    yield from _allowed_actions(statement)
    if statement.not_resources is not None:
        yield f"{label(statement)} allows the application all but some resources (NotResource): list its key ARNs."
    for resource in statement.resources or ():
        if not _KEY_ARN.fullmatch(resource):
            yield f"{label(statement)} allows the application {resource}: allow the ARNs of its keys and nothing else."


def _allowed_actions(statement: PolicyStatement, *, additional: frozenset[str] = frozenset()) -> Iterator[str]:
    if statement.not_actions is not None:
        yield f"{label(statement)} allows the application all but some actions (NotAction): list the actions it needs."
    for action in statement.actions:
        if action.lower() not in ACTIONS | additional:
            yield f"{label(statement)} allows the application {action}: it needs {_NEEDED} and nothing else."


_NEEDED = "kms:Decrypt, kms:GenerateDataKey and kms:DescribeKey"


def _policy_attachment(attachment: Resource) -> Iterator[str]:
    if attachment.is_within(kinds.APP_ACCESS) or _is_attached_to_the_application(attachment):
        yield from _attached_policy(attachment.props.get("policyArn"))


def _policy_attachments(attachments: Resource) -> Iterator[str]:
    name = "roleName" if attachments.type == kinds.ROLE_ATTACHMENTS else "userName"
    if is_application(attachments.props.get(name)):
        yield from check_values(_attached_policy, attachments.props.get("policyArns"))


def _is_attached_to_the_application(attachment: Resource) -> bool:
    return any(is_application(name) for name in _attached_to(attachment))


def _attached_to(attachment: Resource) -> list[str]:
    props = attachment.props
    if attachment.type == kinds.POLICY_ATTACHMENT:
        names = [*(props.get("roles") or ()), *(props.get("users") or ())]
    else:
        names = [props.get("role"), props.get("user")]
    return [str(name) for name in names if name]


def _attached_policy(policy_arn: Any) -> Iterator[str]:
    if policy_arn is not None and not _POLICY_ARN.fullmatch(str(policy_arn)):
        allowed = " or ".join(APPLICATION_POLICIES)
        yield f"The policy {policy_arn} is attached to the application: attach {allowed} and no other policy."


def _group_membership(membership: Resource) -> Iterator[str]:
    props = membership.props
    users = [props.get("user")] if membership.type == kinds.USER_GROUPS else list(props.get("users") or ())
    for user in users:
        if is_application(user):
            yield f"The application's user {user} is in a group and has its permissions: remove it from the group."


def _grant(grant: Resource) -> Iterator[str]:
    if not is_application(grant.props.get("granteePrincipal")):
        return
    for operation in grant.props.get("operations") or ():
        if operation not in OPERATIONS:
            yield f"A grant allows the application {operation}: it needs {_NEEDED} and nothing else."


def _key_policy(resource: Resource) -> Iterator[str]:
    additional = IMPORTED_ACTIONS if "policy" in resource.ignored else frozenset()

    def application_statement(statement: PolicyStatement) -> Iterator[str]:
        # In a key policy the Resource "*" is the key itself.
        if statement.allows and _allows_the_application(statement):
            yield from _allowed_actions(statement, additional=additional)

    return check_statements(resource.props.get("policy"), application_statement)


def _allows_the_application(statement: PolicyStatement) -> bool:
    if statement.sid == STATEMENT or any(is_application(name) for _, name in statement.principals):
        return True
    return any(_selects_the_application(statement, name) for _, name in statement.principals)


def _selects_the_application(statement: PolicyStatement, name: str) -> bool:
    """Whether a statement for the account's root has a condition on the caller that the application can meet.

    Other parts of the condition, such as MFA, are unknown here and do not make it safe.
    """
    account = account_of(name)
    callers = {key.lower(): values for keys in statement.conditions.values() for key, values in keys.items()}
    if account is None or not name.endswith((":root", account)) or "aws:principalarn" not in callers:
        return False
    root = Arn.find(name)
    partition = root.partition if root else "aws"
    arns = [f"arn:{partition}:iam::{account}:{kind}" for kind in ("role/eonpro-app-role", "user/eonpro-app-user")]
    # The application of another environment has the environment at the end of its name.
    arns += [value for value in callers["aws:principalarn"] if is_application(value)]
    return any(conditions_hold(statement.conditions, {"aws:principalarn": (arn,)}) is not False for arn in arns)


_CHECKS = {
    kinds.POLICY: _managed_policy,
    kinds.ROLE_POLICY: _inline_policy,
    kinds.USER_POLICY: _inline_policy,
    kinds.ROLE: _role,
    kinds.ROLE_ATTACHMENT: _policy_attachment,
    kinds.USER_ATTACHMENT: _policy_attachment,
    kinds.POLICY_ATTACHMENT: _policy_attachment,
    kinds.ROLE_ATTACHMENTS: _policy_attachments,
    kinds.USER_ATTACHMENTS: _policy_attachments,
    kinds.USER_GROUPS: _group_membership,
    kinds.GROUP_USERS: _group_membership,
    kinds.GRANT: _grant,
    kinds.KEY_POLICY: _key_policy,
    **dict.fromkeys(kinds.KEYS, _key_policy),
}


def application_single_policy(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """The role or user of AppAccess, an existing one too, has no other policy from this stack."""
    attachment_types = (kinds.ROLE_ATTACHMENT, kinds.USER_ATTACHMENT, kinds.POLICY_ATTACHMENT)
    attachments = [resource for resource in resources if resource.type in attachment_types]
    inline_policies = [resource for resource in resources if resource.type in (kinds.ROLE_POLICY, kinds.USER_POLICY)]
    principals = {name for item in attachments if item.is_within(kinds.APP_ACCESS) for name in _attached_to(item)}
    others = [item for item in attachments if not any(map(item.is_within, APPLICATION_POLICIES.values()))]
    for policy in (*others, *inline_policies):
        if not policy.is_within(kinds.APP_ACCESS) and (shared := sorted(principals.intersection(_attached_to(policy)))):
            yield policy.urn, f"The application ({shared[0]}) has another policy than {_POLICY_NAME}: remove it."


RULES = (
    Rule(
        name="application-rights",
        description=f"The application has {_NEEDED} on its own keys, and no other permission.",
        types=frozenset(_CHECKS),
        check=application_permissions,
    ),
)
STACK_RULES = (
    StackRule(
        name="application-single-policy",
        description="This stack attaches one policy to the application's principal, and no other.",
        check=application_single_policy,
    ),
)
