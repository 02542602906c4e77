"""`restore`: any kept version of the data key, or one from a backup, back into the store and to the application.

Pure: acts through the edges' Protocols. What it takes the place of is kept like every other.
"""

from __future__ import annotations

from dataclasses import replace

from wizard.commands.backup import destination
from wizard.commands.backup import document as backup
from wizard.commands.rotate.data_key import put_in_place
from wizard.commands.rotate.result import Action, RotateResult, show_versions, warn_of_altered
from wizard.commands.rotate.versions import (
    DataKeyStore,
    keep_everywhere,
    refuse_other_store,
    take,
    version_of,
)
from wizard.core.errors import UsageError
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.models.stack import Mark
from wizard.setup.steps import Clients, Request


def listing(request: Request, clients: Clients) -> tuple[tuple[DataKeyVersion, ...], str]:
    """What there is to restore, shown; and the command that does it. Changes nothing."""
    data_keys = take(request, clients)
    clients.ui.section("Kept versions")
    versions = data_keys.versions()
    show_versions(clients.ui, versions, data_keys.outputs.key_arns)
    warn_of_altered(clients.ui, data_keys.own.key_rotation.altered(data_keys.settings))
    again = f"python -m wizard restore --version FINGERPRINT --stack {data_keys.stack} --confirm {data_keys.stack}"
    if not versions:
        again = f"python -m wizard restore --from-backup PLACE --stack {data_keys.stack} --confirm {data_keys.stack}"
    clients.ui.line(again)
    return versions, again


def restore_version(request: Request, clients: Clients, fingerprint: str, *, redeploy: bool | None) -> RotateResult:
    """A kept version into the store, whatever is stored now, or nothing."""
    data_keys = take(request, clients)
    refuse_other_store(data_keys)
    command = f"python -m wizard restore --version FINGERPRINT --stack {data_keys.stack}"
    version = version_of(data_keys, fingerprint, command=command)
    return _put_back(
        request,
        clients,
        data_keys,
        version,
        command=f"restore --version {version.fingerprint} --stack {data_keys.stack}",
        redeploy=redeploy,
    )


def restore_backup(request: Request, clients: Clients, where: str, *, redeploy: bool | None) -> RotateResult:
    """What a backup holds, into the kept versions; its current version into the store, proved to open beforehand."""
    data_keys = take(request, clients)
    refuse_other_store(data_keys)
    ui = clients.ui
    found = destination.read(where, data_keys.found.aws.backup_storage)
    backup.refuse_foreign(found, data_keys.settings, where)
    if found.key_arn not in data_keys.outputs.key_arns:
        raise UsageError(
            f"{where} holds a data key that {found.key_arn} wraps, and the stack's key is {data_keys.outputs.key_arn}; "
            "nothing was changed",
            "use the stack that made it, with its KMS key; a wrapped key opens with no other",
        )
    ui.line(f"{where}: {found.fingerprint}, of {found.made_at:%Y-%m-%d}, {len(found.versions)} version(s)")
    there = {each.fingerprint for each in data_keys.versions()}
    return _put_back(
        request,
        clients,
        data_keys,
        _as_version(found.current, where, known=found.fingerprint in there),
        command=f"restore --from-backup {where} --stack {data_keys.stack}",
        redeploy=redeploy,
        others=tuple(each for each in found.versions if each.fingerprint not in there and not each.current),
        trusted=found.fingerprint in there,
    )


def _as_version(version: DataKeyVersion, where: str, *, known: bool) -> DataKeyVersion:
    return replace(version, parameter=where, current=False, origin=version.origin if known else VersionOrigin.RESTORED)


def _put_back(
    request: Request,
    clients: Clients,
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    command: str,
    redeploy: bool | None,
    others: tuple[DataKeyVersion, ...] = (),
    trusted: bool = True,
) -> RotateResult:
    stored_key = data_keys.stored_key()
    standing = (
        f"{stored_key.parameter} holds nothing now"
        if not stored_key.exists
        else f"{stored_key.parameter} holds something that is no data key now; the store's own history keeps it"
        if stored_key.wrapped is None
        else f"{stored_key.wrapped.fingerprint} makes way, and is kept: restore --version {stored_key.wrapped.fingerprint}"
    )
    outcome = put_in_place(
        request,
        clients,
        data_keys,
        version,
        action=Action.RESTORE,
        warnings=(standing, "records under another data key cannot be read by the application from then on"),
        command=command,
        redeploy=redeploy,
        trusted=trusted,
    )
    if not others:
        return outcome
    now = clients.now()
    for each in others:
        keep_everywhere(
            data_keys, each.wrapped, key_arn=each.key_arn, origin=VersionOrigin.RESTORED, at=now, same_as=each.same_as
        )
    clients.ui.line(f"{len(others)} other version(s) of the backup are kept again", mark=Mark.OK)
    return replace(outcome, versions=data_keys.versions())
