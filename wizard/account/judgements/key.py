"""The checks of the KMS key: state, alias, rotation, AWS_KMS_KEY_ID, and the copies of the data key.

Reads through the facts.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial

from components.policies.stack import key_policy_of
from components.settings import KEY_ID_VARIABLE
from components.settings.arn import Arn
from wizard.account import fixes, key_access
from wizard.account.comparison.policies import widening
from wizard.account.facts import StackFacts
from wizard.account.judgements.key_policy import key_resource, unread_key
from wizard.account.judgements.principal import RESTART
from wizard.account.judgements.variables import Expected, delivery, expected, surrounding_fault
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import DataKeyConflict, SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.next_command import Command, Text, chain, shell

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(key|alias)/.+")


@judgement()
def check_settings(facts: StackFacts) -> Iterator[Notice]:
    """Whether the settings name the Region, application, environment and bucket that the stack was built with."""
    for key, own, wanted in facts.replaced:
        command = shell("pulumi", "config", "set", key, own, "--stack", facts.stack)
        if key == "aws:region":
            yield Notice.wrong(
                "region-of-settings",
                what=f"the settings name {wanted}, but the stack was deployed in {own}",
                why=f"KMS in {wanted} has no key of {own}: it returns NotFoundException or AccessDeniedException",
                command=command,
            )
        else:
            yield Notice.wrong(
                "names-of-settings",
                what=f"the settings name the {key.rpartition(':')[2]} {wanted}, but the stack was built with {own}",
                why="names in the account follow from it, and nothing exists under the new ones",
                command=command,
            )


@judgement("key-enabled")
def check_keys(facts: StackFacts) -> Iterator[Notice]:
    """Whether the stack's key exists and is enabled, in each of its Regions."""
    arns = facts.key_arns
    for arn in arns:
        key = facts.key if arn == facts.key_arn else facts.replica(arn)
        if isinstance(key, SetupError):
            yield Notice.unread(f"the key {arn}", key)
        elif key is None:
            yield _missing(facts, arn)
        else:
            yield _state(facts, key)
    if not arns:
        needed("the key", facts.alias_target)


def _missing(facts: StackFacts, arn: str) -> Notice:
    words = ("cloudtrail", "lookup-events", "--lookup-attributes", f"AttributeKey=ResourceName,AttributeValue={arn}")
    return Notice.wrong(
        "key-missing",
        what=f"the key {arn} does not exist",
        why="it was deleted, or the credentials are for another account; without it no record can be decrypted",
        command=fixes.aws(facts, *words, region=Arn.parse(arn).region),
        advice="shows who deleted the key, and when; only a replica, or a backup of another key, decrypts the data key",
    )


def _state(facts: StackFacts, key: KeyFact) -> Notice:
    if key.spec != "SYMMETRIC_DEFAULT":
        return Notice.wrong(
            "key-unavailable",
            what=f"the key {key.arn} does not encrypt symmetrically: {key.spec}",
            why="KMS cannot unwrap the data key with it",
            command=usable_again(facts, key),
        )
    if key.state == "Enabled":
        return Notice.good(f"the key {key.arn} exists, is enabled, and encrypts symmetrically")
    if key.state == "PendingDeletion":
        return Notice.wrong(
            "key-pending-deletion",
            what=f"the key {key.arn} is scheduled for deletion",
            why="KMS returns KMSInvalidStateException for every use; when it is deleted, every record is lost",
            command=_saved(facts, key),
            advice=Text("find out who scheduled it, then ", RESTART),
        )
    if key.state == "Disabled":
        return Notice.wrong(
            "key-disabled",
            what=f"the key {key.arn} is disabled",
            why="KMS returns DisabledException for every use, so the application cannot decrypt its data key",
            command=usable_again(facts, key),
            advice=RESTART,
        )
    return Notice.wrong(
        "key-unavailable",
        what=f"the key {key.arn} cannot be used: {key.state}",
        why="KMS returns KMSInvalidStateException for every use in this state",
        command=usable_again(facts, key),
    )


def _saved(facts: StackFacts, key: KeyFact) -> Command:
    """The command that saves a key from its deletion, and guards it again unless its policy was left as found."""
    reading = next((each for each in facts.key_readings if each.arn == key.arn), None)
    if reading is None or key_access.is_kept(facts.settings):
        return usable_again(facts, key)
    wanted, resource = key_policy_of(facts.settings), key_resource(facts, reading)
    return usable_and_guarded(facts, key, reading.policy, wanted=wanted, resource=resource)


