"""`adopt --encryption-key`: the ENCRYPTION_KEY that the application used before becomes a version of the data key.

Acts through the ports. A child process reads the key and lets KMS wrap it; it never enters this process.
"""

from __future__ import annotations

from dataclasses import replace

from wizard.commands.rotate.data_key import fetch_command, promote_command, put_in_place
from wizard.commands.rotate.replace_version import same_version
from wizard.commands.rotate.result import Action, RotateResult, show_versions
from wizard.commands.rotate.scan_evidence import scan_command
from wizard.commands.rotate.versions import (
    DataKeyStore,
    keep_everywhere,
    keep_stored_keys,
    may_create,
    read_stack,
    refuse_other_store,
    stored,
)
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.next_command import Command, wizard
from wizard.data_key import guard
from wizard.setup import confirmation
from wizard.setup.deliver_and_verify import wrap_former_key


def adopt(request: Request, clients: Clients) -> RotateResult:
    """Store the former key as the data key if there never was one, else only as a version."""
    data_keys = read_stack(request, clients)
    refuse_other_store(data_keys)
    ui, command = clients.ui, wizard("adopt", "--encryption-key", "--stack", data_keys.stack)
    stored_key = data_keys.stored_key()
    # After an interrupted run of this command there may be a version, but no record uses it yet.
    decision = None if stored_key.exists else may_create(data_keys, importing=True)
    if decision is not None and decision.state is guard.DecisionState.UNKNOWN:
        decision.require()
    first, versions = decision is not None and decision.is_allowed, data_keys.versions()
    ui.section("The former key")
    if first:
        ui.line("no data key is stored yet: the former ENCRYPTION_KEY becomes the application's data key")
    else:
        show_versions(ui, versions, data_keys.outputs.key_arns)
        ui.line("the former key is kept as another version, unless the application can tell that it is one of these")
    why = "A child process reads the key, and KMS wraps it. It is never shown, and is kept forever."
    if not confirmation.typed(request, ui, why=why):
        raise Cancelled(
            "nothing was changed: confirm with the stack's name",
            Command('printf %s "$ENCRYPTION_KEY" | ', command.plus("--confirm", request.stack)),
        )
    deployed, outputs = data_keys.deployed, data_keys.outputs
    wrapped = wrap_former_key(clients, deployed.aws, data_keys.settings, deployed.identity, outputs, data_keys.stack)
    with data_keys.deployed.engine.alone(request.stack):
        # KMS wraps the same key differently each time: an earlier run, perhaps an interrupted one, may have kept it.
        same = same_version(clients, data_keys, wrapped)
        is_in_use = same is not None and same.current
        now = clients.now()
        keep_stored_keys(data_keys, at=now)
        version = keep_everywhere(
            data_keys,
            same.wrapped if same else wrapped,
            key_arn=data_keys.outputs.key_arn,
            origin=same.origin if same else VersionOrigin.ADOPTED,
            at=now,
            same_as=same.same_as if same else None,
        )
    ui.line(
        f"{version.fingerprint} is this key, and the data key in use"
        if is_in_use
        else f"{version.fingerprint} is {'this key, and ' if same else ''}kept in {version.parameter}",
        mark=Mark.OK,
    )
    if first:
        return put_in_place(
            replace(request, confirmed=request.stack),
            clients,
            data_keys,
            version,
            action=Action.ADOPT,
            warnings=(),
            command=command,
        )
    return RotateResult(
        action=Action.ADOPT,
        stack=data_keys.stack,
        changed=same is None,
        versions=data_keys.versions(),
        subject=version,
        next=() if is_in_use else (decision.next,) if decision else _promote(data_keys, version),
    )


def _promote(data_keys: DataKeyStore, version: DataKeyVersion) -> tuple[str, ...]:
    current = stored(data_keys)
    assert current.wrapped is not None
    return (
        fetch_command(data_keys, old=current.wrapped.fingerprint, new=version),
        scan_command(advice="with the application's AWS credentials: which records are under which of the two"),
        promote_command(
            data_keys, version.fingerprint, advice="only if the records use that data key, or were re-encrypted"
        ),
    )
