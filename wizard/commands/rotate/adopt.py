"""`adopt --encryption-key`: the ENCRYPTION_KEY that the application used so far, wrapped and kept like any data key.

Pure: acts through the edges' Protocols. A child reads the key and has KMS wrap it; it never comes into this process.
"""

from __future__ import annotations

from dataclasses import replace

from wizard.commands.rotate.data_key import put_in_place
from wizard.commands.rotate.data_key_versions import (
    DataKeyStore,
    keep_everywhere,
    keep_seats,
    may_create,
    refuse_other_store,
    take,
)
from wizard.commands.rotate.result import Action, RotateResult, show_versions
from wizard.commands.rotate.temporary_grant import leave_for_a_moment
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import Cancelled, PermissionDenied
from wizard.core.models.progress import Mark
from wizard.core.models.rotation import VersionOrigin
from wizard.data_key import guard
from wizard.setup import confirmation
from wizard.setup.steps import Clients, Request


def adopt(request: Request, clients: Clients, *, redeploy: bool | None) -> RotateResult:
    """The former key into the store, where that holds nothing and never did; next to the current one otherwise."""
    holding = take(request, clients)
    refuse_other_store(holding)
    ui, command = clients.ui, f"adopt --encryption-key --stack {holding.stack}"
    seat = holding.seat()
    # What an interrupted run of this very command left is no data key that anything is under.
    decision = None if seat.taken else may_create(holding, importing=True)
    if decision is not None and decision.verdict is guard.Verdict.UNKNOWN:
        decision.require()
    first, versions = decision is not None and decision.is_allowed, holding.versions()
    ui.section("The former key")
    if first:
        ui.line("no data key is stored yet: the former ENCRYPTION_KEY becomes the application's data key")
    else:
        show_versions(ui, versions, holding.outputs.key_arns)
        ui.line("it is kept beside what is there; whether it is the same nobody can tell without opening both")
    why = "The key is read by a child process, wrapped by KMS, and kept for good; nobody sees it."
    if not confirmation.typed(request, ui, why=why):
        raise Cancelled(
            "nothing was changed: it has to be confirmed by the stack's name",
            f'printf %s "$ENCRYPTION_KEY" | python -m wizard {command} --confirm {request.stack}',
        )
    wrapped = _wrapped(clients, holding)
    with holding.found.engine.alone(request.stack):
        now = clients.now()
        keep_seats(holding, at=now)
        version = keep_everywhere(
            holding, wrapped, key_arn=holding.outputs.key_arn, origin=VersionOrigin.ADOPTED, at=now
        )
    ui.line(f"{version.fingerprint} is kept in {version.parameter}", mark=Mark.OK)
    if first:
        return put_in_place(
            replace(request, confirmed=request.stack),
            clients,
            holding,
            version,
            action=Action.ADOPT,
            warnings=(),
            command=command,
            redeploy=redeploy,
        )
    return RotateResult(
        action=Action.ADOPT,
        stack=holding.stack,
        changed=True,
        versions=holding.versions(),
        subject=version,
        next=(decision.next if decision else _promote(holding, version.fingerprint),),
    )


def _wrapped(clients: Clients, holding: DataKeyStore) -> WrappedDataKey:
    assert clients.wrapper is not None, "this run was given no child that wraps"
    aws, key_arn = holding.found.aws, holding.outputs.key_arn
    try:
        return clients.wrapper.wrap(aws.environment(), key_arn=key_arn, prompt=clients.ui.interactive)
    except PermissionDenied as error:
        statements = [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": key_arn}]
        raise PermissionDenied(
            f"the caller may not do kms:Encrypt under {key_arn}, which the key's policy gives to nobody; "
            "nothing was changed",
            leave_for_a_moment(holding, statements, name="eonpro-adopt"),
        ) from error


def _promote(holding: DataKeyStore, fingerprint: str) -> str:
    return (
        f"python -m wizard rotate --promote {fingerprint} --stack {holding.stack} --confirm {holding.stack}"
        "   # only if the records are under it, or were re-encrypted"
    )
