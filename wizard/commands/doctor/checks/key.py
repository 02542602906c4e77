"""The key as the stack and the application's variables name it: whether it is there, works, and is the one they mean.

Pure: reads through the context.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from wizard.commands.doctor import context as fixes
from wizard.commands.doctor.checks.variables import Expected, expected, surrounding_fault
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, CheckResult, Finding, NotChecked, Passed
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StoredDataKey
from wizard.data_key.delivery import region_of

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(key|alias)/.+")

_RESTART = "restart the application: it caches a failed load of its key"


def check_region(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the settings name the Region that the stack was built in."""
    outputs, settings = context.outputs, context.settings
    if outputs is None or region_of(outputs.key_arn) == settings.region:
        return
    built_in = region_of(outputs.key_arn)
    yield Finding(
        cause="region-of-settings",
        what=f"the settings name {settings.region}, and the stack was built in {built_in}",
        why=f"KMS in {settings.region} knows no key of {built_in}: it answers NotFoundException, or AccessDeniedException",
        command=f"pulumi config set aws:region {built_in} --stack {context.stack}",
    )


def check_keys(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the stack's key is there and enabled, in each of its Regions."""
    arns = context.outputs.key_arns if context.outputs else tuple(filter(None, (context.key_arn,)))
    for arn in arns:
        key = context.key if arn == context.key_arn else context.replica(arn)
        if isinstance(key, SetupError):
            yield NotChecked.of(f"the key {arn}", key)
        elif key is None:
            yield _missing(arn)
        else:
            yield _state(key)
    if not arns and isinstance(target := context.alias_target, SetupError):
        yield NotChecked.of("the key", target)


def _missing(arn: str) -> Finding:
    region = region_of(arn)
    return Finding(
        cause="key-missing",
        what=f"there is no key {arn}",
        why="it was deleted, or these credentials are of another account; without it no record can be opened",
        command=f"aws cloudtrail lookup-events --region {region} "
        f"--lookup-attributes AttributeKey=ResourceName,AttributeValue={arn}",
        advice="its output shows who deleted the key, and when; a replica or a backup under another key opens the data key",
    )


def _state(key: KeyFact) -> CheckResult:
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
            advice=f"find out who scheduled it, then {_RESTART}",
        )
    if key.state == "Disabled":
        return Finding(
            cause="key-disabled",
            what=f"the key {key.arn} is disabled",
            why="KMS answers DisabledException to every use, so the application cannot open its data key",
            command=f"aws kms enable-key {where}",
            advice=_RESTART,
        )
    return Finding(
        cause="key-unavailable",
        what=f"the key {key.arn} cannot be used: {key.state}",
        why="KMS answers KMSInvalidStateException to every use until that is over",
        command=f"aws kms describe-key {where}",
    )


# --- AWS_KMS_KEY_ID ------------------------------------------------------------------------------------------------


def check_delivered_key_id(context: CheckContext) -> Iterator[CheckResult]:
    """Whether AWS_KMS_KEY_ID is the key's ARN wherever it was delivered."""
    for variable in expected(context, "AWS_KMS_KEY_ID"):
        if variable.value is None or variable.expected_value is None:
            continue
        yield _key_id(context, variable, variable.value, variable.expected_value)


def _key_id(context: CheckContext, variable: Expected, value: str, expected_arn: str) -> CheckResult:
    if value == expected_arn:
        return Passed(what=f"AWS_KMS_KEY_ID in {variable.place} is the key's ARN")
    if (damaged := surrounding_fault(context, variable, value)) is not None:
        return damaged
    cause, why = _how_it_differs(value, expected_arn)
    return Finding(
        cause=cause,
        what=f"AWS_KMS_KEY_ID in {variable.place} is {_shown(value)}, not {expected_arn}",
        why=why,
        command=fixes.push(context),
        advice=f"redeploy; {_RESTART}",
    )


def _how_it_differs(value: str, expected_arn: str) -> tuple[str, str]:
    match = _ARN.fullmatch(value)
    if value.startswith("alias/") or (match and match[3] == "alias"):
        return "key-id-alias", (
            "a policy that names the key grants nothing on an alias, and an alias may come to point elsewhere; "
            "the application compares what KMS answers with the key's ARN"
        )
    if value == expected_arn.rpartition("/")[2]:
        return "key-id-bare", "a bare id is looked up in whatever account and Region the credentials are of"
    if match and match[1] != region_of(expected_arn):
        return (
            "key-id-other-region",
            f"KMS in {region_of(expected_arn)} answers NotFoundException: Invalid arn {match[1]}",
        )
    if match and match[2] != expected_arn.split(":")[4]:
        return "key-id-other-account", f"it is a key of the account {match[2]}, whose policy does not let us in"
    return "key-id-other-key", "KMS answers IncorrectKeyException, or AccessDeniedException: that key wrapped nothing"


