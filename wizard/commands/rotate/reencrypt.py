"""Leave for a use of the key that nobody has: how to give it for one command, and how to take it away again.

Pure: words for an operator; grants nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wizard.commands.rotate.data_key import put_in_place
from wizard.commands.rotate.result import Action, RotateResult, show_versions
from wizard.commands.rotate.versions import (
    DataKeyStore,
    RegionStore,
    keep_everywhere,
    keep_stored_keys,
    stored,
    take,
)
from wizard.core.errors import Cancelled, PermissionDenied, ResourceError, UsageError
from wizard.core.models.account import Identity, KeyFact
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.models.stack import Mark
from wizard.core.next_command import Command
from wizard.data_key import delivery
from wizard.setup import confirmation
from wizard.setup.steps import Clients, Request


def temporary_grant(data_keys: DataKeyStore, statements: Sequence[Mapping[str, str]], *, name: str) -> str:
    """What gives the caller these rights, by IAM where the key's policy lets IAM speak, and what ends them."""
    settings, stack = data_keys.settings, data_keys.stack
    if settings.strict_key_policy:
        principal = {"AWS": data_keys.found.identity.principal_arn}
        added = [{**each, "Principal": principal, "Resource": "*"} for each in statements]
        return (
            "the key's policy leaves nothing to IAM here (strict): an administrator adds to it, by aws kms "
            f"put-key-policy, {json.dumps(added)}; run the same command again; pulumi up --stack {stack} takes it away"
        )
    first = ""
    if settings.exclusive_use:
        first = (
            "the key's policy denies its use to all but the application: first pulumi config set --stack "
            f"{stack} eonpro-kms:exclusiveUse false && pulumi up --stack {stack} (and back afterwards), then "
        )
    kind, principal_name = _principal(data_keys.found.identity)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return (
        f"{first}aws iam put-{kind}-policy --{kind}-name {principal_name} --policy-name {name} --policy-document "
        f"'{document}'   # run the same command again, then: aws iam delete-{kind}-policy --{kind}-name "
        f"{principal_name} --policy-name {name}"
    )


def _principal(identity: Identity) -> tuple[str, str]:
    kind = "user" if ":user/" in identity.principal_arn else "role"
    return kind, identity.principal_arn.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The key that is to wrap the data key."""

    arn: str
    """In the stack's own Region, where ReEncrypt works."""
    copy_to: RegionStore | None = None
    """Another Region, with a replica of that key, whose store gets a copy."""
    copy_arn: str | None = None


def reencrypt(request: Request, clients: Clients, key: str, *, redeploy: bool | None) -> RotateResult:
    """The current data key under another key. Under the stack's own it becomes current; under any other it is kept."""
    data_keys = take(request, clients)
    ui = clients.ui
    current = stored(data_keys)
    assert current.wrapped is not None
    old = data_keys.own.key_rotation.version(data_keys.settings, current.wrapped.fingerprint)
    assert old is not None
    destination = _destination(data_keys, key)
    own = destination.arn == data_keys.outputs.key_arn
    source = old.key_arn or data_keys.outputs.key_arn
    command = f"rotate --reencrypt {key} --stack {data_keys.stack}"
    ui.section("Re-wrapping")
    ui.line(f"{old.fingerprint}, wrapped by {source}")
    ui.line(f"is wrapped by {destination.arn} too, inside KMS: it stays the same data key, and no record changes")
    if own:
        ui.line("that is the stack's own key, so that the new wrapping becomes what the application gets")
    else:
        ui.line("the application keeps the wrapping under the stack's own key; the new one is kept beside it")
    _agree(request, clients, data_keys, command, own=own)
    with data_keys.found.engine.alone(request.stack):
        new = _kept(clients, data_keys, old, source, destination)
    ui.line(f"{new.fingerprint} is kept in {new.parameter}", mark=Mark.OK)
    if own:
        return put_in_place(
            _confirmed(request),
            clients,
            data_keys,
            new,
            action=Action.REENCRYPT,
            warnings=("it is the same data key in another wrapping: no record has to be re-encrypted",),
            command=command,
            redeploy=redeploy,
        )
    versions = data_keys.versions()
    show_versions(ui, versions, data_keys.outputs.key_arns)
    return RotateResult(
        action=Action.REENCRYPT,
        stack=data_keys.stack,
        changed=True,
        versions=versions,
        subject=new,
        next=(
            f"an application that gets AWS_KMS_KEY_ID={destination.copy_arn or destination.arn} opens it with "
            f"ENCRYPTED_PHI_KEY of {new.parameter}; it becomes this stack's only when the stack's key is that one",
        ),
    )


