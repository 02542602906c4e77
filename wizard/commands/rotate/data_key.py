"""`rotate --data-key` and `rotate --promote`: a new data key beside the old one, and later in its place.

Pure: acts through the edges' Protocols. KMS makes the new one wrapped; both are kept, and the old one is never dropped.
"""

from __future__ import annotations

from components.settings import DATA_KEY_VARIABLE, SecretStore
from wizard.commands.deployed_stack import attempted
from wizard.commands.push.redeploy import offer, running
from wizard.commands.rotate import deliver
from wizard.commands.rotate.data_key_versions import (
    DataKeyStore,
    keep_everywhere,
    keep_stored_keys,
    pending,
    refuse_another_key,
    stored,
    take,
    version_of,
)
from wizard.commands.rotate.replace_version import (
    look,
    make_current,
    prove_opening,
    settled,
)
from wizard.commands.rotate.result import Action, RotateResult, show_versions, warn_of_altered
from wizard.core.errors import Cancelled, SetupError
from wizard.core.models.delivery import VercelProject
from wizard.core.models.progress import Mark
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.next_command import Command, wizard
from wizard.setup import confirmation
from wizard.setup.steps import Clients, Request
from wizard.targets.port import TargetContext


def make_new(request: Request, clients: Clients) -> RotateResult:
    """A new data key, kept beside the current one. One that was made before and is not in use yet is shown instead."""
    data_keys = take(request, clients)
    ui = clients.ui
    current = stored(data_keys)
    assert current.wrapped is not None
    ui.section("Data keys")
    waiting = pending(data_keys.versions())
    if waiting:
        show_versions(ui, data_keys.versions(), data_keys.outputs.key_arns)
        ui.line(f"{waiting[0].fingerprint} was made before and is not in use yet; no other is made", mark=Mark.INFO)
    else:
        ui.line(f"{current.wrapped.fingerprint} stays what the application has; a new one is kept beside it")
        _confirm(
            request,
            clients,
            f"rotate --data-key --stack {data_keys.stack}",
            why="From then on records will have to be moved from one data key to another; both are kept for good.",
        )
    with data_keys.found.engine.alone(request.stack):
        now = clients.now()
        keep_stored_keys(data_keys, at=now)
        # Somebody may have made one while this run was being confirmed.
        waiting = pending(data_keys.versions())
        wrapped = waiting[0].wrapped if waiting else data_keys.found.aws.kms.make_data_key(data_keys.outputs.key_arn)
        made = not waiting
        new = keep_everywhere(data_keys, wrapped, key_arn=data_keys.outputs.key_arn, origin=VersionOrigin.MADE, at=now)
    versions = data_keys.versions()
    if made:
        ui.line(f"{new.fingerprint} made, wrapped by the key; kept in {new.parameter}", mark=Mark.OK)
        show_versions(ui, versions, data_keys.outputs.key_arns)
    steps = next_steps(data_keys, old=current.wrapped.fingerprint, new=new)
    return RotateResult(
        action=Action.DATA_KEY, stack=data_keys.stack, changed=made, versions=versions, subject=new, next=steps
    )


def next_steps(data_keys: DataKeyStore, *, old: str, new: DataKeyVersion) -> tuple[str, ...]:
    """What comes between the making of a data key and its use, each as it is typed."""
    former = data_keys.own.key_rotation.version(data_keys.settings, old)
    assert former is not None
    return (
        Command(
            f"export AWS_REGION={data_keys.own.region} AWS_KMS_KEY_ID={data_keys.own.key_arn} "
            f"{DATA_KEY_VARIABLE}={_fetched(data_keys, former)} NEW_{DATA_KEY_VARIABLE}={_fetched(data_keys, new)}",
            advice=f"the wrapped {old} and {new.fingerprint}; they open only with the key",
        ),
        Command(
            "python -m phi reencrypt --dsn postgresql://HOST/DATABASE --table TABLE --columns COLUMN,COLUMN "
            "--key-column id --dry-run",
            advice="with the application's AWS credentials, for every table that holds records; then without --dry-run",
        ),
        wizard(
            "rotate",
            "--promote",
            new.fingerprint,
            "--stack",
            data_keys.stack,
            "--confirm",
            data_keys.stack,
            advice="when no record needs the old one any more; it is kept all the same",
        ),
    )


def _fetched(data_keys: DataKeyStore, version: DataKeyVersion) -> str:
    """The words of a shell that stand for the wrapped key as the store keeps it."""
    if data_keys.settings.secret_store is SecretStore.SECRETS_MANAGER:
        what = f"secretsmanager get-secret-value --secret-id {version.parameter} --query SecretString"
    else:
        what = f"ssm get-parameter --name {version.parameter} --with-decryption --query Parameter.Value"
    return f'"$(aws {what} --output text --region {data_keys.own.region})"'


