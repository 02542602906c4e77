"""How an account that was created manually is not as the stack would have it, part by part, in words.

Pure: facts and settings in, differences out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.stack import application_trust_of, key_policy_of
from components.settings import ImportGroup, ResourceKind, Settings
from wizard.core.models.account import Difference, DiscoveredSetup, KeyFact
from wizard.setup.importing.policies import Right, condition_of, principals, rights, same, short, statements
from wizard.setup.importing.trail import Told, bucket_differences, trail_differences

KEY_DESCRIPTION = "EONPRO PHI encryption key for HIPAA compliance"
"""As the guide has it, and the program."""

_ACTIONS_TOLD = 5
_GRAVEST = frozenset((*policies.DELETION_ACTIONS, *policies.USE_ACTIONS, "kms:PutKeyPolicy"))
"""Told first, so that no shortening hides them."""

_VERBS = {"Allow": "allows", "Deny": "denies"}
_SPELLED = {"aws:sourceaccount": "aws:SourceAccount", "aws:sourcearn": "aws:SourceArn"}


def differences_of(discovered: DiscoveredSetup, settings: Settings) -> tuple[Difference, ...]:
    """Every difference, in the order of the parts; none for what is not there, since the stack makes that."""
    return tuple(
        Difference(part=part, what=what, found=found, wanted=wanted)
        for part, told in (
            (ImportGroup.KEY, _key(discovered, settings)),
            (ImportGroup.APPLICATION_ROLE, _role(discovered, settings)),
            (ImportGroup.APPLICATION_POLICY, _policy(discovered, settings)),
            (ImportGroup.TRAIL, trail_differences(discovered, settings)),
            (ImportGroup.BUCKET, bucket_differences(discovered, settings)),
        )
        for what, found, wanted in told
    )


# --- the key ------------------------------------------------------------------------------------------------------


def _key(discovered: DiscoveredSetup, settings: Settings) -> Iterator[Told]:
    key = discovered.key
    if key is None:
        return
    if discovered.key_policy is not None:
        yield from _key_policy(discovered.key_policy, settings)
    if not key.rotation_enabled:
        yield ("key, rotation", "off" if key.rotation_enabled is False else "not known", "on")
    elif key.rotation_period_days not in (None, settings.rotation_period_days):
        yield ("key, rotation", f"every {key.rotation_period_days} days", f"every {settings.rotation_period_days} days")
    if key.description != KEY_DESCRIPTION:
        yield ("key, description", key.description or "none", KEY_DESCRIPTION)
    yield from _tags(key, settings)


def _tags(key: KeyFact, settings: Settings) -> Iterator[Told]:
    wanted = settings.tags
    for name in sorted({*key.tags, *wanted}):
        # Tags of AWS's own are nobody's to change.
        if key.tags.get(name) != wanted.get(name) and not name.startswith("aws:"):
            yield (f"key, tag {name}", key.tags.get(name, "none"), wanted.get(name, "none"))


def _key_policy(found: Mapping[str, Any], settings: Settings) -> Iterator[Told]:
    wanted = key_policy_of(settings)
    if same(found, wanted):
        return
    told = [
        *_delegation(found, wanted, settings),
        *_named(found, wanted, settings),
        *_denials(found, wanted, settings),
    ]
    # Whatever the words above do not cover is said all the same: an update would take it away.
    yield from told or [("key policy", "other words for the same rights, or more conditions", "as the stack writes it")]


def _delegates(document: Mapping[str, Any], settings: Settings) -> bool:
    root = f"arn:{settings.partition}:iam::{settings.account_id}:root"
    return decide_by_key_policy(document, root, "kms:PutKeyPolicy") is KeyPolicyDecision.NAMED


def _delegation(found: Mapping[str, Any], wanted: Mapping[str, Any], settings: Settings) -> Iterator[Told]:
    words = {True: "IAM policies have effect on the key", False: "no delegation to IAM"}
    have, shall = _delegates(found, settings), _delegates(wanted, settings)
    if have != shall:
        yield ("key policy, IAM", words[have], words[shall])


def _named(found: Mapping[str, Any], wanted: Mapping[str, Any], settings: Settings) -> Iterator[Told]:
    """What each principal may, beside what it shall."""
    have, shall = _allowed(found), _allowed(wanted)
    if _delegates(found, settings) != _delegates(wanted, settings):
        # Told as the delegation that it is; what the account may under a condition is not part of that.
        for side in (have, shall):
            side[settings.account_id] = {pair for pair in side.get(settings.account_id, ()) if pair[1]}
    order = [*settings.administrators, *settings.deletion_administrators, *settings.app_principal_arns]
    for principal in sorted({*have, *shall}, key=lambda each: (order.index(each) if each in order else 99, each)):
        who = _who(principal, settings)
        has, gets = have.get(principal, set()), shall.get(principal, set())
        if has - gets:
            yield (f"key policy, {who}", f"may {_actions(has - gets)}", "may not" if gets else "not named")
        if gets - has:
            yield (f"key policy, {who}", "may not" if has else "not named", f"may {_actions(gets - has)}")


def _allowed(document: Mapping[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Principal → (action, condition in words) of every Allow that has an effect: on `*`, the key itself."""
    allowed: dict[str, set[tuple[str, str]]] = {}
    for right in rights(document):
        if right.effect == "Allow" and right.resource == "*":
            allowed.setdefault(right.principal, set()).add((right.action, _condition_words(right)))
    return allowed