def _confirmed(request: Request) -> Request:
    # The name was typed before the key was touched; the same run does not ask twice.
    return replace(request, confirmed=request.stack)


def _agree(request: Request, clients: Clients, data_keys: DataKeyStore, command: str, *, own: bool) -> None:
    if own:
        if not confirmation.typed(request, clients.ui, why="The new wrapping replaces the stored data key."):
            raise Cancelled(
                "nothing was changed: it has to be confirmed by the stack's name",
                Command(f"python -m wizard {command} --confirm {request.stack}"),
            )
        return
    if request.yes or request.confirmed == request.stack:
        return
    if not (clients.ui.interactive and clients.ui.confirm("Wrap it under that key too?", default=False)):
        raise Cancelled("nothing was changed", Command(f"python -m wizard {command} --yes"))


def _kept(
    clients: Clients, data_keys: DataKeyStore, old: DataKeyVersion, source: str, destination: Destination
) -> DataKeyVersion:
    """The new wrapping among the kept versions; one that an interrupted run has left there is taken up."""
    now = clients.now()
    keep_stored_keys(data_keys, at=now)
    left = next(
        (
            each
            for each in data_keys.versions()
            if each.origin is VersionOrigin.REENCRYPTED
            and each.same_as == old.same_as
            and each.key_arn == destination.arn
            and not each.was_current
        ),
        None,
    )
    if left is not None:
        wrapped = left.wrapped
    else:
        try:
            wrapped = data_keys.own.key_rotation.reencrypt(old.wrapped, source=source, destination=destination.arn)
        except PermissionDenied as error:
            raise _denied(error, data_keys, source, destination.arn) from error
    kept = keep_everywhere(
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
    return kept


# --- the destination -----------------------------------------------------------------------------------------------


def _destination(data_keys: DataKeyStore, key: str) -> Destination:
    """The key that is meant, fit to wrap a data key. Raises UsageError or ResourceError, which say what is not."""
    region = delivery.region_of(key) if key.startswith("arn:") and key.count(":") >= 5 else data_keys.settings.region
    aws = data_keys.found.aws
    fact = (aws if region == data_keys.settings.region else aws.with_region(region)).kms.describe_key(key)
    if fact is None:
        raise UsageError(
            f"there is no KMS key {key} in {region}",
            Command(f"aws kms list-aliases --region {region}", advice="then name one"),
        )
    _refuse_unfit(fact)
    if region == data_keys.settings.region:
        return Destination(arn=fact.arn)
    if fact.replica_of is None or delivery.region_of(fact.replica_of) != data_keys.settings.region:
        raise UsageError(
            f"{fact.arn} is in {region}, and ReEncrypt works inside one Region ({data_keys.settings.region}): only a "
            "replica of a multi-Region key of this Region can open there what is wrapped here",
            f"aws kms replicate-key --key-id KEY --replica-region {region}   # of a multi-Region key of "
            f"{data_keys.settings.region}; then --reencrypt the replica's ARN",
        )
    region_store = RegionStore(region=region, key_arn=fact.arn, key_rotation=aws.with_region(region).key_rotation)
    return Destination(arn=fact.replica_of, copy_to=region_store, copy_arn=fact.arn)


def _refuse_unfit(fact: KeyFact) -> None:
    if fact.state != "Enabled":
        raise ResourceError(
            f"{fact.arn} is {fact.state}; nothing was changed",
            Command(f"aws kms enable-key --key-id {fact.arn}", advice="or another"),
        )
    if fact.spec != "SYMMETRIC_DEFAULT" or fact.usage != "ENCRYPT_DECRYPT":
        raise UsageError(
            f"{fact.arn} is a key for {fact.usage} ({fact.spec}), which wraps no data key",
            "name a symmetric key for ENCRYPT_DECRYPT",
        )


# --- the right that nobody has -------------------------------------------------------------------------------------


def _denied(error: PermissionDenied, data_keys: DataKeyStore, source: str, destination: str) -> PermissionDenied:
    """Who may not re-encrypt, why, and how to give the right for a moment and take it away again."""
    return PermissionDenied(
        "the caller may not re-encrypt: kms:ReEncryptFrom on the key that wraps the data key now and kms:ReEncryptTo "
        f"on the one that shall are given to nobody by the key's policy; nothing was changed ({error.message})",
        temporary_grant(
            data_keys,
            [
                {"Effect": "Allow", "Action": "kms:ReEncryptFrom", "Resource": source},
                {"Effect": "Allow", "Action": "kms:ReEncryptTo", "Resource": destination},
            ],
            name="eonpro-reencrypt",
        ),
    )
