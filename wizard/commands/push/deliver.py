"""The delivery of `push`: the checks before it, the delivery, the verification, and the JSON document of all that.

Acts through the clients: creates the stored data key if there never was one, and writes the targets' variables.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, TypedDict

from components.settings import Target
from wizard.account import facts
from wizard.account.facts import StackFacts
from wizard.account.views import Diagnosis, plain, unread
from wizard.core import json_documents
from wizard.core.clients import Clients, Request
from wizard.core.errors import DataKeyConflict, PermissionDenied, UsageError
from wizard.core.models.delivery import Delivered, StoredDataKey
from wizard.core.models.deployment import Deployment, Instances, Redeployed, RedeployState
from wizard.core.models.inputs import Mark
from wizard.core.models.vercel import Scope
from wizard.core.models.verification import Verification, VerificationState
from wizard.core.next_command import Command, Text, chain, eonpro
from wizard.core.retry import Threads
from wizard.core.target_context import TargetContext
from wizard.data_key import delivery, guard, proof, storage
from wizard.setup import deliver_and_verify
from wizard.targets.port import DeliveredAccessKey, deploy_target
from wizard.targets.vercel import own_stack

_FAILED = (RedeployState.FAILED, RedeployState.ROLLED_BACK)


class Delivery(json_documents.Delivery):
    environment: str | None


class DeployedVersion(TypedDict):
    """A deployment of the application."""

    id: str
    name: str
    made: json_documents.Time
    state: str
    revision: str | None


class Redeploy(TypedDict):
    """A redeployment, from the former deployment to the new one."""

    target: Annotated[str, Target]
    state: RedeployState
    before: DeployedVersion | None
    after: DeployedVersion | None
    why: str
    command: str | None
    seconds: float


class StaleInstances(TypedDict):
    """What runs with values that were read before the last change; `known` says whether it was found out."""

    target: Annotated[str, Target]
    deployment: DeployedVersion | None
    changed: json_documents.Time | None
    known: bool
    why: str


class Environments(TypedDict):
    environments: list[str]
    branch: str | None


class PushDocument(json_documents.Head):
    """A delivery."""

    stack: str
    fingerprint: json_documents.Fingerprint
    scope: Environments | None
    renamed: str | None
    delivered: list[Delivery]
    proofs: list[json_documents.Proof]
    warnings: list[str]
    redeploys: list[Redeploy]
    staleInstances: list[StaleInstances]
    findings: list[json_documents.Finding]
    notChecked: list[json_documents.Unread]


def document(
    stack: str,
    pushed: "Pushed",
    *,
    targets: Iterable[str],
    scopes: tuple[Scope, ...],
    redeploys: tuple[Redeployed, ...],
    stale: tuple[Instances, ...],
    access: Diagnosis,
) -> PushDocument:
    """The JSON document of a push; `ok` is false if a verification or a redeploy failed.

    `access`: what gives anybody more on the key than the settings. It is said, and does not decide `ok`.
    """
    ok = all(entry.state is not VerificationState.FAILED for entry in pushed.proofs)
    ok = ok and all(entry.state not in _FAILED for entry in redeploys)
    has_environments = any(deploy_target(target).has_environments for target in targets)
    branch = next((scope.branch for scope in scopes if scope.branch), None)
    return {
        **json_documents.head("push", ok=ok),
        "stack": stack,
        "fingerprint": pushed.stored_data_key.wrapped.fingerprint,
        "scope": {"environments": [scope.environment for scope in scopes], "branch": branch}
        if has_environments
        else None,
        "renamed": pushed.renamed,
        "delivered": [_delivered(entry) for entry in pushed.delivered],
        "proofs": [json_documents.proof_fields(entry) for entry in pushed.proofs],
        "warnings": list(pushed.warnings),
        "redeploys": [redeploy_fields(entry) for entry in redeploys],
        "staleInstances": [_instances(entry) for entry in stale],
        "findings": [plain(finding) for finding in access.findings],
        "notChecked": [unread(entry) for entry in access.not_checked],
    }


def redeploy_fields(done: Redeployed) -> Redeploy:
    return {
        "target": str(done.target),
        "state": done.state,
        "before": _deployment(done.before),
        "after": _deployment(done.after),
        "why": done.why,
        "command": done.command or None,
        "seconds": done.seconds,
    }


def _delivered(result: Delivered) -> Delivery:
    return {**json_documents.delivery_fields(result), "environment": result.environment or None}


def _deployment(deployment: Deployment | None) -> DeployedVersion | None:
    if deployment is None:
        return None
    return {
        "id": deployment.id,
        "name": deployment.name,
        "made": deployment.made.isoformat(timespec="seconds"),
        "state": str(deployment.state),
        "revision": deployment.revision,
    }


def _instances(instances: Instances) -> StaleInstances:
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
    running: tuple[Instances, ...] = ()
    """What runs at each target that gets its values by a redeploy only."""
    warnings: tuple[str, ...] = ()
    renamed: str | None = None
    """A line about the variable that was renamed; None if none was."""


def targets_of(request: Request, deployed: StackFacts) -> tuple[Target, ...]:
    """The targets of the options, or all of the stack's. Raises UsageError for a target that the stack lacks."""
    own = deployed.settings.deploy_targets
    named = tuple(Target(name) for name in request.values.get("target", own))
    if others := [target for target in named if target not in own]:
        raise UsageError(
            f"the stack {deployed.stack} does not deliver to {', '.join(others)}; it delivers to {', '.join(own)}",
            eonpro("setup", "--stack", deployed.stack, "--target", ",".join((*own, *others))),
        )
    return named


