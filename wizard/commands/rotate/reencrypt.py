"""`rotate --reencrypt`: the current data key wrapped by another KMS key; and how to get the permissions for that.

Acts through the clients; changes no IAM policy and no key policy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.settings.arn import Arn
from wizard.commands.rotate.data_key import confirm_by_name, put_in_place
from wizard.commands.rotate.replace_version import is_current_everywhere, make_current, prove_opening, stored_keys
from wizard.commands.rotate.result import Action, RotateResult, show_versions
from wizard.commands.rotate.versions import (
    DataKeyStore,
    RegionStore,
    keep_everywhere,
    keep_stored_keys,
    read_stack,
    stored_fingerprint,
)
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, PermissionDenied, ResourceError, SetupError, UsageError, attempted
from wizard.core.models.account import KeyFact
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.setup.deliver_and_verify import temporary_grant


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The KMS key that will wrap the data key."""

    arn: str
    """In the stack's own Region, where ReEncrypt works."""
    copy_to: RegionStore | None = None
    """Another Region with a replica of that key, whose store gets a copy."""
    copy_arn: str | None = None


def reencrypt(request: Request, clients: Clients, key: str) -> RotateResult:
    """Wrap the current data key with another key: the stack's own key makes it current, any other only a version."""
    data_keys = read_stack(request, clients)
    ui = clients.ui
    old = data_keys.own.key_rotation.version(data_keys.settings, stored_fingerprint(data_keys))
    assert old is not None
    destination = _destination(data_keys, key)
    own = destination.arn == data_keys.outputs.key_arn
    source = old.key_arn or data_keys.outputs.key_arn
    command = eonpro("rotate", "--reencrypt", key, "--stack", data_keys.stack)
    ui.section("Re-encryption")
    ui.line(f"{old.fingerprint}, wrapped by {source}")
    ui.line(f"KMS wraps it with {destination.arn}, too: it stays the same data key, and no record changes")
    if own:
        ui.line("that is the stack's own key: the application gets the new wrapped key")
    else:
        ui.line("the application keeps the current wrapped key; the new one is kept as another version")
    _confirm(request, clients, command, own=own)
    before = {version.fingerprint for version in data_keys.versions()}
    with data_keys.deployed.engine.alone(request.stack):
        # First the keys beside it: the delivery of the data key delivers all of them, under one KMS key.
        for other in data_keys.others:
            _reencrypt_beside(clients, other, destination, own=own)
        new = _keep_reencrypted(clients, data_keys, old, source, destination)
    ui.line(f"{new.fingerprint} is kept in {new.parameter}", mark=Mark.OK)
    if own:
        return put_in_place(
            replace(request, confirmed=request.stack),  # Confirmed above.
            clients,
            data_keys,
            new,
            action=Action.REENCRYPT,
            warnings=("it is the same data key, wrapped again: no record has to be re-encrypted",),
            command=command,
        )
    versions = data_keys.versions()
    show_versions(ui, versions, data_keys.outputs.key_arns)
    return RotateResult(
        action=Action.REENCRYPT,
        stack=data_keys.stack,
        changed=new.fingerprint not in before,
        versions=versions,
        subject=new,
        next=(
            f"an application with AWS_KMS_KEY_ID={destination.copy_arn or destination.arn} can decrypt the "
            f"ENCRYPTED_PHI_KEY in {new.parameter}; this stack uses it only if that key becomes the stack's key",
        ),
    )


def _reencrypt_beside(clients: Clients, data_keys: DataKeyStore, destination: Destination, *, own: bool) -> None:
    """Re-encrypt a wrapped key that the application has beside its data key."""
    stored_key = data_keys.stored_key()
    if stored_key.wrapped is None:
        return  # Not made yet; a lost one is the doctor's finding.
    old = data_keys.version(stored_key.wrapped.fingerprint)
    assert old is not None
    new = _keep_reencrypted(clients, data_keys, old, old.key_arn or data_keys.outputs.key_arn, destination)
    clients.ui.line(f"{data_keys.settings.names.noun} {new.fingerprint} is kept in {new.parameter}", mark=Mark.OK)
    if own and not is_current_everywhere(data_keys, new):
        prove_opening(clients, data_keys, new, trusted=True)
        make_current(data_keys, new, former=stored_keys(data_keys), at=clients.now())


def _confirm(request: Request, clients: Clients, command: Command, *, own: bool) -> None:
    if own:
        confirm_by_name(request, clients, command, why="The new wrapped key replaces the stored data key.")
    elif request.yes or request.confirmed == request.stack:
        return
    elif not (clients.ui.interactive and clients.ui.confirm("Wrap it with that key, too?", default=False)):
        raise Cancelled("nothing was changed", command.plus("--yes"))


