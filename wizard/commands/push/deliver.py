"""The document of `push --json`: where the data key was delivered, what was verified, what runs.

Pure: facts in, plain values out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.settings import Target
from wizard.commands.deployed_stack import DeployedStack
from wizard.core import json_documents
from wizard.core.errors import DataKeyConflict, PermissionDenied, UsageError
from wizard.core.models.delivery import PRODUCTION, Delivered, Scope, StoredDataKey, Verification, VerificationState
from wizard.core.models.deployment import Deployment, Instances, Redeployed, RedeployState
from wizard.core.models.stack import Mark
from wizard.core.next_command import wizard
from wizard.data_key import delivery, guard
from wizard.data_key import delivery as storage
from wizard.setup import deliver_and_verify
from wizard.setup.steps import Clients, Request
from wizard.targets.port import TargetContext, deploy_target, deploy_targets
from wizard.targets.vercel.access_key import Ensured

_FAILED = (RedeployState.FAILED, RedeployState.ROLLED_BACK)


def document(
    stack: str,
    pushed: Pushed,
    *,
    targets: Iterable[str],
    scopes: tuple[Scope, ...],
    redeploys: tuple[Redeployed, ...],
    stale: tuple[Instances, ...],
) -> json_documents.Document:
    """Of a push; `ok` is whether no proof and no redeploy failed."""
    ok = all(each.state is not VerificationState.FAILED for each in pushed.proofs)
    ok = ok and all(each.state not in _FAILED for each in redeploys)
    has_environments = any(deploy_target(target).has_environments for target in targets)
    return {
        **json_documents.head("push", ok=ok),
        "stack": stack,
        "fingerprint": pushed.stored_data_key.wrapped.fingerprint,
        "scope": _scope(scopes) if has_environments else None,
        "renamed": pushed.renamed,
        "delivered": [_delivered(each) for each in pushed.delivered],
        "proofs": [_proof(each) for each in pushed.proofs],
        "warnings": list(pushed.warnings),
        "redeploys": [redeploy(each) for each in redeploys],
        "staleInstances": [_instances(each) for each in stale],
    }


def redeploy(done: Redeployed) -> dict[str, Any]:
    """One redeploy."""
    return {
        "target": str(done.target),
        "state": str(done.state),
        "before": _deployment(done.before),
        "after": _deployment(done.after),
        "why": done.why,
        "seconds": done.seconds,
    }


def _scope(scopes: tuple[Scope, ...]) -> dict[str, Any]:
    branch = next((scope.branch for scope in scopes if scope.branch), None)
    return {"environments": [scope.environment for scope in scopes], "branch": branch}


def _delivered(result: Delivered) -> dict[str, Any]:
    return {
        "target": result.target,
        "environment": result.environment or None,
        "place": result.place,
        "state": str(result.state),
        "fingerprint": result.fingerprint,
        "checkedBy": result.checked_by,
    }


def _proof(proof: Verification) -> dict[str, Any]:
    return {
        "target": proof.target,
        "state": str(proof.state),
        "principal": proof.principal,
        "detail": proof.detail,
        "at": proof.at,
    }


def _deployment(deployment: Deployment | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    made = deployment.made.isoformat(timespec="seconds")
    return {
        "id": deployment.id,
        "name": deployment.name,
        "made": made,
        "state": str(deployment.state),
        "revision": deployment.revision,
    }


def _instances(instances: Instances) -> dict[str, Any]:
    changed = instances.changed
    return {
        "target": str(instances.target),
        "deployment": _deployment(instances.deployment),
        "changed": changed.isoformat(timespec="seconds") if changed else None,
        "known": instances.stale is not None,
        "why": instances.why,
    }


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
        on_delivered=lambda result: deliver_and_verify.show_delivered(ui, result),
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
