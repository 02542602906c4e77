"""The checks of what the key itself gives: its policy, its grants, and the Regions that have it.

Reads through the facts. `wizard.account.key_access` judges; here a finding gets its command.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components import policies
from components.policies.statements import written_statements
from components.settings import DELETION_WINDOW_DAYS, ImportGroup
from components.settings.arn import Arn, resource_of
from wizard.account import fixes, key_access
from wizard.account.comparison.differences import key_policy_differences
from wizard.account.facts import StackFacts
from wizard.account.judgements.principal import KEY
from wizard.account.key_access import KeyReading, Surplus
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError, known_or
from wizard.core.models.access import documents_of, not_strict
from wizard.core.models.account import Difference, KeyFact
from wizard.core.next_command import Command, Text, chain


@judgement("key-policy", "key-deletion-window")
def check_key_policies(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy of the key and of each replica is the one of the settings, and strict where they say so."""
    for reading in _named(facts):
        key, policy, whose = reading.key, reading.policy, key_access.whose(reading, facts.settings)
        if not isinstance(key, KeyFact):
            yield from unread_key(reading.arn, key)
            continue
        if isinstance(policy, SetupError):
            yield Notice.unread(whose, policy)
            continue
        resource = key_resource(facts, reading)
        yield from _strictness(facts, key, policy, whose, resource)
        if key_access.is_kept(facts.settings):
            yield from _kept(facts, reading, policy)
        else:
            yield from _compare_policy(facts, reading, policy, whose, resource)


@judgement("key-policy", "key-deletion-window", opens="key")
def check_key_surplus(facts: StackFacts) -> Iterator[Notice]:
    """Whether a key policy gives anybody more than the settings.

    For `verify` and `push`: what a policy lacks, and a denial too many, are for `doctor`.
    """
    for reading in _named(facts):
        if not isinstance(reading.key, KeyFact):
            yield from unread_key(reading.arn, reading.key)
            continue
        if isinstance(reading.policy, SetupError):
            yield Notice.unread(key_access.whose(reading, facts.settings), reading.policy)
            continue
        surplus = tuple(key_access.statements_beyond(reading, facts.settings))
        if key_access.is_kept(facts.settings):
            yield from _kept(facts, reading, reading.policy)
            continue
        for each in surplus:
            yield from _widened(facts, each)
        if not surplus:
            whose = key_access.whose(reading, facts.settings)
            yield Notice.good(f"{whose} gives nobody more than the settings", requirements=_POLICY)


def _kept(facts: StackFacts, reading: KeyReading, policy: Mapping[str, Any]) -> Iterator[Notice]:
    """What a policy that was left as it was found gives beyond the settings: a person has decided about it."""
    whose = key_access.whose(reading, facts.settings)
    left, repair = "it was left as it was found", fixes.eonpro(facts, "setup", "--repair", ImportGroup.KEY, "--yes")
    differences = key_policy_differences(policy, facts.settings, key_arn=reading.arn)
    guards = [difference for difference in differences if difference.what in _GUARDS]
    wider = [difference for difference in differences if difference.widens and difference not in guards]
    if wider:
        what = f"{whose} gives more than the settings: {summary(wider)}; {left}"
        yield Notice.person(what, command=repair, requirements=_POLICY)
    else:
        yield Notice.good(f"{whose} gives nobody more than the settings", requirements=_POLICY)
    if guards:
        what = f"{whose} allows its deletion, or disabling it by mistake: {summary(guards)}; {left}"
        yield Notice.person(what, command=repair, requirements=_WINDOW)
    else:
        yield _guarded(facts, whose)


@judgement("key-policy", opens="account")
def check_strictness(facts: StackFacts) -> Iterator[Notice]:
    """Whether a strict key policy can be changed by its administrators only, which needs the account's IAM."""
    for reading in _named(facts):
        if isinstance(reading.key, KeyFact) and not isinstance(reading.policy, SetupError):
            whose, resource = key_access.whose(reading, facts.settings), key_resource(facts, reading)
            yield from _strictness(facts, reading.key, reading.policy, whose, resource)


def unread_key(arn: str | None, key: KeyFact | SetupError | None) -> Iterator[Notice]:
    """The notice that the key could not be read, or is not there: nothing is known of what depends on it."""
    what = f"the key {arn}" if arn else "the key"
    if isinstance(key, SetupError):
        yield Notice.unread(what, key)
    elif key is None:
        yield Notice.unknown(what, why="it does not exist")


