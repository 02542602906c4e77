"""The checks of the audit trail and of the key of its logs.

Reads through the facts. For a trail that the stack does not own, the fix is an AWS CLI command, not `pulumi up`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from components import policies
from components.policies.requirements import BY_ID
from components.policies.stack import trail_arn_of, trail_key_policy_of
from components.settings import LOGS_KEY_ROTATION_DAYS, ImportGroup, Settings
from components.settings.arn import Arn
from wizard.account import fixes
from wizard.account.comparison.policies import widening
from wizard.account.facts import StackFacts
from wizard.account.judgements import logs_bucket
from wizard.account.judgements.key import usable_again, usable_and_guarded
from wizard.account.judgements.logs_bucket import with_statements
from wizard.account.key_access import KeyReading
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact, TrailFact
from wizard.core.models.trail import TRAIL_REQUIREMENTS, Gap, gap_of, trail_met
from wizard.core.next_command import Command
from wizard.core.safe_text import first_of

TRAIL = "aws:cloudtrail/trail:Trail::audit-trail"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup::audit-trail-logs"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy::audit-trail"
TRAIL_KEY = "aws:kms/key:Key::audit-trail-key"

_KMS = "kms.amazonaws.com"
_NO_RECORD = "without it there is no record of who used the key, and when"
_TRAIL_CODES: Mapping[str, str] = {
    "trail-logging": "trail-stopped",
    "trail-all-regions": "trail-single-region",
    "trail-global-events": "trail-global-events-off",
    "trail-validation": "trail-validation-off",
    "trail-kms-events": "trail-excludes-kms",
}
"""The check's code, by the id of the requirement that is not met."""


_LOGGED = ("trail-logging",)
_ENCRYPTED = ("trail-encryption",)


@judgement(*TRAIL_REQUIREMENTS, "trail-cloudwatch", *_ENCRYPTED)
def check_trail(facts: StackFacts) -> Iterator[Notice]:
    """Whether the trail exists, logs, records every Region and KMS, and delivers."""
    arn = trail_arn_of(facts.settings)
    trail = needed(f"the audit trail {arn}", facts.trail, requirements=TRAIL_REQUIREMENTS)
    if trail is None:
        yield _missing(facts, arn)
        return
    for id_, is_met in trail_met(trail).items():
        yield _met(facts, trail, id_, is_met)
    yield from _place(facts, trail)
    yield from _copied(facts, trail)


def _met(facts: StackFacts, trail: TrailFact, id_: str, is_met: bool | None) -> Notice:
    name = f"the audit trail {trail.name}"
    if is_met is None:
        what = {"trail-logging": "whether it is logging", "trail-kms-events": "whether it records KMS"}.get(id_, id_)
        return Notice.unknown(
            f"of {name}, {what}", why="CloudTrail does not return it", is_denied=True, requirements=(id_,)
        )
    if is_met:
        return Notice.good(BY_ID[id_].met, subject=name, requirements=(id_,))
    gap = gap_of(id_)
    left = "; it was left as it was found" if ImportGroup.TRAIL in facts.settings.kept_as_found else ""
    return Notice.wrong(
        _TRAIL_CODES[id_],
        what=f"{gap.text}{left}",
        subject=f"{name}:",
        why=gap.requirement.reason,
        command=_command(facts, trail, gap),
        requirements=(id_,),
    )


def _missing(facts: StackFacts, arn: str) -> Notice:
    command = (
        fixes.eonpro(facts, "setup", "--trail", "create", "--yes")
        if facts.settings.existing_trail_arn
        else fixes.pulumi_up(facts, TRAIL)
    )
    return Notice.wrong(
        "trail-missing",
        what=f"the trail {arn} does not exist",
        why=_NO_RECORD,
        command=command,
        requirements=TRAIL_REQUIREMENTS,
    )


