"""The guardrails that refuse every permission that is not listed: for the PHI key, the application's principal and the
data key.

Touches nothing. The lists come from the stack's settings, by the same functions that the program uses
(`components.policies`), so that no other form of a statement passes: no other principal, account, service, subject,
condition, action, NotAction, NotPrincipal or NotResource.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components import policies
from components.policies.evaluation.conditions import matches
from components.policies.key import USE_ACTIONS
from components.policies.stack import NewRole, application_trust_of, key_policy_of, readers_of, vercel_provider_arn_of
from components.policies.statements import PolicyStatement
from components.settings import Settings
from components.settings.arn import Arn, resource_name

from . import resource_types as kinds
from .policy_documents import check_statements, label, statements
from .rule import Resource, Rule


def listed_access(resource: Resource) -> Iterator[str]:
    """The resource gives the access that is listed for the stack's settings, and no other."""
    if resource.settings is not None:
        yield from _CHECKS[resource.type](resource, resource.settings)
    elif resource.is_within(kinds.PHI_KEY) or resource.is_within(kinds.APP_PRINCIPAL):
        yield "The stack's settings cannot be read, so that its access cannot be checked: correct Pulumi.<stack>.yaml."


def _key(key: Resource, settings: Settings) -> Iterator[str]:
    if not key.is_within(kinds.PHI_KEY) or "policy" in key.ignored:
        return
    if key.props.get("policy") in (None, ""):
        yield "The PHI key has no key policy: KMS would give it the default one, which has no Deny of deletion."
        return
    yield from _compare(key.props["policy"], key_policy_of(settings), "the key policy")


def _key_policy(_policy: Resource, _settings: Settings) -> Iterator[str]:
    yield "A second resource sets a key policy: remove it, the key's own policy is the only one."


def _grant(grant: Resource, settings: Settings) -> Iterator[str]:
    grantee = grant.props.get("granteePrincipal")
    if grantee not in settings.app_principal_arns:
        yield f"A grant gives {grantee} access to a key, past the key policy: remove it."


def _role(role: Resource, settings: Settings) -> Iterator[str]:
    expected = _expected_trust(role, settings)
    if expected is not None and "assumeRolePolicy" not in role.ignored:
        yield from _compare(role.props.get("assumeRolePolicy"), expected, "the trust policy of the role")
    for inline_policy in role.props.get("inlinePolicies") or ():
        yield from check_statements(inline_policy.get("policy"), _uses_no_key)


def _expected_trust(role: Resource, settings: Settings) -> policies.Policy | None:
    if role.is_within(kinds.APP_PRINCIPAL) or _is_application(role.props.get("name"), settings):
        return application_trust_of(settings, vercel_provider_arn=vercel_provider_arn_of(settings))
    if role.is_within(kinds.DELIVERY):
        # A role that no deploy target needs trusts nobody.
        roles = [reader.role for reader in readers_of(settings) if isinstance(reader.role, NewRole)]
        return next((each.trust for each in roles if each.name == role.props.get("name")), policies.policy([]))
    return None


def _policy(policy: Resource, settings: Settings) -> Iterator[str]:
    if policy.type != kinds.POLICY and any(_is_application(name, settings) for name in _names(policy)):
        yield "The application has a policy of its own in addition to EONPROKMSAccess: remove it."
    check = _own_keys(settings) if policy.is_within(kinds.APP_ACCESS) else _uses_no_key
    if "policy" not in policy.ignored:
        yield from check_statements(policy.props.get("policy"), check)


def _own_keys(settings: Settings) -> Callable[[PolicyStatement], Iterator[str]]:
    own = tuple(settings.arn("kms", "key/", region=region) for region in settings.regions)

    def check(statement: PolicyStatement) -> Iterator[str]:
        for name in statement.resources or ():
            if statement.allows and not name.startswith(own):
                yield f"{label(statement)} allows the application {name}: that is no key of this stack."

    return check


def _uses_no_key(statement: PolicyStatement) -> Iterator[str]:
    if not statement.allows:
        return
    if statement.not_actions is not None:
        yield f"{label(statement)} allows all but some actions (NotAction): list the actions."
    for pattern in statement.actions:
        if any(matches(pattern, action, ignore_case=True) for action in USE_ACTIONS):
            yield f"{label(statement)} allows {pattern}: only EONPROKMSAccess allows the use of a key."


def _attachment(attachment: Resource, settings: Settings) -> Iterator[str]:
    reads_itself = any(reader.role is None for reader in readers_of(settings))
    is_listed = attachment.is_within(kinds.APP_ACCESS) or (reads_itself and attachment.is_within(kinds.DELIVERY))
    if not is_listed and any(_is_application(name, settings) for name in _names(attachment)):
        yield "A second policy is attached to the application's principal: remove the attachment."


def _value(value: Resource, settings: Settings) -> Iterator[str]:
    name = value.props.get("secretId" if value.type == kinds.SECRET_VERSION else "name")
    # A secret's id may be its ARN, which has the name after ":secret:".
    if f"{settings.names.parameter_prefix}/" in f"{name or ''}/":
        yield f"{name} is where the wizard stores the data key and its versions: no stack may write there."


def _compare(document: Any, expected: Mapping[str, Any], where: str) -> Iterator[str]:
    """Every Allow of the document is an expected one, and every expected Deny is in it."""
    listed, present = statements(expected), set()

    def check(statement: PolicyStatement) -> Iterator[str]:
        present.add(statement)
        if statement.allows and statement not in listed:
            yield f"{label(statement)} of {where} is not listed for the settings of this stack: remove it."

    yield from check_statements(document, check)
    for statement in listed:
        if not statement.allows and statement not in present:
            yield f"{label(statement)} is missing in {where}: add it again."


def _names(resource: Resource) -> list[Any]:
    """Names of the roles and users that a policy or an attachment belongs to."""
    props = resource.props
    several = (
        [*(props.get("roles") or ()), *(props.get("users") or ())] if resource.type == kinds.POLICY_ATTACHMENT else []
    )
    return [*several, props.get("role"), props.get("user")]


def _is_application(name: Any, settings: Settings) -> bool:
    own = {Arn.parse(arn).name for arn in settings.app_principal_arns}
    # An attachment takes a role's name, or its id, which for a role is the name.
    return bool(name) and resource_name(str(name)) in own


_CHECKS: dict[str, Callable[[Resource, Settings], Iterator[str]]] = {
    **dict.fromkeys(kinds.KEYS, _key),
    kinds.KEY_POLICY: _key_policy,
    kinds.GRANT: _grant,
    kinds.ROLE: _role,
    **dict.fromkeys((kinds.POLICY, kinds.ROLE_POLICY, kinds.USER_POLICY), _policy),
    **dict.fromkeys((kinds.ROLE_ATTACHMENT, kinds.USER_ATTACHMENT, kinds.POLICY_ATTACHMENT), _attachment),
    **dict.fromkeys((kinds.PARAMETER, kinds.SECRET, kinds.SECRET_VERSION), _value),
}

RULES = (
    Rule(
        name="listed-access",
        description="The key, the application and the stored data key give the access that is listed, and no other.",
        types=frozenset(_CHECKS),
        check=listed_access,
    ),
)