def push(
    clients: Clients,
    context: TargetContext,
    scopes: tuple[Scope, ...],
    *,
    stored: StoredDataKey | None,
    rename_existing: str | None = None,
    yes: bool = False,
) -> Pushed:
    """Deliver the stored data key, created if there never was one, to every target and scope; check and verify it.

    `stored` was read in the stack's own Region; it is read again before anything is delivered. `rename_existing` is the
    id of another data key in the environment whose renaming was confirmed.
    """
    ui, aws, settings, outputs = clients.ui, context.aws, context.settings, context.require_outputs()
    ui.working("reading the stored data key")
    existing = stored or storage.find_data_key(aws, settings, outputs)
    _require_creatable(context, scopes, existing)
    renamed = _rename_existing(clients, context, rename_existing, existing) if rename_existing else None
    replaceable = _refuse_conflicts(context, scopes, existing)
    with Threads(max_workers=2) as pool:
        credentials = pool.submit(proof.find_credentials, context, context.targets)
        open_key = deliver_and_verify.opener(clients, context)
        stored, _ = deliver_and_verify.ensure_stored(
            ui, aws, settings, outputs, keeps_versions=False, open_key=open_key
        )
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
        key = _access_key(clients, context, yes) if context.scope in scopes else None
        running = pool.submit(facts.running, _redeployable(context, scopes))
        own = tuple(delivery_ for delivery_ in delivered if delivery_.environment in ("", context.scope.words))
        prove = partial(deliver_and_verify.prove, clients, context, own, stored.wrapped)
        proofs = prove(access_key=key, credentials=credentials.result) if own else ()
    return Pushed(
        stored_data_key=stored,
        delivered=delivered,
        proofs=proofs,
        running=running.result(),
        warnings=warnings,
        renamed=renamed,
    )


def _require_creatable(context: TargetContext, scopes: tuple[Scope, ...], existing: StoredDataKey | None) -> None:
    """Raises the error of the guard where a key that is not stored may not be made."""
    all_scopes = tuple(dict.fromkeys((context.scope, *scopes)))
    if existing is None:
        guard.may_create_in(context, scopes=all_scopes).require()
    for of_key in context.settings.of_each_key[1:]:
        if storage.find_data_key(context.aws, of_key, context.require_outputs()) is None:
            guard.may_create_in(replace(context, settings=of_key), scopes=all_scopes).require()


def _redeployable(context: TargetContext, scopes: tuple[Scope, ...]) -> TargetContext:
    """The targets without those whose other environments alone get the data key.

    What runs there is redeployed by a push to a branch, or by their own stack.
    """
    is_own = context.scope in scopes
    targets = (target for target in context.targets if is_own or not deploy_target(target).has_environments)
    return replace(context, targets=tuple(targets))


