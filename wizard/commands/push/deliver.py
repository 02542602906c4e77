"""A delivery to a stack that stands: what would be refused, the data key, the targets, the proof.

Pure: acts through the edges' Protocols. Everything that can be refused is, before anything is made or written.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.settings import Outputs, Target
from wizard.commands.deployed_stack import DeployedStack
from wizard.core.errors import (
    DataKeyConflict,
    MissingAnswers,
    PermissionDenied,
    PreflightFailed,
    SetupError,
    UsageError,
)
from wizard.core.models.delivery import Delivered, StoredDataKey, VercelProject, Verification
from wizard.core.models.progress import Mark
from wizard.core.models.vercel_environment import PRODUCTION, Scope
from wizard.core.next_command import wizard
from wizard.core.ports.run import VercelClient
from wizard.data_key import access_key, delivery, storage
from wizard.setup import deliver_and_verify
from wizard.setup.deliver_and_verify import Application
from wizard.setup.preflight.data_key import lost_stored_data_key
from wizard.setup.steps import Clients, Request


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push did."""

    stored_data_key: StoredDataKey
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    warnings: tuple[str, ...] = ()
    rename_variable: str | None = None
    """What became of a data key of somebody else's, in words; None where none was set aside."""


def targets_of(request: Request, found: DeployedStack) -> tuple[Target, ...]:
    """The stack's targets, or those of them that were named. Raises UsageError for one that the stack has not."""
    own = found.settings.deploy_targets
    told = request.answers.get("target")
    named = tuple(Target(name) for name in told.value) if told else own
    if other := [target for target in named if target not in own]:
        raise UsageError(
            f"the stack {found.stack} does not deliver to {', '.join(other)}; it delivers to {', '.join(own)}",
            wizard("setup", "--stack", found.stack, "--target", ",".join((*own, *other))),
        )
    return named


def application(found: DeployedStack, targets: tuple[Target, ...]) -> Application:
    """What the delivery reaches. Raises where it delivers to Vercel and the project is out of reach."""
    project = found.project
    if Target.VERCEL in targets:
        if found.vercel is None:
            raise MissingAnswers(
                f"the stack {found.stack} delivers to Vercel, and there is no token for it",
                "export VERCEL_TOKEN=…   # or --vercel-token-file FILE",
                ("vercel_token",),
            )
        if isinstance(project, SetupError):
            raise project
    return Application(
        stack=found.stack,
        settings=found.settings,
        aws=found.aws,
        targets=targets,
        vercel=found.vercel,
        project=None if isinstance(project, SetupError) else project,
    )


def push(
    clients: Clients,
    to: Application,
    outputs: Outputs,
    scopes: tuple[Scope, ...],
    *,
    rename_variable: str | None = None,
) -> Pushed:
    """The escrowed data key, made where none ever was, to every target and scope; checked, and proved.

    `rename_variable` is the id of a data key of somebody else's in production, confirmed to be moved out of the way.
    """
    ui, aws, settings = clients.ui, to.aws, to.settings
    ui.section("Data key")
    ui.working("looking for it in its escrow")
    held = storage.find_stored_data_key(aws, settings)
    if held is None:
        _refuse_a_loss(to, scopes)
    aside = _set_aside(clients, to, rename_variable, held) if rename_variable else None
    replaceable = _refuse_conflicts(to, outputs, scopes, held)
    kept = storage.ensure_data_key(aws, settings, outputs)
    deliver_and_verify.tell_escrow(ui, kept, outputs)
    delivered = delivery.deliver(
        aws=aws,
        vercel=to.vercel,
        project=to.project,
        settings=settings,
        outputs=outputs,
        targets=to.targets,
        wrapped=kept.wrapped,
        tell=lambda result: deliver_and_verify.tell_delivered(ui, result),
        replaceable=replaceable,
        scopes=scopes,
    )
    warnings = _warnings(to, scopes)
    for warning in warnings:
        ui.line(warning, mark=Mark.WARN)
    key = _access_key(clients, to) if PRODUCTION in scopes else None
    provable = tuple(each for each in delivered if each.environment in ("", PRODUCTION.words))
    proofs = (
        deliver_and_verify.prove(clients, to, outputs, provable, kept.wrapped, access_key=key.key if key else None)
        if provable
        else ()
    )
    return Pushed(stored_data_key=kept, delivered=delivered, proofs=proofs, warnings=warnings, rename_variable=aside)