def _command(facts: StackFacts, trail: TrailFact, gap: Gap) -> Command:
    home = Arn.parse(trail.arn).region
    if gap.requirement.id == "trail-logging":
        return fixes.aws(facts, "cloudtrail", "start-logging", "--name", trail.arn, region=home)
    if gap.requirement.id == "trail-kms-events":
        return _selecting(facts, trail, home)
    flags = {
        # CloudTrail accepts a multi-Region trail only with the global services.
        "trail-all-regions": ("--is-multi-region-trail", "--include-global-service-events"),
        "trail-global-events": ("--include-global-service-events",),
        "trail-validation": ("--enable-log-file-validation",),
    }[gap.requirement.id]
    return fixes.aws(facts, "cloudtrail", "update-trail", "--name", trail.arn, *flags, region=home)


def _selecting(facts: StackFacts, trail: TrailFact, home: str) -> Command:
    """The command that adds all management events to the trail's selectors."""
    current = facts.once("selectors", lambda: facts.aws.audit.selectors(trail.arn))
    put = ("cloudtrail", "put-event-selectors", "--trail-name", trail.arn)
    # The stack's own trail has only this selector; another trail keeps its additional ones.
    selectors: Mapping[str, Any] = {}
    if not isinstance(current, SetupError) and not facts.settings.owns_trail:
        selectors = current
    if advanced := selectors.get("AdvancedEventSelectors"):
        selectors_with_management = [
            _EVERY_MANAGEMENT_EVENT,
            *(selector for selector in advanced if not _is_of_management(selector)),
        ]
        return fixes.aws(facts, *put, "--advanced-event-selectors", selectors_with_management, region=home)
    first, *rest = selectors.get("EventSelectors") or [{}]
    excluded = [selector for selector in first.get("ExcludeManagementEventSources") or () if selector != _KMS]
    first = {
        **first,
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "ExcludeManagementEventSources": excluded,
    }
    return fixes.aws(facts, *put, "--event-selectors", [first, *rest], region=home)


_EVERY_MANAGEMENT_EVENT = {
    "Name": "Management events",
    "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}],
}


def _is_of_management(selector: Mapping[str, Any]) -> bool:
    return any(
        field.get("Field") == "eventCategory" and "Management" in (field.get("Equals") or ())
        for field in selector.get("FieldSelectors") or ()
    )


def _copied(facts: StackFacts, trail: TrailFact) -> Iterator[Notice]:
    """Whether its events are copied to CloudWatch Logs, where the settings ask for it."""
    group, requirement = facts.settings.names.log_group, ("trail-cloudwatch",)
    if not facts.settings.owns_trail or not facts.settings.cloudwatch_logs:
        return
    if trail.log_group == group:
        copies = f"copies its events to {group}"
        yield Notice.good(copies, subject=f"the audit trail {trail.name}", requirements=requirement)
        return
    yield Notice.wrong(
        "trail-copy-off",
        what=f"the audit trail {trail.name} copies its events to {trail.log_group or 'no log group'}, not to {group}",
        why="whoever watches the log group does not see the events",
        command=fixes.pulumi_up(facts, TRAIL, LOG_GROUP),
        requirements=requirement,
    )


def _place(facts: StackFacts, trail: TrailFact) -> Iterator[Notice]:
    """Whether it delivers to the right bucket, without errors, and encrypted."""
    settings = facts.settings
    bucket, home = settings.names.trail_bucket, Arn.parse(trail.arn).region
    update = ("cloudtrail", "update-trail", "--name", trail.arn)
    if trail.bucket != bucket:
        yield Notice.wrong(
            "trail-other-bucket",
            what=f"the audit trail {trail.name} writes to the bucket {trail.bucket}, not to {bucket}",
            why="the confirmed retention is that of the other bucket",
            command=fixes.aws(facts, *update, "--s3-bucket-name", bucket, region=home),
            requirements=_LOGGED,
        )
    if trail.delivery_error and trail.bucket == bucket:
        yield _undelivered(facts, trail)
    if settings.owns_trail and settings.trail_key and trail.key_arn is None:
        alias = settings.names.trail_key_alias
        key = facts.once("logs' key", lambda: facts.aws.kms.describe_key(alias))
        yield Notice.wrong(
            "trail-encryption-off",
            what=f"the audit trail {trail.name} does not encrypt its logs with {alias}",
            why=BY_ID["trail-encryption"].reason,
            command=fixes.aws(
                facts, *update, "--kms-key-id", key.arn if isinstance(key, KeyFact) else alias, region=home
            ),
            requirements=_ENCRYPTED,
        )


