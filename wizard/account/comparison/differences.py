"""The differences between a manual set-up and the stack's settings, by part, as text.

Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components import policies
from components.policies.evaluation import KeyPolicyDecision
from components.policies.stack import application_trust_of, decide_by_key_policy_of, key_policy_of
from components.policies.statements import statements_of
from components.settings import ImportGroup, ResourceKind, Settings
from components.settings.arn import Arn, resource_of
from wizard.account.comparison.policies import DELETED, Right, Widening, can_mean, names_of, rights, same, widening
from wizard.account.comparison.trail import DifferenceRow, bucket_differences, trail_differences
from wizard.core.models.account import Difference, DiscoveredSetup, KeyFact

_MOST_ACTIONS = 5
_MOST_DANGEROUS = frozenset((*policies.DELETION_ACTIONS, *policies.USE_ACTIONS, "kms:PutKeyPolicy"))
"""Listed first, so that shortening never hides them."""

_VERBS = {"Allow": "allows", "Deny": "denies"}
_SPELLED = {"aws:sourceaccount": "aws:SourceAccount", "aws:sourcearn": "aws:SourceArn"}


def differences_of(discovered: DiscoveredSetup, settings: Settings) -> tuple[Difference, ...]:
    """Every difference, in the order of the parts; none for missing resources, which the stack creates."""
    others = tuple(
        Difference(part=part, what=what, actual=actual, desired=desired)
        for part, differences in (
            (ImportGroup.APPLICATION_ROLE, _role(discovered, settings)),
            (ImportGroup.APPLICATION_POLICY, _policy(discovered, settings)),
            (ImportGroup.TRAIL, trail_differences(discovered, settings)),
            (ImportGroup.BUCKET, bucket_differences(discovered, settings)),
        )
        for what, actual, desired in differences
    )
    return (*_key(discovered, settings), *others)


def _key(discovered: DiscoveredSetup, settings: Settings) -> Iterator[Difference]:
    key = discovered.key
    if key is None:
        return
    if discovered.key_policy is not None:
        yield from key_policy_differences(discovered.key_policy, settings, key_arn=key.arn)
    for what, actual, desired in _properties(key, settings):
        yield Difference(part=ImportGroup.KEY, what=what, actual=actual, desired=desired)


def _properties(key: KeyFact, settings: Settings) -> Iterator[DifferenceRow]:
    if not key.rotation_enabled:
        yield ("key, rotation", "off" if key.rotation_enabled is False else "not known", "on")
    elif key.rotation_period_days not in (None, settings.rotation_period_days):
        yield ("key, rotation", f"every {key.rotation_period_days} days", f"every {settings.rotation_period_days} days")
    if key.description != (desired := settings.names.key_description):
        yield ("key, description", key.description or "none", desired)
    yield from _tags(key, settings)


def _tags(key: KeyFact, settings: Settings) -> Iterator[DifferenceRow]:
    desired = settings.tags
    if key.tags is None:
        yield ("key, tags", "not known", ", ".join(f"{name}={value}" for name, value in desired.items()))
        return
    for name in sorted({*key.tags, *desired}):
        # Nobody can change the tags of AWS.
        if key.tags.get(name) != desired.get(name) and not name.startswith("aws:"):
            yield (f"key, tag {name}", key.tags.get(name, "none"), desired.get(name, "none"))


def key_policy_differences(actual: Mapping[str, Any], settings: Settings, *, key_arn: str) -> tuple[Difference, ...]:
    """Every difference of the policy of the key, or of a replica, from the settings; each says whether it widens.

    The one comparison of a key policy: import and doctor show all of it, verify, push, status and the checklist
    what widens.
    """
    desired = key_policy_of(settings)
    if same(actual, desired):
        return ()
    wider = widening(actual, desired, resource=key_arn, account=settings.account_id)
    differences = (
        *_delegation(actual, desired, settings),
        *_named(actual, desired, settings, wider, key_arn),
        *_denials(actual, desired, settings, wider),
    )
    # A difference that none of these covers is reported too, because an update would remove it.
    words = ("key policy", "other words for the same rights, or more conditions", "as the stack writes it")
    return differences or (_of_policy(*words, widens=False),)


def _of_policy(what: str, actual: str, desired: str, *, widens: bool) -> Difference:
    return Difference(part=ImportGroup.KEY, what=what, actual=actual, desired=desired, widens=widens)


def _delegates(document: Mapping[str, Any], settings: Settings) -> bool:
    root = settings.arn("iam", "root")
    return decide_by_key_policy_of(settings, document, root, "kms:PutKeyPolicy") is KeyPolicyDecision.NAMED


def _delegation(actual: Mapping[str, Any], desired: Mapping[str, Any], settings: Settings) -> Iterator[Difference]:
    words = {True: "IAM policies have effect on the key", False: "no delegation to IAM"}
    is_delegated, should_be = _delegates(actual, settings), _delegates(desired, settings)
    if is_delegated != should_be:
        yield _of_policy("key policy, IAM", words[is_delegated], words[should_be], widens=is_delegated)


def _named(
    actual: Mapping[str, Any], desired: Mapping[str, Any], settings: Settings, wider: Widening, key_arn: str
) -> Iterator[Difference]:
    """What each principal is allowed, and what the settings allow it."""
    actual_rights, desired_rights = _allowed(actual, key_arn), _allowed(desired, key_arn)
    if _delegates(actual, settings) != _delegates(desired, settings):
        # Reported as the delegation; only rights under a condition are not part of it.
        for side in (actual_rights, desired_rights):
            side[settings.account_id] = {pair for pair in side.get(settings.account_id, ()) if pair[1]}
    special = (*settings.deletion_administrators, *settings.incident_responders)
    order = [*settings.administrators, *special, *settings.app_principal_arns]
    more = {(right.principal, right.action, _condition_words(right)) for right in wider.allowed}
    for principal in sorted(
        {*actual_rights, *desired_rights}, key=lambda arn: (order.index(arn) if arn in order else 99, arn)
    ):
        who = f"key policy, {_who(principal, settings)}"
        has, gets = actual_rights.get(principal, set()), desired_rights.get(principal, set())
        if has - gets:
            widens = any((principal, *pair) in more for pair in has - gets)
            yield _of_policy(who, f"may {_actions(has - gets)}", "may not" if gets else "not named", widens=widens)
        if gets - has:
            yield _of_policy(who, "may not" if has else "not named", f"may {_actions(gets - has)}", widens=False)


def _allowed(document: Mapping[str, Any], key_arn: str) -> dict[str, set[tuple[str, str]]]:
    """Principal → (action, condition as text) of every Allow on the key, which is `*` in its own policy."""
    allowed: dict[str, set[tuple[str, str]]] = {}
    for right in rights(document):
        if right.effect == "Allow" and can_mean(right.resource, key_arn):
            allowed.setdefault(right.principal, set()).add((right.action, _condition_words(right)))
    return allowed


def _denials(
    actual: Mapping[str, Any], desired: Mapping[str, Any], settings: Settings, wider: Widening
) -> Iterator[Difference]:
    actual_rights = {right for right in rights(actual) if right.effect == "Deny"}
    desired_rights = {right for right in rights(desired) if right.effect == "Deny"}
    missing, extra = desired_rights - actual_rights, actual_rights - desired_rights

    def widens(denials: Iterable[Right]) -> bool:
        return not wider.undenied.isdisjoint(denials)

    deletion = {right for right in missing if right.action == "kms:ScheduleKeyDeletion" and right.principal == "*"}
    in_use = {right for right in missing if right.action == "kms:DisableKey" and right.principal == "*"}
    use = {right for right in missing if right.action in policies.USE_ACTIONS and right.principal == "*"}
    by_anybody = {right for right in deletion if "kms:" not in _condition_words(right)}
    if by_anybody:
        who = ", ".join(resource_of(arn) for arn in settings.deletion_administrators) or "nobody"
        rule = f"{who} may schedule it"
        yield _of_policy("key policy, deletion", _who_deletes(actual, settings), rule, widens=widens(by_anybody))
    elif deletion:
        rule = f"only after {settings.usage_guard_days} days without a use, and with the longest waiting period"
        yield _of_policy("key policy, deletion", "may be scheduled earlier", rule, widens=False)
    if in_use:
        who = ", ".join(resource_of(arn) for arn in settings.incident_responders) or "nobody"
        rule = f"{who} may disable it for {settings.usage_guard_days} days after a use"
        current = "those whom IAM allows may disable it"
        # It lets nobody do what the settings forbid for good; a stack of an earlier release has no such denial yet.
        yield _of_policy("key policy, a key in use", current, rule, widens=False)
    if use:
        current, rule = "open to everybody allowed by IAM or the policy", "denied to all but the application"
        yield _of_policy("key policy, use", current, rule, widens=widens(use))
    for principal in sorted({right.principal for right in missing} - {"*"}):
        of_principal = {right for right in missing if right.principal == principal}
        words = _actions({(right.action, _condition_words(right)) for right in of_principal})
        who = f"key policy, {_who(principal, settings)}"
        yield _of_policy(who, "not denied", f"denied {words}", widens=widens(of_principal))
    if extra:
        denied = ", ".join(sorted({_who(right.principal, settings) for right in extra}))
        words = _actions({(right.action, "") for right in extra})
        yield _of_policy(f"key policy, {denied}", f"denied {words}", "no such denial", widens=False)


def _who_deletes(actual: Mapping[str, Any], settings: Settings) -> str:
    able = [
        arn
        for arn in settings.administrators
        if decide_by_key_policy_of(settings, actual, arn, "kms:ScheduleKeyDeletion") is KeyPolicyDecision.NAMED
    ]
    if able:
        return "administrators may schedule it"
    root = settings.arn("iam", "root")
    through = decide_by_key_policy_of(settings, actual, root, "kms:ScheduleKeyDeletion") is KeyPolicyDecision.NAMED
    return "those whom IAM allows may schedule it" if through else "not denied"


def _who(principal: str, settings: Settings) -> str:
    if principal == "*":
        return "everybody"
    if principal.isdigit():
        return "the account's IAM" if principal == settings.account_id else f"the account {principal}"
    kind = "administrator " if principal in settings.administrators else ""
    kind = "application " if principal in settings.app_principal_arns else kind
    if principal.startswith(DELETED):
        return f"{principal}, which is deleted"
    # Of another account the whole ARN: its name alone would look like one of ours.
    is_ours = f"::{settings.account_id}:" in principal or not principal.startswith("arn:")
    return kind + (resource_of(principal) if is_ours else principal)


def _actions(pairs: Iterable[tuple[str, str]]) -> str:
    ordered = sorted(pairs, key=lambda pair: (pair[0] not in _MOST_DANGEROUS, pair))
    texts = [
        f"{action.removeprefix('kms:')}{f' ({condition})' if condition else ''}"
        for action, condition in ordered[:_MOST_ACTIONS]
    ]
    rest = len(ordered) - len(texts)
    return ", ".join(texts) + (f" and {rest} more" if rest else "")


def _condition_words(right: Right) -> str:
    return ", ".join(f"if {key} {operator} {' or '.join(values)}" for operator, key, values in right.condition)


def _role(discovered: DiscoveredSetup, settings: Settings) -> Iterator[DifferenceRow]:
    if discovered.role_trust is None:
        return
    for policy in discovered.role_policies:
        # Never removed: the application may need it for other data.
        yield ("role, other policies", resource_of(policy), "none; a repair leaves it, look at it")
    boundary = discovered.role_boundary
    if boundary != settings.permissions_boundary_arn:
        desired = settings.permissions_boundary_arn
        yield ("role, permissions boundary", resource_of(boundary or "none"), resource_of(desired or "none"))
    trust = application_trust_of(settings)
    if same(discovered.role_trust, trust):
        return
    differences = [*_trust(discovered.role_trust, trust)]
    yield from differences or [("role trust", "other operators, actions or denials", "as the stack writes it")]


def _trust(actual: Mapping[str, Any], desired: Mapping[str, Any]) -> Iterator[DifferenceRow]:
    actual_trust, desired_trust = _trusted(actual), _trusted(desired)
    for principal in sorted({*actual_trust, *desired_trust}):
        who = _trusted_words(principal)
        if principal not in desired_trust:
            yield (f"role trust, {who}", "may assume the role", "may not")
        elif principal not in actual_trust:
            yield (f"role trust, {who}", "may not assume the role", "may assume it")
        else:
            for conditions in actual_trust[principal]:
                yield from _conditions(who, conditions, desired_trust[principal][0])


def _trusted(document: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Principal → the conditions, by key, of each statement that trusts it."""
    trusted: dict[str, list[dict[str, str]]] = {}
    for statement in statements_of(document):
        if statement.allows:
            conditions = {key: " or ".join(values) for _, key, values in statement.tests}
            for principal in names_of(statement.principals) or ("",):
                trusted.setdefault(principal, []).append(conditions)
    return trusted


