"""The key as the stack and the application's variables name it: whether it is there, works, and is the one they mean.

Pure: reads through the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from wizard.commands.doctor import fixes
from wizard.commands.doctor.checks.variables import Expected, expected, framed
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, Finding, NotChecked, Passed, Told
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StoredDataKey
from wizard.data_key.storage import region_of

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(key|alias)/.+")

_RESTART = "start the application anew: it remembers a load of its key that failed"


def the_region_of_the_settings(evidence: CheckContext) -> Iterator[Told]:
    """Whether the settings name the Region that the stack was built in."""
    outputs, settings = evidence.outputs, evidence.settings
    if outputs is None or region_of(outputs.key_arn) == settings.region:
        return
    there = region_of(outputs.key_arn)
    yield Finding(
        cause="region-of-settings",
        what=f"the settings name {settings.region}, and the stack was built in {there}",
        why=f"KMS in {settings.region} knows no key of {there}: it answers NotFoundException, or AccessDeniedException",
        command=f"pulumi config set aws:region {there} --stack {evidence.stack}",
    )


def the_key_and_its_replicas(evidence: CheckContext) -> Iterator[Told]:
    """Whether the stack's key is there and enabled, in each of its Regions."""
    arns = evidence.outputs.key_arns if evidence.outputs else tuple(filter(None, (evidence.key_arn,)))
    for arn in arns:
        key = evidence.key if arn == evidence.key_arn else evidence.replica(arn)
        if isinstance(key, SetupError):
            yield NotChecked.of(f"the key {arn}", key)
        elif key is None:
            yield _missing(arn)
        else:
            yield _state(key)
    if not arns and isinstance(target := evidence.alias_target, SetupError):
        yield NotChecked.of("the key", target)


def _missing(arn: str) -> Finding:
    region = region_of(arn)
    return Finding(
        cause="key-missing",
        what=f"there is no key {arn}",
        why="it was deleted, or these credentials are of another account; without it no record can be opened",
        command=f"aws cloudtrail lookup-events --region {region} "
        f"--lookup-attributes AttributeKey=ResourceName,AttributeValue={arn}",
        then="what it tells is who ended the key, and when; a replica or a backup under another key opens the data key",
    )


def _state(key: KeyFact) -> Told:
    region = region_of(key.arn)
    where = f"--key-id {key.arn} --region {region}"
    if key.state == "Enabled":
        return Passed(what=f"the key {key.arn} is there and enabled")
    if key.state == "PendingDeletion":
        return Finding(
            cause="key-pending-deletion",
            what=f"the key {key.arn} is going to be deleted",
            why="KMS answers KMSInvalidStateException to every use, and when its time is over every record is lost",
            command=f"aws kms cancel-key-deletion {where} && aws kms enable-key {where}",
            then=f"find out who scheduled it, then {_RESTART}",
        )
    if key.state == "Disabled":
        return Finding(
            cause="key-disabled",
            what=f"the key {key.arn} is disabled",
            why="KMS answers DisabledException to every use, so the application cannot open its data key",
            command=f"aws kms enable-key {where}",
            then=_RESTART,
        )
    return Finding(
        cause="key-unavailable",
        what=f"the key {key.arn} cannot be used: {key.state}",
        why="KMS answers KMSInvalidStateException to every use until that is over",
        command=f"aws kms describe-key {where}",
    )


# --- AWS_KMS_KEY_ID ------------------------------------------------------------------------------------------------


def the_key_id_as_delivered(evidence: CheckContext) -> Iterator[Told]:
    """Whether AWS_KMS_KEY_ID is the key's ARN wherever it was delivered."""
    for one in expected(evidence, "AWS_KMS_KEY_ID"):
        if one.value is None or one.wanted is None:
            continue
        yield _key_id(evidence, one, one.value, one.wanted)


def _key_id(evidence: CheckContext, one: Expected, value: str, wanted: str) -> Told:
    if value == wanted:
        return Passed(what=f"AWS_KMS_KEY_ID in {one.place} is the key's ARN")
    if (damaged := framed(evidence, one, value)) is not None:
        return damaged
    cause, why = _how_it_differs(value, wanted)
    return Finding(
        cause=cause,
        what=f"AWS_KMS_KEY_ID in {one.place} is {_shown(value)}, not {wanted}",
        why=why,
        command=fixes.push(evidence),
        then=f"deploy anew; {_RESTART}",
    )


def _how_it_differs(value: str, wanted: str) -> tuple[str, str]:
    found = _ARN.fullmatch(value)
    if value.startswith("alias/") or (found and found[3] == "alias"):
        return "key-id-alias", (
            "a policy that names the key grants nothing on an alias, and an alias may come to point elsewhere; "
            "the application compares what KMS answers with the key's ARN"
        )
    if value == wanted.rpartition("/")[2]:
        return "key-id-bare", "a bare id is looked up in whatever account and Region the credentials are of"
    if found and found[1] != region_of(wanted):
        return "key-id-other-region", f"KMS in {region_of(wanted)} answers NotFoundException: Invalid arn {found[1]}"
    if found and found[2] != wanted.split(":")[4]:
        return "key-id-other-account", f"it is a key of the account {found[2]}, whose policy does not let us in"
    return "key-id-other-key", "KMS answers IncorrectKeyException, or AccessDeniedException: that key wrapped nothing"


