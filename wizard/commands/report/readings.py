"""The eight items of the compliance checklist, each with its state and its evidence.

Reads the account through the AWS port. An item that could not be read is `unknown`, never `done`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from components import policies
from components.policies.evaluation import AccountIam, KeyPolicyDecision
from components.policies.requirements import BY_ID, Topic
from components.policies.stack import decide_by_key_policy_of
from components.settings import ImportGroup, Outputs, Settings
from components.settings.arn import Arn
from wizard.account import application_access
from wizard.account.checklist import ChecklistEntry, ItemState
from wizard.account.key_access import KeyReading, judge, read_key, read_keys
from wizard.core.errors import SetupError
from wizard.core.models.access import administrators_of, documents_of, not_strict
from wizard.core.models.account import KeyFact, Retention, TrailFact
from wizard.core.models.audit import BUCKET_REQUIREMENTS, TRAIL_REQUIREMENTS, gaps
from wizard.core.models.delivery import StoredDataKey, Verification, VerificationState
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient
from wizard.core.retry import Threads

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The facts that the items are evaluated from; an error where one could not be read."""

    key: KeyFact | SetupError | None
    """Under the alias."""
    keys: tuple[KeyReading, ...]
    """The stack's key, its replicas, and those that the settings do not name."""
    app_policy: Mapping[str, Any] | SetupError | None
    trail: TrailFact | SetupError | None
    retention: Retention | SetupError | None
    iam: AccountIam | SetupError | None
    """It decides which administrators can decrypt, and whether a strict key policy is in force."""


def read_account(aws: AwsClient, outputs: Outputs) -> Readings:
    """The facts of the account, read in parallel."""
    with Threads(max_workers=6) as pool:
        key = pool.submit(_read, aws.kms.describe_key, outputs.alias_name)
        keys = pool.submit(read_keys, outputs.key_arns, partial(read_key, aws))
        app_policy = pool.submit(_read, aws.iam.policy_document, outputs.app_policy_arn)
        trail = pool.submit(_read, aws.cloudtrail.find_trail, outputs.trail_arn)
        retention = pool.submit(_read, aws.cloudtrail.bucket_retention, outputs.trail_bucket)
        iam = pool.submit(_read, aws.access.iam)
    return Readings(
        key=key.result(),
        keys=keys.result(),
        app_policy=app_policy.result(),
        trail=trail.result(),
        retention=retention.result(),
        iam=iam.result(),
    )


def evaluate(
    readings: Readings,
    *,
    settings: Settings,
    outputs: Outputs,
    stored_data_key: StoredDataKey | SetupError | None,
    proofs: tuple[Verification, ...],
) -> tuple[ChecklistEntry, ...]:
    """All eight, from the facts."""
    entries = (
        _of(readings.key, Topic.KEY, lambda fact: _alias(fact, outputs)),
        _of(
            readings.keys[0].policy,
            Topic.KEY_POLICY,
            lambda policy: _key_policy(policy, readings, settings, outputs),
        ),
        _of(
            readings.app_policy,
            Topic.APPLICATION_POLICY,
            lambda policy: _app_policy(policy, readings.iam, settings, outputs),
        ),
        _of(readings.key, Topic.ROTATION, lambda fact: _rotation(fact, settings)),
        _of(
            readings.trail,
            Topic.TRAIL,
            lambda fact: _trail(fact, readings.retention, outputs),
            missing=f"there is no trail {outputs.trail_arn}",
        ),
        _data_key(stored_data_key),
        _tested(proofs),
        ChecklistEntry(
            topic=Topic.REVIEW,
            state=ItemState.PERSON,
            evidence="every three months a person reviews who can use and administer the key, and signs",
        ),
    )
    return tuple(_with_repair(entry, settings) for entry in entries)


def _with_repair(entry: ChecklistEntry, settings: Settings) -> ChecklistEntry:
    left = [part for part in _PARTS.get(entry.topic, ()) if part in settings.kept_as_found]
    if entry.state is not ItemState.OPEN:
        return entry
    if not left:
        is_strict = settings.strict_key_policy and entry.topic is Topic.KEY_POLICY
        return replace(entry, next=wizard("setup")) if is_strict else entry
    evidence = f"{entry.evidence}; it was left as it was found"
    return replace(entry, evidence=evidence, next=wizard("setup", "--repair", ",".join(left)))