def promote(request: Request, clients: Clients, fingerprint: str, *, redeploy: bool | None) -> RotateResult:
    """The version into the place of the current one, after a typed confirmation; then delivered and proved."""
    data_keys = take(request, clients)
    command = f"python -m wizard rotate --promote FINGERPRINT --stack {data_keys.stack}"
    current = stored(data_keys)
    assert current.wrapped is not None
    version = version_of(data_keys, fingerprint, command=command)
    return put_in_place(
        request,
        clients,
        data_keys,
        version,
        action=Action.PROMOTE,
        warnings=_warnings(data_keys, version, old=current.wrapped.fingerprint),
        command=f"rotate --promote {version.fingerprint} --stack {data_keys.stack}",
        redeploy=redeploy,
    )


def _warnings(data_keys: DataKeyStore, version: DataKeyVersion, *, old: str) -> tuple[str, ...]:
    was = data_keys.own.key_rotation.version(data_keys.settings, old)
    if was is not None and was.same_as == version.same_as:
        return ("it is the same data key in another wrapping: no record has to be re-encrypted",)
    return (
        f"records under {old} cannot be read by the application from then on, unless they were re-encrypted before",
        f"{old} is kept: python -m wizard restore --version {old} puts it back",
    )


def put_in_place(
    request: Request,
    clients: Clients,
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    action: Action,
    warnings: tuple[str, ...],
    command: str,
    redeploy: bool | None,
    trusted: bool = True,
) -> RotateResult:
    """The version made current everywhere, delivered, proved and, where that is wanted, deployed.

    Where it is current already nothing is asked and nothing replaced; a run that was stopped is finished.
    """
    ui = clients.ui
    refuse_another_key(data_keys, version)
    versions = data_keys.versions()
    kept = deliver.replaceable((*versions, version))
    to = deliver.deliverable(data_keys, version, kept)
    ui.section("Data keys")
    show_versions(ui, versions, data_keys.outputs.key_arns)
    warn_of_altered(ui, data_keys.own.key_rotation.altered(data_keys.settings))
    seen, opened = look(data_keys), None
    changed = not settled(data_keys, version)
    if changed:
        ui.working("opening it, to be sure that the key does")
        opened = prove_opening(clients, data_keys, version, trusted=trusted)
        ui.line(f"{version.fingerprint} is {opened.words}", mark=Mark.OK)
        for warning in warnings:
            ui.line(warning, mark=Mark.WARN)
        _confirm(request, clients, command, why=f"{version.fingerprint} replaces the stored data key.")
        with data_keys.found.engine.alone(request.stack):
            ui.working("replacing the stored data key")
            version = make_current(data_keys, version, seen=seen, at=clients.now())
        ui.line(
            f"{version.fingerprint} is in {data_keys.settings.names.stored_data_key}; every other is kept", mark=Mark.OK
        )
    else:
        ui.line(f"{version.fingerprint} is the stored data key", mark=Mark.OK)
    handed = deliver.deliver_to_targets(clients, data_keys, to, version.wrapped, kept)
    redeploys = offer(to, clients, redeploy=redeploy, running=running(to))
    return RotateResult(
        action=action,
        stack=data_keys.stack,
        changed=changed,
        versions=data_keys.versions(),
        subject=version,
        opened=opened,
        handed=handed,
        redeploys=redeploys,
        next=_elsewhere(data_keys, to),
    )


def _elsewhere(data_keys: DataKeyStore, to: TargetContext) -> tuple[str, ...]:
    """What has the three variables beside production on Vercel, and keeps the data key that it has."""
    if to.vercel is None or not isinstance(to.project, VercelProject):
        return ()
    found = attempted(to.vercel.overlaps, to.project)
    if isinstance(found, SetupError):
        # All is done; what else there is can be looked at later.
        return (f"what has the variables beside production was not told ({found.message}): vercel env ls",)
    return tuple(
        f"{words}: it keeps the data key that it has; python -m wizard push --to ENVIRONMENT --stack {data_keys.stack}"
        for words in found
        if DATA_KEY_VARIABLE in words
    )


def _confirm(request: Request, clients: Clients, command: str, *, why: str) -> None:
    """The stack's name, typed here or given by `--confirm`. Raises Cancelled without it."""
    if not confirmation.typed(request, clients.ui, why=why):
        raise Cancelled(
            "nothing was changed: it has to be confirmed by the stack's name",
            Command(f"python -m wizard {command} --confirm {request.stack}"),
        )