def _widened(facts: StackFacts, surplus: Surplus) -> Iterator[Notice]:
    guards = [difference for difference in surplus.differences if difference.what in _GUARDS]
    others = [difference for difference in surplus.differences if difference.what not in _GUARDS]
    resource, whose = key_resource(facts, surplus.key), key_access.whose(surplus.key, facts.settings)
    if guards:
        yield _unguarded(facts, guards, whose, resource)
    if others:
        yield _changed(facts, f"{whose} gives more than the settings: {summary(others)}", resource)


def _changed(facts: StackFacts, what: str, resource: str) -> Notice:
    return Notice.wrong(
        "key-policy-changed", what=what, why=_CHANGED, command=fixes.pulumi_up(facts, resource), requirements=_POLICY
    )


def _unguarded(facts: StackFacts, guards: Sequence[Difference], whose: str, resource: str) -> Notice:
    """Who can delete the key is a question to the key policy, too; a shorter waiting period is not."""
    by_anybody = any(difference.widens for difference in guards)
    return Notice.wrong(
        "deletion-unguarded",
        what=f"{whose} allows its deletion, or disabling it by mistake: {summary(guards)}",
        why=_UNGUARDED,
        command=fixes.pulumi_up(facts, resource),
        requirements=(*_WINDOW, *(_POLICY if by_anybody else ())),
    )


def _guarded(facts: StackFacts, whose: str) -> Notice:
    able = facts.settings.deletion_administrators
    if able and not facts.settings.usage_guard_days:
        what = f"{whose} lets {', '.join(map(resource_of, able))} schedule its deletion with any waiting period"
        return Notice.person(f"{what}: the settings have no guard for a key in use", requirements=_WINDOW)
    ahead = f" with less than {DELETION_WINDOW_DAYS} days to cancel it" if able else ""
    who = "nobody" + (f", {', '.join(map(resource_of, able))} included," if able else "")
    return Notice.good(f"{whose} lets {who} schedule its deletion{ahead}", requirements=_WINDOW)


def _named(facts: StackFacts) -> Iterator[KeyReading]:
    return (reading for reading in facts.key_readings if reading.arn in facts.key_arns)


def key_resource(facts: StackFacts, reading: KeyReading) -> str:
    """The end of the URN of the key, or of the replica in its Region."""
    is_home = reading.arn == facts.key_arn
    return KEY if is_home else f"aws:kms/replicaKey:ReplicaKey::phi-key-{reading.region}"


@judgement("key-policy", opens="key")
def check_grants(facts: StackFacts) -> Iterator[Notice]:
    """Whether a grant on the key or a replica gives anybody more than the settings."""
    beyond: list[Surplus] = []
    is_read = False
    for reading in _named(facts):
        if not isinstance(reading.key, KeyFact):
            yield from unread_key(reading.arn, reading.key)
            continue
        if isinstance(reading.grants, SetupError):
            of = "" if reading.arn == facts.key_arn else f" in {reading.region}"
            yield Notice.unread(f"the grants of the key{of}", reading.grants)
            continue
        is_read = True
        beyond += key_access.grants_beyond(reading, facts.settings)
    for surplus in beyond:
        yield _grant(facts, surplus)
    if is_read and not beyond:
        yield Notice.good("no grant gives anybody more than the settings")


def _grant(facts: StackFacts, surplus: Surplus) -> Notice:
    """The notice of a grant beyond the settings, with the command that revokes it."""
    assert surplus.grant is not None
    revoke = ("kms", "revoke-grant", "--key-id", surplus.key.arn, "--grant-id", surplus.grant.id)
    reads = "Decrypt" in surplus.grant.operations
    return Notice.wrong(
        "grant-foreign" if surplus.is_foreign else "grant-widened",
        what=surplus.what,
        why="whoever has it and the wrapped data key can read every record; no policy shows it"
        if reads
        else "the settings give no grant; no policy shows what a grant allows",
        command=fixes.aws(facts, *revoke, region=surplus.key.region),
        requirements=_POLICY,
    )


@judgement("key-policy", opens="key")
def check_regions_of_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the key is only in the Regions of the settings, and its primary in the stack's own."""
    readings, settings = facts.key_readings, facts.settings
    for surplus in key_access.primary_beyond(readings, settings):
        primary = surplus.key.key.replica_of if isinstance(surplus.key.key, KeyFact) else None
        region = home.region if (home := Arn.find(primary or "")) else settings.region
        move = ("kms", "update-primary-region", "--key-id", primary or surplus.key.arn)
        yield Notice.wrong(
            "primary-moved",
            what=surplus.what,
            why="only the primary can be rotated and replicated: whoever administers it there decides about every "
            "Region of the key",
            command=fixes.aws(facts, *move, "--primary-region", settings.region, region=region),
        )
    others = [reading for reading in readings if reading.arn not in facts.key_arns]
    for reading in others:
        yield from _replica_elsewhere(facts, reading)
    unread = [notice for reading in readings for notice in unread_key(reading.arn, reading.key)]
    yield from unread
    if any(isinstance(reading.key, KeyFact) for reading in readings) and not others and not unread:
        yield Notice.good("the key has no replica in a Region that the settings do not name")