def usable_again(facts: StackFacts, key: KeyFact) -> Command:
    """The command that enables a disabled key, or saves one from its deletion; that shows it in any other state."""
    calls = {"PendingDeletion": ("cancel-key-deletion", "enable-key"), "Disabled": ("enable-key",)}
    return chain(
        *(
            fixes.aws(facts, "kms", call, "--key-id", key.arn, region=Arn.parse(key.arn).region)
            for call in calls.get(key.state, ("describe-key",))
        )
    )


def usable_and_guarded(
    facts: StackFacts,
    key: KeyFact,
    policy: Mapping[str, object] | SetupError,
    *,
    wanted: Mapping[str, object],
    resource: str,
) -> Command:
    """The command that makes a key of the stack usable again.

    Where its policy no longer denies the deletion, the update of the `resource` (the end of its URN) is added: whoever
    took the guard out could schedule the deletion again at once. The update cannot come first: to the AWS provider a
    key that is going to be deleted is gone.
    """
    command = usable_again(facts, key)
    if key.state != key_access.PENDING or isinstance(policy, SetupError):
        return command
    beyond = widening(policy, wanted, resource=key.arn, account=Arn.parse(key.arn).account)
    return chain(command, fixes.pulumi_up(facts, resource)) if beyond.undenied else command


# --- AWS_KMS_KEY_ID


@judgement("application-tested")
def check_delivered_key_id(facts: StackFacts) -> Iterator[Notice]:
    """Whether AWS_KMS_KEY_ID is the key's ARN wherever it was delivered."""
    for variable in expected(facts, KEY_ID_VARIABLE):
        if variable.value is None:
            continue
        if variable.expected_value is None:
            yield Notice.unknown(f"{variable.name} in {variable.place}", why="it is not known which key is the stack's")
        else:
            yield _key_id(facts, variable, variable.value, variable.expected_value)


def _key_id(facts: StackFacts, variable: Expected, value: str, expected_arn: str) -> Notice:
    if value == expected_arn:
        return Notice.good(f"{variable.name} in {variable.place} is the key's ARN")
    if (damaged := surrounding_fault(facts, variable, value)) is not None:
        return damaged
    cause, why = _how_it_differs(value, expected_arn)
    return Notice.wrong(
        cause,
        what=f"{variable.name} in {variable.place} is {_shown(value)}, not {expected_arn}",
        why=why,
        command=delivery(facts, variable),
        advice=RESTART,
    )


def _how_it_differs(value: str, expected_arn: str) -> tuple[str, str]:
    match, expected = _ARN.fullmatch(value), Arn.parse(expected_arn)
    if value.startswith("alias/") or (match and match[3] == "alias"):
        return "key-id-alias", (
            "a policy for the key grants nothing on an alias, and an alias can be moved to another key; "
            "the application compares the response of KMS with the key's ARN"
        )
    if value == expected.name:
        return "key-id-bare", "KMS looks up a key id in the account and Region of the caller's credentials"
    if match and match[1] != expected.region:
        return ("key-id-other-region", f"KMS in {expected.region} returns NotFoundException: Invalid arn {match[1]}")
    if match and match[2] != expected.account:
        return "key-id-other-account", f"it is a key of the account {match[2]}, whose policy does not allow us"
    return (
        "key-id-other-key",
        "KMS returns IncorrectKeyException or AccessDeniedException: the data key is not of that key",
    )


def _shown(value: str) -> str:
    # A key id is not a secret, but a value that was pasted by mistake may be one.
    return value if _ARN.fullmatch(value) or re.fullmatch(r"(alias/[\w/-]+|(mrk-)?[0-9a-f-]{32,36})", value) else "…"