def _denials(found: Mapping[str, Any], wanted: Mapping[str, Any], settings: Settings) -> Iterator[Told]:
    have = {right for right in rights(found) if right.effect == "Deny"}
    shall = {right for right in rights(wanted) if right.effect == "Deny"}
    missing, extra = shall - have, have - shall
    if any(right.action == "kms:ScheduleKeyDeletion" for right in missing):
        named = ", ".join(short(arn) for arn in settings.deletion_administrators)
        yield ("key policy, deletion", _who_deletes(found, settings), f"{named or 'nobody'} may schedule it")
    if any(right.action == "kms:Decrypt" and right.principal == "*" for right in missing):
        yield ("key policy, use", "open to whom IAM or the policy allows it", "denied to all but the application")
    for principal in sorted({right.principal for right in missing} - {"*"}):
        denied = {(right.action, _condition_words(right)) for right in missing if right.principal == principal}
        yield (f"key policy, {_who(principal, settings)}", "not denied", f"denied {_actions(denied)}")
    if extra:
        whom = ", ".join(sorted({_who(right.principal, settings) for right in extra}))
        yield (f"key policy, {whom}", f"denied {_actions({(right.action, '') for right in extra})}", "no such denial")


def _who_deletes(found: Mapping[str, Any], settings: Settings) -> str:
    able = [
        arn
        for arn in settings.administrators
        if decide_by_key_policy(found, arn, "kms:ScheduleKeyDeletion") is KeyPolicyDecision.NAMED
    ]
    if able:
        return "administrators may schedule it"
    root = f"arn:{settings.partition}:iam::{settings.account_id}:root"
    through = decide_by_key_policy(found, root, "kms:ScheduleKeyDeletion") is KeyPolicyDecision.NAMED
    return "whoever IAM allows may schedule it" if through else "not denied"


def _who(principal: str, settings: Settings) -> str:
    if principal == "*":
        return "everybody"
    if principal.isdigit():
        return "the account's IAM" if principal == settings.account_id else f"the account {principal}"
    kind = "administrator " if principal in settings.administrators else ""
    kind = "application " if principal in settings.app_principal_arns else kind
    if principal.startswith(("AIDA", "AROA")):
        # KMS shows the unique id once the user or role behind a name is gone.
        return f"{principal}, which is deleted"
    return kind + short(principal)


def _actions(pairs: Iterable[tuple[str, str]]) -> str:
    ordered = sorted(pairs, key=lambda pair: (pair[0] not in _GRAVEST, pair))
    told = [
        f"{action.removeprefix('kms:')}{f' ({condition})' if condition else ''}"
        for action, condition in ordered[:_ACTIONS_TOLD]
    ]
    rest = len(ordered) - len(told)
    return ", ".join(told) + (f" and {rest} more" if rest else "")