def _replica_elsewhere(facts: StackFacts, reading: KeyReading) -> Iterator[Notice]:
    settings, region = facts.settings, reading.region
    for what, answer in (("the policy", reading.policy), ("the grants", reading.grants)):
        if isinstance(answer, SetupError):
            yield Notice.unread(f"{what} of the replica in {region}", answer)
    surplus = tuple(key_access.replica_beyond(reading, settings))
    for each in surplus:
        names = ",".join((*settings.replica_regions, region))
        yield Notice.wrong(
            "replica-foreign",
            what=each.what,
            why="a replica has a policy and grants of its own: whoever may use it there, and has the wrapped data key, "
            "can read every record",
            command=_deletion(facts, reading),
            advice=Text(
                "it can be cancelled until the waiting period ends. To keep the replica, name its Region in the "
                "settings instead: ",
                fixes.eonpro(facts, "setup", "--replica-regions", names),
            ),
        )
    if not surplus and isinstance(reading.key, KeyFact):
        yield Notice.good(f"the replica in {region}, which the settings do not name, is going to be deleted")


def _deletion(facts: StackFacts, reading: KeyReading) -> Command:
    """The command that deletes a replica; the primary and the other replicas keep the key material."""
    waits = ("--pending-window-in-days", "7")
    schedule = fixes.aws(facts, "kms", "schedule-key-deletion", "--key-id", reading.arn, *waits, region=reading.region)
    policy = known_or(reading.policy, {})
    statements = written_statements(policy)
    kept = [each for each in statements if each.get("Sid") not in policies.DELETION_DENIALS]
    if len(kept) == len(statements):
        return schedule
    document = {**policy, "Statement": kept}
    put = ("kms", "put-key-policy", "--key-id", reading.arn, "--policy-name", "default", "--policy", document)
    return chain(fixes.aws(facts, *put, region=reading.region), schedule)


_MAX_LISTED = 3
"""The most differences in one sentence."""

_POLICY = ("key-policy",)
_WINDOW = ("key-deletion-window",)
_GUARDS = ("key policy, deletion", "key policy, a key in use")
_UNGUARDED = "without the key every record is lost; the settings say who can schedule its deletion"
_CHANGED = "somebody changed outside the stack who can use and administer the key"


def _strictness(
    facts: StackFacts, key: KeyFact, policy: Mapping[str, Any], whose: str, resource: str
) -> Iterator[Notice]:
    if not facts.settings.strict_key_policy:
        return
    loose = not_strict(documents_of(key.arn, policy=policy, grants=(), iam=facts.iam, key=key), facts.settings)
    if loose:
        yield Notice.wrong(
            "key-policy-not-strict",
            what=f"{whose} {loose}",
            why="whoever changes it can give the use of the key to anybody",
            command=fixes.pulumi_up(facts, resource),
            requirements=_POLICY,
        )
    elif loose is None:
        why = "the account's IAM could not be read"
        yield Notice.unknown(f"who can change {whose}", why=why, is_denied=True, requirements=_POLICY)


def _compare_policy(
    facts: StackFacts, reading: KeyReading, policy: Mapping[str, Any], whose: str, resource: str
) -> Iterator[Notice]:
    differences = key_policy_differences(policy, facts.settings, key_arn=reading.arn)
    unguarded = [difference for difference in differences if difference.what in _GUARDS]
    changed = [difference for difference in differences if difference not in unguarded]
    if unguarded:
        yield _unguarded(facts, unguarded, whose, resource)
    else:
        yield _guarded(facts, whose)
    if changed:
        yield _changed(facts, f"{whose} differs from the settings: {summary(changed)}", resource)
    if not changed and not any(difference.widens for difference in unguarded):
        gives = "allows those whom the settings name, and nobody else" if differences else "is as in the settings"
        yield Notice.good(f"{whose} {gives}", requirements=_POLICY)


def summary(differences: Sequence[Difference]) -> str:
    return key_access.in_words(differences, _MAX_LISTED)


OTHER_CHECKS: tuple[Judgement, ...] = (check_key_policies, check_grants, check_regions_of_key)