def _refuse_a_loss(to: Application, scopes: tuple[Scope, ...]) -> None:
    """Raises where there was a data key once: another one could not open the records under it."""
    settings, name = to.settings, to.settings.names.stored_data_key
    values = {"target": tuple(to.targets)}
    if problems := lost_stored_data_key(settings, settings, values, to.stack, to.aws):
        raise PreflightFailed(tuple(problems))
    if versions := to.aws.key_rotation.versions(settings):
        raise DataKeyConflict(
            f"{name} is gone, and {len(versions)} of its versions are kept; no other data key was made",
            wizard("restore", "--stack", to.stack, advice="lists them; the one that was current goes back"),
        )
    if Target.VERCEL not in to.targets:
        return
    vercel, project = _on_vercel(to)
    for scope in dict.fromkeys((PRODUCTION, *scopes)):
        if conflict := vercel.conflict(project, None, scope=scope):
            raise DataKeyConflict(
                f"{name} does not exist; {conflict}; no other data key was made",
                f"put the wrapped key back from your backup: python -m wizard restore --from-backup FILE --stack "
                f"{to.stack}   # or, where nothing was set up by this stack yet: setup --adopt",
            )


def _set_aside(clients: Clients, to: Application, id: str, held: StoredDataKey | None) -> str:
    """A data key of somebody else's out of production's way, value and all."""
    if held is None or Target.VERCEL not in to.targets:
        raise UsageError(
            f"the variable {id} was not touched: there is no data key of this stack to put in its place on Vercel",
            wizard("doctor", "--stack", to.stack),
        )
    vercel, project = _on_vercel(to)
    aside = vercel.rename_variable(project, id, stored=held.wrapped, today=clients.now().date())
    clients.ui.line(aside, mark=Mark.WARN)
    return aside


def _refuse_conflicts(
    to: Application, outputs: Outputs, scopes: tuple[Scope, ...], held: StoredDataKey | None
) -> frozenset[str]:
    """The data keys that may make way on Vercel. Raises where a delivery to any of the scopes would be refused."""
    if Target.VERCEL not in to.targets or held is None:
        return frozenset()
    vercel, project = _on_vercel(to)
    region, key_arn = to.settings.region, outputs.key_arn
    replaceable: frozenset[str] = frozenset()
    for scope in scopes:
        conflict = vercel.conflict(
            project, held.wrapped, region=region, key_arn=key_arn, scope=scope, replaceable=replaceable
        )
        if conflict and not replaceable and (replaceable := _kept_versions(to)):
            conflict = vercel.conflict(
                project, held.wrapped, region=region, key_arn=key_arn, scope=scope, replaceable=replaceable
            )
        if conflict:
            raise DataKeyConflict(
                f"{conflict}; nothing was changed",
                f"look at it: vercel env ls {scope.environment} (project {project.name}); a data key there may be the "
                "only key to records that exist: remove it only if there are none",
            )
    return replaceable


def _kept_versions(to: Application) -> frozenset[str]:
    """The fingerprints of every version that is kept; none where the caller may not list them."""
    try:
        return frozenset(each.fingerprint for each in to.aws.key_rotation.versions(to.settings))
    except PermissionDenied:
        # Then whatever stands there is taken for somebody else's, and is left alone.
        return frozenset()


def _on_vercel(to: Application) -> tuple[VercelClient, VercelProject]:
    assert to.vercel is not None and to.project is not None
    return to.vercel, to.project


def _access_key(clients: Clients, to: Application) -> access_key.Ensured | None:
    try:
        return deliver_and_verify.access_key_of(clients, to)
    except PermissionDenied as error:
        vercel, project = _on_vercel(to)
        if vercel.access_key_id(project) is None:
            raise
        clients.ui.line(
            f"Vercel has an access key; whether it is on, and how old, is not known: {error.message}", mark=Mark.WARN
        )
        return None


def _warnings(to: Application, scopes: tuple[Scope, ...]) -> tuple[str, ...]:
    """What a delivery beside production means."""
    beside = [scope for scope in scopes if scope != PRODUCTION]
    if Target.VERCEL not in to.targets or not beside:
        return ()
    places, settings = ", ".join(scope.words for scope in beside), to.settings
    own = wizard("setup", "--stack", "staging", "--from", to.stack)
    told = []
    if settings.environment == "production":
        told.append(
            f"{places} now has production's data key: whoever may deploy there can read production's records; give "
            f"each environment a data key of its own: {own}"
        )
    told.append(
        f"the access key of {settings.names.app_user} was not delivered to {places}: it is production's"
        if settings.makes_user
        else f"the role {settings.names.app_role} trusts production's deployments only: what runs in {places} cannot "
        "open the data key with it"
    )
    return tuple(told)