def _rename_existing(clients: Clients, context: TargetContext, id: str, existing: StoredDataKey | None) -> str:
    """Rename the variable with another data key in the environment; its value stays. Returns a line for the user."""
    target = next((candidate for candidate in map(deploy_target, context.targets) if candidate.has_own_copy), None)
    if existing is None or target is None:
        raise UsageError(
            f"the variable {id} was not renamed: this stack has no data key to replace it",
            eonpro("doctor", "--stack", context.stack),
        )
    stored = tuple(delivery.keys_beside(context, existing.wrapped).values())
    renamed = target.rename_existing(context, id, stored=stored, today=clients.now().date())
    clients.ui.line(renamed, mark=Mark.WARN)
    return renamed


def _refuse_conflicts(
    context: TargetContext, scopes: tuple[Scope, ...], existing: StoredDataKey | None
) -> frozenset[str]:
    """The fingerprints that can be replaced. Raises if a delivery to any target or scope would be refused."""
    replaceable: frozenset[str] = frozenset()
    if existing is None:
        return replaceable
    for target in map(deploy_target, context.targets):
        conflict = delivery.conflict(target, context, existing.wrapped, scopes=scopes)
        if conflict and (replaceable := _version_fingerprints(context)):
            conflict = delivery.conflict(target, context, existing.wrapped, replaceable=replaceable, scopes=scopes)
        if conflict:
            raise DataKeyConflict(Text(conflict.message, "; nothing was changed"), conflict.hint)
    return replaceable


def _version_fingerprints(context: TargetContext) -> frozenset[str]:
    """The fingerprints of all stored versions; none if the caller is not allowed to list them."""
    try:
        return delivery.fingerprints_of(context)
    except PermissionDenied:
        # A data key at the target then counts as an unknown one, and is not replaced.
        return frozenset()


def _access_key(clients: Clients, context: TargetContext, yes: bool) -> DeliveredAccessKey | None:
    try:
        return deliver_and_verify.ensure_credentials(clients, context, yes=yes)
    except PermissionDenied as error:
        target = next(
            (candidate for candidate in map(deploy_target, context.targets) if candidate.has_credentials(context)), None
        )
        if target is None:
            raise
        clients.ui.line(
            f"{target.title} has an access key; whether it is active, and how old, is not known: {error.message}",
            mark=Mark.WARN,
        )
        return None


def _warnings(context: TargetContext, scopes: tuple[Scope, ...]) -> tuple[str, ...]:
    """The consequences of a delivery to other environments than the stack's own."""
    others = [scope for scope in scopes if scope != context.scope]
    if not others or not any(deploy_target(target).has_environments for target in context.targets):
        return ()
    places, settings, own = ", ".join(scope.words for scope in others), context.settings, context.scope.words
    warnings: list[str] = []
    if settings.environment == "production":
        warnings.append(
            Text(
                f"{places} now has {own}'s data key: who can deploy there can read {own}'s records; give each "
                "environment a data key of its own: ",
                chain(*(_instead(context, scope) for scope in others)),
            )
        )
    if settings.makes_user:
        warnings.append(
            f"the access key of {settings.names.app_user} was not delivered to {places}: it is only for {own}"
        )
    elif untrusted := [scope for scope in others if scope.environment not in settings.vercel_environments]:
        named = sorted({*settings.vercel_environments, *(scope.environment for scope in untrusted)})
        also = eonpro("setup", "--stack", context.stack, "--vercel-environments", ",".join(named))
        warnings.append(
            Text(
                f"the role {settings.names.app_role} trusts only the deployments of "
                f"{', '.join((own, *settings.vercel_environments))}: in "
                f"{', '.join(scope.words for scope in untrusted)} it cannot decrypt the data key. To trust them too: ",
                also,
            )
        )
    return tuple(warnings)


def _instead(context: TargetContext, scope: Scope) -> Command:
    """The commands that take the delivered keys away, beside which a setup makes no other, and set up a stack."""
    names = context.settings.delivered_names
    return chain(scope.removal(names[key] for key in context.settings.wrapped_keys), own_stack(context, scope))