def _condition_words(right: Right) -> str:
    return ", ".join(f"if {key} {operator} {' or '.join(values)}" for operator, key, values in right.condition)


# --- the application ----------------------------------------------------------------------------------------------


def _role(discovered: DiscoveredSetup, settings: Settings) -> Iterator[Told]:
    if discovered.role_trust is None:
        return
    for beside in discovered.role_policies:
        # Never taken away: the application may need it for what is not PHI.
        yield ("role, other policies", short(beside), "none; a repair leaves it, look at it")
    boundary = discovered.role_boundary
    if boundary != settings.permissions_boundary_arn:
        wanted = settings.permissions_boundary_arn
        yield ("role, permissions boundary", short(boundary or "none"), short(wanted or "none"))
    provider = settings.vercel_oidc_provider_arn
    if provider is None and settings.vercel_team:
        provider = policies.vercel_oidc_provider_arn(
            account_id=settings.account_id, team=settings.vercel_team, partition=settings.partition
        )
    trust = application_trust_of(settings, vercel_provider_arn=provider)
    if same(discovered.role_trust, trust):
        return
    told = [*_trust(discovered.role_trust, trust)]
    yield from told or [("role trust", "other operators, actions or denials", "as the stack writes it")]


def _trust(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Told]:
    have, shall = _trusted(found), _trusted(wanted)
    for principal in sorted({*have, *shall}):
        who = _trusted_words(principal)
        if principal not in shall:
            yield (f"role trust, {who}", "may take the role", "may not")
        elif principal not in have:
            yield (f"role trust, {who}", "may not take the role", "may take it")
        else:
            for conditions in have[principal]:
                yield from _loose(who, conditions, shall[principal][0])


def _trusted(document: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Principal → the conditions, by key, of each statement that trusts it."""
    trusted: dict[str, list[dict[str, str]]] = {}
    for statement in statements(document):
        if statement.get("Effect") == "Allow":
            conditions = {key: " or ".join(values) for _, key, values in condition_of(statement)}
            for principal in principals(statement.get("Principal")):
                trusted.setdefault(principal, []).append(conditions)
    return trusted


def _loose(who: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Told]:
    for key in sorted({*found, *wanted}):
        if found.get(key) != wanted.get(key):
            # The key of a token's claim bears its issuer, which the principal tells already.
            name = _SPELLED.get(key, key) if key.startswith("aws:") else key.rpartition(":")[2]
            yield (f"role trust, {who}, {name}", found.get(key, "any"), wanted.get(key, "any"))


def _trusted_words(principal: str) -> str:
    kind, colon, name = principal.partition(": ")
    if not colon:
        return "everybody" if principal == "*" else short(principal)
    if kind == "Service":
        return name.removesuffix(".amazonaws.com")
    return short(name).removeprefix("oidc-provider/")


def _policy(discovered: DiscoveredSetup, settings: Settings) -> Iterator[Told]:
    if discovered.policy_arn is None:
        return
    if not any(found.thing is ResourceKind.POLICY_ATTACHMENT for found in discovered.things) and (
        settings.app_principal_arn or settings.makes_role
    ):
        whom = short(settings.app_principal_arns[0])
        yield ("application policy", f"not attached to {whom}", "attached")
    if discovered.key is None:
        yield ("application policy, key", "another, or one that is gone", "the key that the stack makes")
        return
    keys = [_replica(discovered.key.arn, region) for region in settings.regions]
    have, shall = rights(discovered.policy), rights(policies.application_policy(key_arns=keys))
    for effect, resource in sorted({(right.effect, right.resource) for right in have | shall}):
        on = "" if resource == keys[0] else f", {resource}"
        more, less = (
            {
                (right.action, _condition_words(right))
                for right in side
                if right.effect == effect and right.resource == resource
            }
            for side in (have - shall, shall - have)
        )
        if more:
            yield (f"application policy{on}", f"{_VERBS.get(effect, effect)} {_actions(more)}", "nothing of the kind")
        if less:
            yield (f"application policy{on}", "nothing of the kind", f"allows {_actions(less)}")


def _replica(key_arn: str, region: str) -> str:
    parts = key_arn.split(":", 5)
    return ":".join((*parts[:3], region, *parts[4:]))