# --- the key of the logs


@judgement(*_LOGGED, *_ENCRYPTED)
def check_logs_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the key of the logs can be used; that of an organization's trail may be of its account."""
    arn, trail = facts.logs_key_arn, facts.trail
    if arn is None or not isinstance(trail, TrailFact):
        return  # Reported by check_trail.
    key = facts.replica(arn)
    if isinstance(key, SetupError):
        what = f"the key of the logs {arn}"
        if _owns_key(facts.settings):
            yield Notice.unread(what, key)
        else:
            yield Notice.person(f"{what}: {key.message}", requirements=_ENCRYPTED)
    elif key is None or key.state != "Enabled":
        yield Notice.wrong(
            "logs-key-unusable",
            what=f"the key of the logs {arn} {f'cannot be used: {key.state}' if key else 'does not exist'}",
            why=f"CloudTrail cannot encrypt what {trail.name} records, and nobody can read the logs that are there",
            command=_logs_key_again(facts, key) if key else fixes.pulumi_up(facts, TRAIL_KEY, TRAIL),
        )
    else:
        yield Notice.good(f"the key of the logs {arn} exists and is enabled")


def _owns_key(settings: Settings) -> bool:
    """Whether an update of the stack can change the key of the logs."""
    return settings.existing_trail_arn is None and settings.trail_key


@judgement("key-rotation")
def check_logs_key_rotation(facts: StackFacts) -> Iterator[Notice]:
    """Whether KMS rotates the key of the logs every year, where the stack makes it."""
    arn, days = facts.logs_key_arn, LOGS_KEY_ROTATION_DAYS
    if arn is None or not _owns_key(facts.settings):
        return
    key = needed("the rotation of the key of the logs", facts.replica(arn))
    if key is None or key.state != "Enabled":
        return  # Reported by check_logs_key.
    words = ("kms", "enable-key-rotation", "--key-id", key.arn, "--rotation-period-in-days", str(days))
    period = key.rotation_period_days
    if key.rotation_enabled is None or (key.rotation_enabled and period is None):
        is_denied = key.rotation_enabled is None
        yield Notice.unknown("the rotation of the key of the logs", why="KMS does not return it", is_denied=is_denied)
    elif key.rotation_enabled and period == days:
        yield Notice.good(f"the key of the logs rotates every {days} days")
    else:
        yield Notice.wrong(
            "logs-key-rotation",
            what=f"the key of the logs {key.arn} "
            + (f"rotates every {period} days" if key.rotation_enabled else "does not rotate"),
            why=f"the stack has it rotate every {days} days; auditors and Prowler check it",
            command=fixes.aws(facts, *words),
        )


_READABLE = (*logs_bucket.PRIVATE, *_ENCRYPTED)