def _shown(value: str) -> str:
    # No secret; but whatever was pasted there by mistake might be one.
    return value if _ARN.fullmatch(value) or re.fullmatch(r"(alias/[\w/-]+|(mrk-)?[0-9a-f-]{32,36})", value) else "…"


def of_the_alias(evidence: CheckContext) -> Iterator[Told]:
    """The alias, against the key that the stack tells."""
    outputs, target = evidence.outputs, evidence.alias_target
    if outputs is None:
        return
    alias, key = outputs.alias_name, outputs.key_arn
    if isinstance(target, SetupError):
        yield NotChecked.of(f"the alias {alias}", target)
        return
    to_the_key = ("--alias-name", alias, "--target-key-id", outputs.key_id)
    if target is None:
        yield Finding(
            cause="alias-missing",
            what=f"{alias} points to no key",
            why=f"whoever names the key by its alias is refused; the stack's key is {key}",
            command=fixes.aws(evidence, "kms", "create-alias", *to_the_key),
        )
    elif target.arn != key:
        yield Finding(
            cause="alias-moved",
            what=f"{alias} points to {target.arn}, not to the stack's key {key}",
            why="whoever names the key by its alias uses a key that does not open the data key",
            command=fixes.aws(evidence, "kms", "update-alias", *to_the_key),
        )
    else:
        yield Passed(what=f"{alias} points to the stack's key")


def of_the_rotation(evidence: CheckContext) -> Iterator[Told]:
    """Whether KMS gives the key new material, and how often."""
    key, wanted = evidence.key, evidence.settings.rotation_period_days
    if not isinstance(key, KeyFact):
        return  # Told by the check of the key.
    arn = key.arn
    rotate = fixes.aws(
        evidence, "kms", "enable-key-rotation", "--key-id", arn, "--rotation-period-in-days", str(wanted)
    )
    if key.rotation_enabled is None:
        if key.state == "Enabled":
            yield NotChecked(what="the rotation of the key", why="KMS does not tell it", is_denied=True)
    elif not key.rotation_enabled:
        yield Finding(
            cause="rotation-off",
            what=f"the key {arn} does not rotate",
            why=f"the settings say every {wanted} days; prowler and an auditor look for it",
            command=rotate,
        )
    elif key.rotation_period_days is None:
        yield NotChecked(what="how often the key rotates", why="KMS does not tell it")
    elif key.rotation_period_days != wanted:
        yield Finding(
            cause="rotation-period",
            what=f"the key {arn} rotates every {key.rotation_period_days} days",
            why=f"the settings say every {wanted} days",
            command=rotate,
            then="if the settings were changed and not applied, Pulumi's state follows with the next `pulumi up`",
        )
    else:
        yield Passed(what=f"the key rotates every {wanted} days")


def the_replicas_escrows(evidence: CheckContext) -> Iterator[Told]:
    """Whether each holds the data key that the escrow holds."""
    stored_data_key, outputs, settings = evidence.stored_data_key, evidence.outputs, evidence.settings
    if outputs is None or not isinstance(stored_data_key, StoredDataKey):
        return  # Told by the check of the escrow.
    name, ours = settings.names.stored_data_key, stored_data_key.wrapped.fingerprint
    for region in map(region_of, outputs.replica_key_arns):
        read = partial(
            evidence.aws.with_region(region).stored_data_keys.read_stored_data_key, name, store=settings.secret_store
        )
        copy = evidence.once(f"escrow in {region}", read)
        if isinstance(copy, SetupError):
            yield NotChecked.of(f"the escrow {name} in {region}", copy)
        elif copy is None:
            yield Finding(
                cause="escrow-replica-missing",
                what=f"there is no copy of the escrow {name} in {region}",
                why=f"the application in {region} finds no data key, and there is one copy less to lose",
                command=fixes.push(evidence),
            )
        elif copy.wrapped != stored_data_key.wrapped:
            yield Finding(
                cause="escrow-replica-differs",
                what=f"the escrow {name} in {region} holds {copy.wrapped.fingerprint}, not {ours}",
                why="what one Region encrypts, the other cannot read",
                command=fixes.wizard(evidence, "restore", "--version", ours, "--confirm", evidence.stack),
            )
        else:
            yield Passed(what=f"the escrow in {region} holds the same data key")


ACCESS_CHECKS: tuple[Check, ...] = (
    the_region_of_the_settings,
    the_key_and_its_replicas,
    the_key_id_as_delivered,
)
OTHER_CHECKS: tuple[Check, ...] = (
    of_the_alias,
    of_the_rotation,
    the_replicas_escrows,
)