def _shown(value: str) -> str:
    # No secret; but whatever was pasted there by mistake might be one.
    return value if _ARN.fullmatch(value) or re.fullmatch(r"(alias/[\w/-]+|(mrk-)?[0-9a-f-]{32,36})", value) else "…"


def check_alias(context: CheckContext) -> Iterator[CheckResult]:
    """The alias, against the key that the stack tells."""
    outputs, target = context.outputs, context.alias_target
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
            command=fixes.aws(context, "kms", "create-alias", *to_the_key),
        )
    elif target.arn != key:
        yield Finding(
            cause="alias-moved",
            what=f"{alias} points to {target.arn}, not to the stack's key {key}",
            why="whoever names the key by its alias uses a key that does not open the data key",
            command=fixes.aws(context, "kms", "update-alias", *to_the_key),
        )
    else:
        yield Passed(what=f"{alias} points to the stack's key")


def check_rotation(context: CheckContext) -> Iterator[CheckResult]:
    """Whether KMS gives the key new material, and how often."""
    key, period = context.key, context.settings.rotation_period_days
    if not isinstance(key, KeyFact):
        return  # Told by the check of the key.
    arn = key.arn
    rotate = fixes.aws(context, "kms", "enable-key-rotation", "--key-id", arn, "--rotation-period-in-days", str(period))
    if key.rotation_enabled is None:
        if key.state == "Enabled":
            yield NotChecked(what="the rotation of the key", why="KMS does not return it", is_denied=True)
    elif not key.rotation_enabled:
        yield Finding(
            cause="rotation-off",
            what=f"the key {arn} does not rotate",
            why=f"the settings say every {period} days; prowler and an auditor look for it",
            command=rotate,
        )
    elif key.rotation_period_days is None:
        yield NotChecked(what="how often the key rotates", why="KMS does not return it")
    elif key.rotation_period_days != period:
        yield Finding(
            cause="rotation-period",
            what=f"the key {arn} rotates every {key.rotation_period_days} days",
            why=f"the settings say every {period} days",
            command=rotate,
            advice="if the settings were changed and not applied, Pulumi's state follows with the next `pulumi up`",
        )
    else:
        yield Passed(what=f"the key rotates every {period} days")


def check_replica_data_keys(context: CheckContext) -> Iterator[CheckResult]:
    """Whether each holds the data key that the stored data key holds."""
    stored_data_key, outputs, settings = context.stored_data_key, context.outputs, context.settings
    if outputs is None or not isinstance(stored_data_key, StoredDataKey):
        return  # Told by the check of the stored data key.
    name, ours = settings.names.stored_data_key, stored_data_key.wrapped.fingerprint
    for region in map(region_of, outputs.replica_key_arns):
        read = partial(
            context.aws.with_region(region).stored_data_keys.read_stored_data_key, name, store=settings.secret_store
        )
        copy = context.once(f"escrow in {region}", read)
        if isinstance(copy, SetupError):
            yield NotChecked.of(f"the stored data key {name} in {region}", copy)
        elif copy is None:
            yield Finding(
                cause="stored-key-replica-missing",
                what=f"there is no copy of the stored data key {name} in {region}",
                why=f"the application in {region} finds no data key, and there is one copy less to lose",
                command=fixes.push(context),
            )
        elif copy.wrapped != stored_data_key.wrapped:
            yield Finding(
                cause="stored-key-replica-differs",
                what=f"the stored data key {name} in {region} holds {copy.wrapped.fingerprint}, not {ours}",
                why="what one Region encrypts, the other cannot read",
                command=fixes.wizard(context, "restore", "--version", ours, "--confirm", context.stack),
            )
        else:
            yield Passed(what=f"the stored data key in {region} holds the same data key")


ACCESS_CHECKS: tuple[Check, ...] = (
    check_region,
    check_keys,
    check_delivered_key_id,
)
OTHER_CHECKS: tuple[Check, ...] = (
    check_alias,
    check_rotation,
    check_replica_data_keys,
)
