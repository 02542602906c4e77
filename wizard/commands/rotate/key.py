"""`rotate --cmk` and `rotate --schedule`: rotate the material of the KMS key now, or set the period of its rotation.

Acts through the clients. Data key and records do not change: the key still decrypts what its old material encrypted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from components.settings import ContractError, Settings
from wizard.commands.rotate.result import Action, RotateResult, cost_of_another, show_rotations
from wizard.commands.rotate.versions import DataKeyStore, read_stack
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, ResourceError, SetupError, UsageError, attempted, known_or
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import KeyRotations
from wizard.core.models.stack import Step
from wizard.core.next_command import Command, eonpro, plain_name, shell
from wizard.setup import plan
from wizard.setup.update import ResourceProgress

KEY_TYPE = "aws:kms/key:Key"
ONE_REQUEST = timedelta(hours=1)
"""In this time the same command again continues the first run, which may have ended before it could say so."""


def rotate_material(request: Request, clients: Clients) -> RotateResult:
    """Rotate the key on demand, after a simple confirmation; once within `ONE_REQUEST`."""
    data_keys = read_stack(request, clients)
    ui, own = clients.ui, data_keys.own
    ui.section("The key's rotations", own.key_arn)
    before = own.key_rotation.rotations(own.key_arn)
    show_rotations(ui, before)
    recent = _last_on_demand(before)
    if recent is not None and clients.now() - recent < ONE_REQUEST:
        ui.line(
            f"the key was rotated on demand at {recent:%H:%M} UTC, less than an hour ago: this run rotates nothing. "
            f"For another rotation, run it again after {recent + ONE_REQUEST:%H:%M} UTC",
            mark=Mark.OK,
        )
        return _rotated(data_keys, before, changed=False)
    if before.on_demand_started is not None:
        raise ResourceError(
            "a rotation on demand is in progress; nothing was changed",
            shell(
                *("aws", "kms", "get-key-rotation-status", "--key-id", own.key_arn),
                advice="shows when it has ended; then run the same command again",
            ),
        )
    if before.on_demand_left == 0:
        raise ResourceError(
            f"the key has used all of its {before.on_demand_limit} rotations on demand; nothing was changed",
            eonpro(
                "rotate", "--schedule", "DAYS", "--stack", data_keys.stack, advice="automatic rotations have no limit"
            ),
        )
    ui.line(f"cost: {cost_of_another(before)}", mark=Mark.INFO)
    if len(data_keys.region_stores) > 1:
        ui.line("KMS copies the new material to the replicas", mark=Mark.INFO)
    ui.line("records and the wrapped data key do not change: the key still decrypts what its old material encrypted")
    _confirm(request, clients, "Rotate the key's material now?", eonpro("rotate", "--cmk", "--stack", data_keys.stack))
    with data_keys.deployed.engine.alone(request.stack):
        own.key_rotation.rotate_on_demand(own.key_arn, before=before)
    after = own.key_rotation.rotations(own.key_arn)
    ui.line("the rotation has started; KMS needs some minutes at most", mark=Mark.OK)
    return _rotated(data_keys, after, changed=True)


def _last_on_demand(rotations: KeyRotations) -> datetime | None:
    """When the newest rotation on demand was started, or ended."""
    ended = (rotation.at for rotation in rotations.rotations if rotation.on_demand)
    return rotations.on_demand_started or max(ended, default=None)


def _rotated(data_keys: DataKeyStore, rotations: KeyRotations, *, changed: bool) -> RotateResult:
    return RotateResult(
        action=Action.CMK,
        stack=data_keys.stack,
        changed=changed,
        rotations=rotations,
        next=(
            eonpro(
                *("rotate", "--reencrypt", data_keys.own.key_arn, "--stack", data_keys.stack),
                advice="optional: wraps the data key with the new material, too",
            ),
        ),
    )


def change_schedule(request: Request, clients: Clients, days: int) -> RotateResult:
    """Change the period of the automatic rotation: a setting of the stack, applied by `pulumi up`."""
    data_keys = read_stack(request, clients)
    settings = _with_period(data_keys.settings, days, data_keys.stack)
    ui, engine = clients.ui, data_keys.deployed.engine
    own = data_keys.own
    state = data_keys.deployed.state
    pending = () if isinstance(state, SetupError) else state.pending
    if not all(step.op == "updating" and step.type == KEY_TYPE for step in pending):
        raise ResourceError(
            f"nothing was changed: an earlier update of {data_keys.stack} did not finish, so its state may be wrong",
            eonpro("setup", "--stack", data_keys.stack, advice="finishes it; then run this command again"),
        )
    before = own.key_rotation.schedule(own.key_arn)
    past = attempted(own.key_rotation.rotations, own.key_arn)
    ui.section("The key's rotations", own.key_arn)
    if isinstance(past, SetupError):
        ui.line(f"its past rotations cannot be read: {past.message}", mark=Mark.WARN)
    else:
        show_rotations(ui, past)
    known = known_or(past, None)
    if not pending and settings == data_keys.settings and before.enabled and before.period_days == days:
        ui.line(f"the period is {days} days already", mark=Mark.OK)
        return RotateResult(action=Action.SCHEDULE, stack=data_keys.stack, changed=False, rotations=known)
    with engine.alone(request.stack):
        if pending:
            ui.line("an earlier run did not finish its update of the key; it is resumed", mark=Mark.INFO)
            engine.recover(request.stack, {})
        _update(request, clients, data_keys, settings)
    after = own.key_rotation.schedule(own.key_arn)
    if not after.enabled or after.period_days not in (days, None):
        raise ResourceError(
            f"the stack was updated, but the key is still rotated every {after.period_days} days",
            shell(
                *("aws", "kms", "get-key-rotation-status", "--key-id", own.key_arn),
                advice="shows the period; find out who else sets it",
            ),
        )
    ui.line(f"the key is rotated every {days} days from now on", mark=Mark.OK)
    return RotateResult(
        action=Action.SCHEDULE,
        stack=data_keys.stack,
        changed=True,
        rotations=known and replace(after, rotations=known.rotations, on_demand_limit=known.on_demand_limit),
        next=(f"commit Pulumi.{plain_name(request.stack)}.yaml, which has the new period",),
    )


def _with_period(settings: Settings, days: int, stack: str) -> Settings:
    changed = {**settings.model_dump(), "rotation_period_days": days}
    try:
        return Settings.read(changed)
    except ContractError as error:
        raise UsageError(
            f"{days} is not a rotation period of KMS: 90 to 2560 days",
            eonpro("rotate", "--schedule", "365", "--stack", stack),
        ) from error


def _update(request: Request, clients: Clients, data_keys: DataKeyStore, settings: Settings) -> None:
    ui, engine = clients.ui, data_keys.deployed.engine
    again = eonpro("rotate", "--schedule", str(settings.rotation_period_days), "--stack", data_keys.stack)
    ui.section("Plan")
    ui.working("Pulumi previews the update")
    engine.prepare(request.stack, settings)
    try:
        steps = [step for step in engine.preview(request.stack) if step.op not in plan.QUIET]
        for step in steps:
            note = f" ({', '.join(step.changed)})" if step.changed else ""
            remark = "" if _is_rotation_period(step) else "   not the rotation: a pending change of the stack"
            ui.line(f"  {plan.SIGNS.get(step.op, '?')} {step.op} {step.type} {step.name}{note}{remark}")
        others = [step for step in steps if not _is_rotation_period(step)]
        if others:
            ui.line(f"{len(others)} other pending change(s) would be applied, too", mark=Mark.WARN)
        if any("delete" in step.op or "replace" in step.op for step in others):
            raise ResourceError(
                "nothing was changed: this update would also delete or replace another resource",
                eonpro("preview", "--stack", data_keys.stack, advice="shows these changes; apply or remove them first"),
            )
        _confirm(request, clients, "Apply this plan?", again)
        engine.write_settings(request.stack)
    finally:
        engine.discard(request.stack)
    ui.section("Resources", "Ctrl-C stops this safely")
    ui.working("Pulumi starts")
    engine.renew(data_keys.deployed.aws.environment())
    progress = ResourceProgress(clients)
    engine.up(request.stack, progress)
    progress.show()


def _is_rotation_period(step: Step) -> bool:
    return step.op == "update" and step.type == KEY_TYPE and set(step.changed) <= {"rotationPeriodInDays"}


def _confirm(request: Request, clients: Clients, prompt: str, command: Command) -> None:
    """Ask yes or no, unless `--yes` is set. Raises Cancelled without a yes."""
    again = command.plus("--yes")
    if request.yes:
        return
    if not clients.ui.interactive:
        raise Cancelled("nothing was changed: a non-interactive run cannot ask for the confirmation", again)
    if not clients.ui.confirm(prompt, default=False):
        raise Cancelled("nothing was changed", again)