def _keep_reencrypted(
    clients: Clients, data_keys: DataKeyStore, old: DataKeyVersion, source: str, destination: Destination
) -> DataKeyVersion:
    """Re-encrypt the data key and keep the version; one of an interrupted run is used again."""
    now = clients.now()
    keep_stored_keys(data_keys, at=now)
    earlier = _since_last_rotation(data_keys, old, destination)
    if earlier is not None:
        clients.ui.line(
            f"an earlier run wrapped it already: this run continues with {earlier.fingerprint}", mark=Mark.INFO
        )
        wrapped = earlier.wrapped
    else:
        try:
            wrapped = data_keys.own.key_rotation.reencrypt(old.wrapped, source=source, destination=destination.arn)
        except PermissionDenied as error:
            raise _denied(error, data_keys, source, destination.arn) from error
    new = keep_everywhere(
        data_keys, wrapped, key_arn=destination.arn, origin=VersionOrigin.REENCRYPTED, at=now, same_as=old.same_as
    )
    if destination.copy_to is not None:
        destination.copy_to.key_rotation.keep(
            data_keys.settings,
            wrapped,
            key_arn=destination.copy_arn,
            origin=VersionOrigin.REENCRYPTED,
            at=now,
            same_as=old.same_as,
        )
    return new


def _since_last_rotation(
    data_keys: DataKeyStore, old: DataKeyVersion, destination: Destination
) -> DataKeyVersion | None:
    """The newest version that an earlier run wrapped by the key's present material; once more would change nothing."""
    versions = [
        version
        for version in data_keys.versions()
        if version.origin is VersionOrigin.REENCRYPTED
        and version.same_as == old.same_as
        and version.key_arn == destination.arn
    ]
    if versions and destination.arn == data_keys.outputs.key_arn:
        known = attempted(data_keys.own.key_rotation.rotations, destination.arn)
        if isinstance(known, SetupError):
            versions = [version for version in versions if not version.was_current]
        elif known.rotations:
            rotated = max(rotation.at for rotation in known.rotations)
            versions = [version for version in versions if version.kept_at is not None and version.kept_at > rotated]
    return versions[-1] if versions else None


# --- the destination


def _destination(data_keys: DataKeyStore, key: str) -> Destination:
    """The key of the option, checked. Raises UsageError or ResourceError if it cannot wrap a data key."""
    arn = Arn.find(key)
    region = arn.region if arn else data_keys.settings.region
    aws = data_keys.deployed.aws
    fact = (aws if region == data_keys.settings.region else aws.with_region(region)).kms.describe_key(key)
    if fact is None:
        raise UsageError(
            f"the KMS key {key} does not exist in {region}",
            shell("aws", "kms", "list-aliases", "--region", region, advice="lists the keys with an alias"),
        )
    _refuse_unfit(fact)
    if region == data_keys.settings.region:
        return Destination(arn=fact.arn)
    if fact.replica_of is None or Arn.parse(fact.replica_of).region != data_keys.settings.region:
        raise UsageError(
            f"{fact.arn} is in {region}, but ReEncrypt works inside one Region ({data_keys.settings.region}): use the "
            f"replica of a multi-Region key of {data_keys.settings.region}",
            Text(
                shell("aws", "kms", "replicate-key", "--key-id", "KEY", "--replica-region", region),
                f"   # of a multi-Region key of {data_keys.settings.region}; then --reencrypt the replica's ARN",
            ),
        )
    region_store = RegionStore(region=region, key_arn=fact.arn, key_rotation=aws.with_region(region).key_rotation)
    return Destination(arn=fact.replica_of, copy_to=region_store, copy_arn=fact.arn)


def _refuse_unfit(fact: KeyFact) -> None:
    if fact.state != "Enabled":
        raise ResourceError(
            f"{fact.arn} is {fact.state}; nothing was changed",
            shell("aws", "kms", "enable-key", "--key-id", fact.arn, advice="or choose another key"),
        )
    if fact.spec != "SYMMETRIC_DEFAULT" or fact.usage != "ENCRYPT_DECRYPT":
        raise UsageError(
            f"{fact.arn} is a key for {fact.usage} ({fact.spec}), which cannot wrap a data key",
            "choose a symmetric key for ENCRYPT_DECRYPT",
        )


# --- the missing permission


def _denied(error: PermissionDenied, data_keys: DataKeyStore, source: str, destination: str) -> PermissionDenied:
    """The error with the missing permissions, and how to get them for one command."""
    return PermissionDenied(
        "the caller cannot re-encrypt: the key policies allow kms:ReEncryptFrom for the key that wraps the data key, "
        f"and kms:ReEncryptTo for the other one, to nobody; nothing was changed ({error.message})",
        temporary_grant(
            data_keys.settings,
            data_keys.deployed.identity,
            data_keys.stack,
            [
                {"Effect": "Allow", "Action": "kms:ReEncryptFrom", "Resource": source},
                {"Effect": "Allow", "Action": "kms:ReEncryptTo", "Resource": destination},
            ],
            name="eonpro-reencrypt",
        ),
    )
