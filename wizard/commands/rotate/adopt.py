"""`adopt --encryption-key`: the ENCRYPTION_KEY that the application used so far, wrapped and kept like any data key.

Pure: acts through the edges' Protocols. A child reads the key and has KMS wrap it; it never comes into this process.
"""

from __future__ import annotations

from dataclasses import replace

from wizard.commands.rotate.data_key import put_in_place
from wizard.commands.rotate.reencrypt import temporary_grant
from wizard.commands.rotate.result import Action, RotateResult, show_versions
from wizard.commands.rotate.versions import (
    DataKeyStore,
    keep_everywhere,
    keep_stored_keys,
    may_create,
    refuse_other_store,
    take,
)
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import Cancelled, PermissionDenied
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.stack import Mark
from wizard.core.next_command import Command, wizard
from wizard.data_key import guard
from wizard.setup import confirmation
from wizard.setup.steps import Clients, Request


def adopt(request: Request, clients: Clients, *, redeploy: bool | None) -> RotateResult:
    """The former key into the store, where that holds nothing and never did; next to the current one otherwise."""
    data_keys = take(request, clients)
    refuse_other_store(data_keys)
    ui, command = clients.ui, f"adopt --encryption-key --stack {data_keys.stack}"
    stored_key = data_keys.stored_key()
    # What an interrupted run of this very command left is no data key that anything is under.
    decision = None if stored_key.exists else may_create(data_keys, importing=True)
    if decision is not None and decision.state is guard.DecisionState.UNKNOWN:
        decision.require()
    first, versions = decision is not None and decision.is_allowed, data_keys.versions()
    ui.section("The former key")
    if first:
        ui.line("no data key is stored yet: the former ENCRYPTION_KEY becomes the application's data key")
    else:
        show_versions(ui, versions, data_keys.outputs.key_arns)
        ui.line("it is kept beside what is there; whether it is the same nobody can tell without opening both")
    why = "The key is read by a child process, wrapped by KMS, and kept for good; nobody sees it."
    if not confirmation.typed(request, ui, why=why):
        raise Cancelled(
            "nothing was changed: it has to be confirmed by the stack's name",
            Command(f'printf %s "$ENCRYPTION_KEY" | python -m wizard {command} --confirm {request.stack}'),
        )
    wrapped = _wrapped(clients, data_keys)
    with data_keys.found.engine.alone(request.stack):
        now = clients.now()
        keep_stored_keys(data_keys, at=now)
        version = keep_everywhere(
            data_keys, wrapped, key_arn=data_keys.outputs.key_arn, origin=VersionOrigin.ADOPTED, at=now
        )
    ui.line(f"{version.fingerprint} is kept in {version.parameter}", mark=Mark.OK)
    if first:
        return put_in_place(
            replace(request, confirmed=request.stack),
            clients,
            data_keys,
            version,
            action=Action.ADOPT,
            warnings=(),
            command=command,
            redeploy=redeploy,
        )
    return RotateResult(
        action=Action.ADOPT,
        stack=data_keys.stack,
        changed=True,
        versions=data_keys.versions(),
        subject=version,
        next=(decision.next if decision else _promote(data_keys, version.fingerprint),),
    )


def _wrapped(clients: Clients, data_keys: DataKeyStore) -> WrappedDataKey:
    assert clients.wrapper is not None, "this run was given no child that wraps"
    aws, key_arn = data_keys.found.aws, data_keys.outputs.key_arn
    try:
        return clients.wrapper.wrap(aws.environment(), key_arn=key_arn, prompt=clients.ui.interactive)
    except PermissionDenied as error:
        statements = [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": key_arn}]
        raise PermissionDenied(
            f"the caller may not do kms:Encrypt under {key_arn}, which the key's policy gives to nobody; "
            "nothing was changed",
            temporary_grant(data_keys, statements, name="eonpro-adopt"),
        ) from error


def _promote(data_keys: DataKeyStore, fingerprint: str) -> str:
    return wizard(
        "rotate",
        "--promote",
        fingerprint,
        "--stack",
        data_keys.stack,
        "--confirm",
        data_keys.stack,
        advice="only if the records are under it, or were re-encrypted",
    )