_PARTS = {
    Topic.KEY_POLICY: (ImportGroup.KEY,),
    Topic.APPLICATION_POLICY: (ImportGroup.APPLICATION_POLICY,),
    Topic.ROTATION: (ImportGroup.KEY,),
    Topic.TRAIL: (ImportGroup.TRAIL, ImportGroup.BUCKET),
}
"""The parts of an import that decide an item."""


def _read(call: Callable[..., T], *args: Any) -> T | SetupError | None:
    try:
        return call(*args)
    except SetupError as error:
        return error


def _of(
    fact: Any, topic: Topic, check: Callable[[Any], tuple[ItemState, str]], *, missing: str = "it does not exist"
) -> ChecklistEntry:
    if isinstance(fact, SetupError):
        return ChecklistEntry(topic=topic, state=ItemState.UNKNOWN, evidence=f"could not be read: {fact.message}")
    state, evidence = (ItemState.OPEN, missing) if fact is None else check(fact)
    return ChecklistEntry(topic=topic, state=state, evidence=evidence)


def _state(good: bool) -> ItemState:
    return ItemState.DONE if good else ItemState.OPEN


def _alias(key: KeyFact, outputs: Outputs) -> tuple[ItemState, str]:
    good = key.arn == outputs.key_arn and key.state == "Enabled" and key.spec == "SYMMETRIC_DEFAULT"
    which = Arn.parse(key.arn).name if good else key.arn
    return _state(good), f"{outputs.alias_name} → {which}, {key.state}, {key.spec}"


def _key_policy(
    policy: Mapping[str, Any], readings: Readings, settings: Settings, outputs: Outputs
) -> tuple[ItemState, str]:
    applications = outputs.app_principal_arns
    access = judge(readings.keys, outputs.key_arns, settings)
    needed = [(arn, "kms:PutKeyPolicy") for arn in settings.administrators]
    needed += [(arn, action) for arn in applications for action in policies.APPLICATION_ACTIONS]
    missing = [
        f"{action} to {arn}"
        for arn, action in needed
        if decide_by_key_policy_of(settings, policy, arn, action) is not KeyPolicyDecision.NAMED
    ]
    violations = [surplus.what for surplus in (*access.kept, *access.surplus)]
    violations += [f"the key's policy does not itself allow {', '.join(missing)}"] if missing else []
    [documents] = [
        documents_of(reading.arn, policy=policy, grants=reading.grants, iam=readings.iam, key=reading.key)
        for reading in readings.keys[:1]
    ]
    loose = not_strict(documents, settings)
    violations += [f"the key policy {loose}"] if loose else []
    if violations:
        return ItemState.OPEN, "; ".join(violations)
    if access.unread:
        unread = access.unread[0]
        return ItemState.UNKNOWN, f"{unread.what} could not be read: {unread.error.message}"
    if loose is None:
        return ItemState.UNKNOWN, "whether others can change the strict key policy: the account's IAM could not be read"
    number = len(settings.administrators) + len(settings.administrator_patterns)
    administrators = f"{number} administrator{'s' if number > 1 else ''}"
    iam = "the application and" if settings.strict_key_policy else "the account's IAM, the application,"
    ending = f"{len(settings.deletion_administrators) or 'nobody'} can delete it"
    # The settings decide whether IAM can grant the right, so it does not decide the state.
    return (
        ItemState.DONE,
        f"names {iam} {administrators}; {ending}; {administrators_of(documents, settings).description}",
    )