def _conditions(who: str, actual: Mapping[str, str], desired: Mapping[str, str]) -> Iterator[DifferenceRow]:
    for key in sorted({*actual, *desired}):
        if actual.get(key) != desired.get(key):
            # Without the issuer in the key of a token's claim, which the principal names.
            name = _SPELLED.get(key, key) if key.startswith("aws:") else key.rpartition(":")[2]
            yield (f"role trust, {who}, {name}", actual.get(key, "any"), desired.get(key, "any"))


def _trusted_words(principal: str) -> str:
    kind, colon, name = principal.partition(": ")
    if not colon:
        return "everybody" if principal == "*" else resource_of(principal)
    if kind == "Service":
        return name.removesuffix(".amazonaws.com")
    return resource_of(name).removeprefix("oidc-provider/")


def _policy(discovered: DiscoveredSetup, settings: Settings) -> Iterator[DifferenceRow]:
    if discovered.policy_arn is None:
        return
    if not any(resource.thing is ResourceKind.POLICY_ATTACHMENT for resource in discovered.things) and (
        settings.app_principal_arn or settings.makes_role
    ):
        yield ("application policy", f"not attached to {resource_of(settings.app_principal_arns[0])}", "attached")
    if discovered.key is None:
        yield ("application policy, key", "another key, or a deleted one", "the key that the stack creates")
        return
    keys = [str(Arn.parse(discovered.key.arn).with_region(region)) for region in settings.regions]
    actual_rights, desired_rights = rights(discovered.policy), rights(policies.application_policy(key_arns=keys))
    for effect, resource in sorted({(right.effect, right.resource) for right in actual_rights | desired_rights}):
        on = "" if resource == keys[0] else f", {resource}"
        more, less = (
            {
                (right.action, _condition_words(right))
                for right in side
                if right.effect == effect and right.resource == resource
            }
            for side in (actual_rights - desired_rights, desired_rights - actual_rights)
        )
        if more:
            yield (f"application policy{on}", f"{_VERBS.get(effect, effect)} {_actions(more)}", "no such statement")
        if less:
            yield (f"application policy{on}", "no such statement", f"allows {_actions(less)}")