@judgement(*_READABLE, "key-deletion-window", opens="logs")
def check_logs_key_policy(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy or a grant of the key of the logs gives anybody more than the settings."""
    settings, arn = facts.settings, facts.logs_key_arn
    if arn is None or not _owns_key(settings):
        return  # Reported by check_trail.
    reading = facts.key_reading(arn)
    if not isinstance(reading.key, KeyFact):
        return  # Reported by check_logs_key.
    whose = f"the policy of the key of the logs {reading.arn}"
    policy = needed(whose, reading.policy)
    wider = widening(policy, trail_key_policy_of(settings), resource=reading.arn, account=settings.account_id)
    if wider.allowed:
        given = sorted({f"{right.principal} may {right.action}" for right in wider.allowed})
        yield Notice.wrong(
            "logs-key-policy-widened",
            what=f"{whose} gives more than the settings: {first_of(given, 3, separator='; ')}",
            why="whoever may decrypt with it, and reads the bucket, reads the audit records",
            command=fixes.pulumi_up(facts, TRAIL_KEY),
            requirements=_READABLE,
        )
    yield from _logs_key_grants(facts, reading)
    if not wider.allowed:
        yield Notice.good("gives nobody more than the settings", subject=whose)


@judgement("key-deletion-window")
def check_logs_key_guard(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy of the key of the logs has every denial of the settings.

    Not for `verify` and `push`, as with the key itself: a stack of an earlier version has fewer denials.
    """
    settings, arn = facts.settings, facts.logs_key_arn
    reading = facts.key_reading(arn) if arn is not None and _owns_key(settings) else None
    if reading is None or not isinstance(reading.key, KeyFact) or isinstance(reading.policy, SetupError):
        return  # Reported by check_trail, check_logs_key or check_logs_key_policy.
    wanted = trail_key_policy_of(settings)
    whose = f"the policy of the key of the logs {reading.arn}"
    if widening(reading.policy, wanted, resource=reading.arn, account=settings.account_id).undenied:
        yield Notice.wrong(
            "logs-key-unguarded",
            what=f"{whose} allows its deletion, or disabling it by mistake",
            why="without the key nobody can read the audit records; the settings say who can schedule its deletion",
            command=fixes.pulumi_up(facts, TRAIL_KEY),
        )
    else:
        yield Notice.good("has every denial of the settings", subject=whose)


def _logs_key_grants(facts: StackFacts, reading: KeyReading) -> Iterator[Notice]:
    if isinstance(reading.grants, SetupError):
        what = f"the grants of the key of the logs {reading.arn}"
        yield Notice.unread(what, reading.grants, requirements=_READABLE)
        return
    for grant in reading.grants:
        revoke = ("kms", "revoke-grant", "--key-id", reading.arn, "--grant-id", grant.id)
        yield Notice.wrong(
            "grant-foreign",
            what=f"a grant allows {grant.grantee} {', '.join(grant.operations)} with the key of the logs",
            why="the settings give no grant on it; no policy shows what a grant allows",
            command=fixes.aws(facts, *revoke),
            requirements=_READABLE,
        )


def _logs_key_again(facts: StackFacts, key: KeyFact) -> Command:
    """The command that makes the key of the logs usable; one of the stack is guarded again, too."""
    if not _owns_key(facts.settings):
        return usable_again(facts, key)
    policy = facts.key_reading(key.arn).policy
    return usable_and_guarded(facts, key, policy, wanted=trail_key_policy_of(facts.settings), resource=TRAIL_KEY)


def _undelivered(facts: StackFacts, trail: TrailFact) -> Notice:
    if facts.settings.owns_bucket:
        command = fixes.pulumi_up(facts, BUCKET_POLICY, TRAIL_KEY)
    else:
        document = _with_delivery(facts, trail)
        command = fixes.aws(facts, "s3api", "put-bucket-policy", "--bucket", trail.bucket, "--policy", document)
    return Notice.wrong(
        "trail-delivery-failing",
        what=f"the audit trail {trail.name} cannot write to {trail.bucket}: {trail.delivery_error}",
        why=f"GetTrailStatus returns the last delivery's error; {_NO_RECORD}",
        command=command,
        advice="CloudTrail delivers about every five minutes, and reports the error until the next delivery",
        requirements=_LOGGED,
    )


def _with_delivery(facts: StackFacts, trail: TrailFact) -> Mapping[str, Any]:
    """The bucket's policy with the statements that allow this trail to deliver."""
    bucket = trail.bucket
    documents = facts.once("bucket documents", lambda: facts.aws.audit.bucket_documents(bucket))
    policy = None if isinstance(documents, SetupError) else documents.policy
    required = policies.trail_bucket_policy(
        bucket=bucket, account_id=Arn.parse(trail.arn).account, trail_arn=trail.arn, partition=facts.settings.partition
    )
    return with_statements(policy, [statement for statement in required["Statement"] if statement["Effect"] == "Allow"])


OTHER_CHECKS: tuple[Judgement, ...] = (
    check_trail,
    check_logs_key,
    check_logs_key_rotation,
    check_logs_key_policy,
    check_logs_key_guard,
    *logs_bucket.OTHER_CHECKS,
)