def _allowing(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # IAM accepts a single statement without a list.
    statements = policy.get("Statement") or ()
    as_list = [statements] if isinstance(statements, Mapping) else statements
    return [statement for statement in as_list if statement.get("Effect") == "Allow"]


def _app_policy(
    policy: Mapping[str, Any], iam: AccountIam | SetupError | None, settings: Settings, outputs: Outputs
) -> tuple[ItemState, str]:
    if isinstance(iam, AccountIam) and (words := _surplus(iam, settings, outputs)):
        return ItemState.OPEN, "; ".join(words)
    allowed = _allowing(policy)
    actions = {action for statement in allowed for action in _as_tuple(statement.get("Action"))}
    resources = {resource for statement in allowed for resource in _as_tuple(statement.get("Resource"))}
    # NotAction and NotResource allow what is not in the list.
    actions |= {f"all except {action}" for statement in allowed for action in _as_tuple(statement.get("NotAction"))}
    resources |= {f"all except {arn}" for statement in allowed for arn in _as_tuple(statement.get("NotResource"))}
    good = actions == set(policies.APPLICATION_ACTIONS) and resources == set(outputs.key_arns)
    name = Arn.parse(outputs.app_policy_arn).name
    if good:
        return ItemState.DONE, f"{name}: {', '.join(sorted(a.removeprefix('kms:') for a in actions))} on this key only"
    return ItemState.OPEN, f"{name}: {', '.join(sorted(actions))} on {', '.join(sorted(resources))}"


def _surplus(iam: AccountIam, settings: Settings, outputs: Outputs) -> list[str]:
    return [
        words
        for own in application_access.own_principals(settings, outputs)
        if (principal := iam.find(own.arn))
        for words in application_access.surplus(principal, own)
    ]


def _as_tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _rotation(key: KeyFact, settings: Settings) -> tuple[ItemState, str]:
    if key.rotation_enabled is None:
        return ItemState.UNKNOWN, "the rotation status could not be read"
    if not key.rotation_enabled:
        return ItemState.OPEN, "rotation is off"
    period = f"every {key.rotation_period_days} days" if key.rotation_period_days else "the period could not be read"
    return _state(key.rotation_period_days in (None, settings.rotation_period_days)), f"on, {period}"


def _trail(trail: TrailFact, retention: Retention | SetupError | None, outputs: Outputs) -> tuple[ItemState, str]:
    if trail.bucket != outputs.trail_bucket:
        return ItemState.OPEN, f"{trail.name} writes to {trail.bucket}, not to {outputs.trail_bucket}"
    missed = {gap.requirement.label for gap in gaps(trail, retention if isinstance(retention, Retention) else None)}
    labels = [BY_ID[id_].label for id_ in TRAIL_REQUIREMENTS]
    retained = f"bucket {outputs.trail_bucket} could not be read"
    if isinstance(retention, Retention):
        days = retention.expires_after_days
        labels += [BY_ID[id_].label for id_ in BUCKET_REQUIREMENTS]
        lasting = "never expires" if days is None else f"{days} days"
        lasting += f", locked ({retention.lock.lower()}) {retention.lock_days} days" if retention.lock else ""
        retained = f"{lasting} in {outputs.trail_bucket}"
    missing = [label for label in labels if label in missed]
    if missing:
        return ItemState.OPEN, f"{trail.name} does not meet: {', '.join(missing)}; {retained}"
    if trail.logging is None or trail.kms_events is None:
        what = "is logging" if trail.logging is None else "records KMS"
        return ItemState.UNKNOWN, f"whether {trail.name} {what} could not be read; {retained}"
    return (
        ItemState.DONE if isinstance(retention, Retention) else ItemState.UNKNOWN,
        f"{trail.name}: {', '.join(labels)}; {retained}",
    )


def _data_key(stored_data_key: StoredDataKey | SetupError | None) -> ChecklistEntry:
    topic = Topic.DATA_KEY
    if isinstance(stored_data_key, SetupError):
        return ChecklistEntry(
            topic=topic, state=ItemState.UNKNOWN, evidence=f"could not be read: {stored_data_key.message}"
        )
    if stored_data_key is None:
        return ChecklistEntry(topic=topic, state=ItemState.OPEN, evidence="no data key is stored yet")
    origin = "generated now" if stored_data_key.is_new else "unchanged"
    return ChecklistEntry(
        topic=topic,
        state=ItemState.DONE,
        evidence=f"{stored_data_key.wrapped.fingerprint}, {origin}, in {stored_data_key.parameter} "
        f"version {stored_data_key.version}; its plaintext was never read",
    )


def _tested(proofs: tuple[Verification, ...]) -> ChecklistEntry:
    topic = Topic.APPLICATION
    rest = "deploy, and save a record in the application"
    if any(proof.state is VerificationState.FAILED for proof in proofs):
        return ChecklistEntry(
            topic=topic,
            state=ItemState.OPEN,
            evidence=next(p.detail for p in proofs if p.state is VerificationState.FAILED),
        )
    if proofs and all(proof.state is VerificationState.PROVED for proof in proofs):
        return ChecklistEntry(
            topic=topic,
            state=ItemState.PERSON,
            evidence=f"verified as {proofs[0].principal} at {proofs[0].at}; now {rest}",
        )
    incomplete = next((proof for proof in proofs if proof.state is not VerificationState.PROVED), None)
    detail = f"{incomplete.target}: {incomplete.detail}" if incomplete else "nothing was delivered in this run"
    return ChecklistEntry(
        topic=topic,
        state=ItemState.PERSON,
        evidence=f"{detail}; {rest}",
    )