@judgement("key-enabled")
def check_alias(facts: StackFacts) -> Iterator[Notice]:
    """Whether the alias points to the stack's key."""
    outputs, alias = facts.outputs, facts.settings.names.alias
    target = needed(f"the alias {alias}", facts.alias_target)
    if outputs is None:
        if target is None:
            yield Notice.wrong(
                "alias-missing",
                what=f"the alias {alias} does not exist",
                why="a call with the alias fails; which key is the stack's is not known here",
                command=fixes.aws(facts, "kms", "list-aliases"),
            )
        return
    key = outputs.key_arn
    to_the_key = ("--alias-name", alias, "--target-key-id", outputs.key_id)
    if target is None:
        yield Notice.wrong(
            "alias-missing",
            what=f"the alias {alias} does not exist",
            why=f"a call with the alias fails; the stack's key is {key}",
            command=fixes.aws(facts, "kms", "create-alias", *to_the_key),
        )
    elif target.arn != key:
        yield Notice.wrong(
            "alias-moved",
            what=f"{alias} points to {target.arn}, not to the stack's key {key}",
            why="a call with the alias uses a key that does not decrypt the data key",
            command=fixes.aws(facts, "kms", "update-alias", *to_the_key),
        )
    else:
        yield Notice.good(f"{alias} points to the stack's key")


@judgement("key-rotation")
def check_rotation(facts: StackFacts) -> Iterator[Notice]:
    """Whether KMS rotates the key, and how often."""
    key, period = facts.key, facts.settings.rotation_period_days
    if not isinstance(key, KeyFact):
        yield from unread_key(facts.key_arn, key)
        return
    arn = key.arn
    rotate = fixes.aws(facts, "kms", "enable-key-rotation", "--key-id", arn, "--rotation-period-in-days", str(period))
    if key.rotation_enabled is None:
        if key.state == "Enabled":
            yield Notice.unknown("the rotation of the key", why="KMS does not return it", is_denied=True)
    elif not key.rotation_enabled:
        yield Notice.wrong(
            "rotation-off",
            what=f"the key {arn} does not rotate",
            why=f"the settings say every {period} days; auditors and Prowler check it",
            command=rotate,
        )
    elif key.rotation_period_days is None:
        yield Notice.unknown("how often the key rotates", why="KMS does not return it")
    elif key.rotation_period_days != period:
        yield Notice.wrong(
            "rotation-period",
            what=f"the key {arn} rotates every {key.rotation_period_days} days",
            why=f"the settings say every {period} days",
            command=rotate,
            advice=Text(
                "if the settings were changed but not applied, the next `",
                *(shell("pulumi", "up"), "` updates Pulumi's state"),
            ),
        )
    else:
        yield Notice.good(f"the key rotates every {period} days")


@judgement("data-key-stored")
def check_replica_data_keys(facts: StackFacts) -> Iterator[Notice]:
    """Whether each replica's Region stores the same data key."""
    stored_data_key, outputs, settings = facts.stored_data_key, facts.outputs, facts.settings
    if outputs is None or not isinstance(stored_data_key, StoredDataKey):
        return  # Reported by check_stored_data_key.
    name, ours = settings.names.stored_data_key, stored_data_key.wrapped.fingerprint
    for region in outputs.replica_regions:
        read = partial(
            facts.aws.with_region(region).stored_data_keys.read_stored_data_key, name, store=settings.secret_store
        )
        copy = facts.once(f"stored data key in {region}", read)
        if isinstance(copy, SetupError) and not isinstance(copy, DataKeyConflict):
            yield Notice.unread(f"the stored data key {name} in {region}", copy)
        elif copy is None:
            yield Notice.wrong(
                "stored-key-replica-missing",
                what=f"{region} has no copy of the stored data key {name}",
                why=f"the application in {region} has no data key, and one copy is missing",
                command=fixes.push(facts),
            )
        elif isinstance(copy, DataKeyConflict) or copy.wrapped != stored_data_key.wrapped:
            theirs = copy.message if isinstance(copy, DataKeyConflict) else f"it is {copy.wrapped.fingerprint}"
            yield Notice.wrong(
                "stored-key-replica-differs",
                what=f"the stored data key {name} in {region} is not {ours}: {theirs}",
                why="records that one Region encrypts cannot be decrypted in the other",
                command=fixes.eonpro(facts, "restore", "--version", ours, "--confirm", facts.stack),
            )
        else:
            yield Notice.good(f"the stored data key in {region} is the same")


ACCESS_CHECKS: tuple[Judgement, ...] = (check_settings, check_keys, check_delivered_key_id)
OTHER_CHECKS: tuple[Judgement, ...] = (check_alias, check_rotation, check_replica_data_keys)
