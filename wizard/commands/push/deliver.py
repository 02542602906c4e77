"""A delivery of a deployed stack: what would be refused, the data key, the targets, the verification.

Pure: acts through ports. Everything that can be refused is refused before anything is made or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from components.settings import Target
from wizard.commands.deployed_stack import DeployedStack
from wizard.core.errors import DataKeyConflict, PermissionDenied, UsageError
from wizard.core.models.delivery import Delivered, StoredDataKey, Verification
from wizard.core.models.progress import Mark
from wizard.core.models.vercel_environment import PRODUCTION, Scope
from wizard.core.next_command import wizard
from wizard.data_key import delivery, guard, storage
from wizard.setup import deliver_and_verify
from wizard.setup.steps import Clients, Request
from wizard.targets.port import TargetContext, deploy_target, deploy_targets
from wizard.targets.vercel.access_key import Ensured


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push did."""

    stored_data_key: StoredDataKey
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    warnings: tuple[str, ...] = ()
    renamed: str | None = None
    """What became of another data key that was there, in words; None where none was renamed."""


def targets_of(request: Request, found: DeployedStack) -> tuple[Target, ...]:
    """The stack's targets, or those of them that were named. Raises UsageError for one that the stack has not."""
    own = found.settings.deploy_targets
    answer = request.answers.get("target")
    named = tuple(Target(name) for name in answer.value) if answer else own
    if other := [target for target in named if target not in own]:
        raise UsageError(
            f"the stack {found.stack} does not deliver to {', '.join(other)}; it delivers to {', '.join(own)}",
            wizard("setup", "--stack", found.stack, "--target", ",".join((*own, *other))),
        )
    return named


def push(
    clients: Clients,
    context: TargetContext,
    scopes: tuple[Scope, ...],
    *,
    rename_existing: str | None = None,
) -> Pushed:
    """The stored data key, made where none ever was, to every target and scope; checked, and verified.

    `rename_existing` is the id of another data key in production, whose new name was confirmed.
    """
    ui, aws, settings, outputs = clients.ui, context.aws, context.settings, context.require_outputs()
    ui.section("Data key")
    ui.working("reading the stored data key")
    existing = storage.find_stored_data_key(aws, settings)
    if existing is None:
        _refuse_second_data_key(context, scopes)
    renamed = _rename_existing(clients, context, rename_existing, existing) if rename_existing else None
    replaceable = _refuse_conflicts(context, scopes, existing)
    stored = storage.ensure_data_key(aws, settings, outputs)
    deliver_and_verify.show_stored_data_key(ui, stored, outputs)
    delivered = delivery.deliver(
        context,
        stored.wrapped,
        on_delivered=lambda result: deliver_and_verify.tell_delivered(ui, result),
        replaceable=replaceable,
        scopes=scopes,
    )
    warnings = _warnings(context, scopes)
    for warning in warnings:
        ui.line(warning, mark=Mark.WARN)
    key = _access_key(clients, context) if PRODUCTION in scopes else None
    in_production = tuple(each for each in delivered if each.environment in ("", PRODUCTION.words))
    proofs = (
        deliver_and_verify.prove(clients, context, in_production, stored.wrapped, access_key=key.key if key else None)
        if in_production
        else ()
    )
    return Pushed(stored_data_key=stored, delivered=delivered, proofs=proofs, warnings=warnings, renamed=renamed)


def _refuse_second_data_key(context: TargetContext, scopes: tuple[Scope, ...]) -> None:
    """Raises where there was a data key before: another one could not open the records under it."""
    settings, places = context.settings, tuple(dict.fromkeys((PRODUCTION, *scopes)))
    guard.may_create(context.aws, settings, saved=settings, outputs=context.outputs).require()
    for target in deploy_targets(settings.deploy_targets):
        if target.has_own_copy:
            conflict = (
                partial(target.conflict, context, None, scopes=places) if target.name in context.targets else None
            )
            guard.may_create_for(target.title, conflict, settings, is_deployed=True).require()


def _rename_existing(clients: Clients, context: TargetContext, id: str, existing: StoredDataKey | None) -> str:
    """Give another data key in production another name; its value stays. Returns what became of it, in words."""
    target = next((each for each in map(deploy_target, context.targets) if each.has_own_copy), None)
    if existing is None or target is None:
        raise UsageError(
            f"the variable {id} was not changed: there is no data key of this stack to put in its place",
            wizard("doctor", "--stack", context.stack),
        )
    renamed = target.rename_existing(context, id, stored=existing.wrapped, today=clients.now().date())
    clients.ui.line(renamed, mark=Mark.WARN)
    return renamed


def _refuse_conflicts(
    context: TargetContext, scopes: tuple[Scope, ...], existing: StoredDataKey | None
) -> frozenset[str]:
    """The data keys that may be replaced. Raises where a delivery to any target or scope would be refused."""
    replaceable: frozenset[str] = frozenset()
    if existing is None:
        return replaceable
    key_arn = context.require_outputs().key_arn
    for target in map(deploy_target, context.targets):
        conflict = target.conflict(context, existing.wrapped, key_arn=key_arn, scopes=scopes)
        if conflict and (replaceable := _kept_versions(context)):
            conflict = target.conflict(
                context, existing.wrapped, key_arn=key_arn, replaceable=replaceable, scopes=scopes
            )
        if conflict:
            raise DataKeyConflict(f"{conflict.message}; nothing was changed", conflict.hint)
    return replaceable


def _kept_versions(context: TargetContext) -> frozenset[str]:
    """The fingerprints of every stored version; none where the caller may not list them."""
    try:
        return frozenset(each.fingerprint for each in context.aws.key_rotation.versions(context.settings))
    except PermissionDenied:
        # Then what is there is treated as another data key, and is not changed.
        return frozenset()


def _access_key(clients: Clients, context: TargetContext) -> Ensured | None:
    try:
        return deliver_and_verify.ensure_credentials(clients, context)
    except PermissionDenied as error:
        target = next((each for each in map(deploy_target, context.targets) if each.has_credentials(context)), None)
        if target is None:
            raise
        clients.ui.line(
            f"{target.title} has an access key; whether it is active, and how old, is not known: {error.message}",
            mark=Mark.WARN,
        )
        return None


def _warnings(context: TargetContext, scopes: tuple[Scope, ...]) -> tuple[str, ...]:
    """What a delivery to other environments than production means."""
    others = [scope for scope in scopes if scope != PRODUCTION]
    if not others or not any(deploy_target(target).has_environments for target in context.targets):
        return ()
    places, settings = ", ".join(scope.words for scope in others), context.settings
    warnings = []
    if settings.environment == "production":
        warnings.append(
            f"{places} now has production's data key: whoever may deploy there can read production's records; give "
            f"each environment a data key of its own: python -m wizard setup --stack staging --from {context.stack}"
        )
    warnings.append(
        f"the access key of {settings.names.app_user} was not delivered to {places}: it is production's"
        if settings.makes_user
        else f"the role {settings.names.app_role} trusts production's deployments only: what runs in {places} cannot "
        "open the data key with it"
    )
    return tuple(warnings)
