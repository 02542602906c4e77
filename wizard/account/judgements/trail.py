"""The checks of the audit trail, its bucket and the alerts.

Reads through the facts. For a trail that the stack does not own, the fix is an AWS CLI command, not `pulumi up`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from components import policies
from components.policies import secure_transport_statements
from components.policies.requirements import BY_ID
from components.policies.stack import trail_arn_of, trail_key_policy_of
from components.settings import ImportGroup, ObjectLock, Settings
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.key import usable_again, usable_and_guarded
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact, Retention, TrailFact
from wizard.core.models.audit import Gap, RuleFact, bucket_gaps, trail_gaps, trail_unread
from wizard.core.models.delivery import StackState

TRAIL = "aws:cloudtrail/trail:Trail::audit-trail"
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


def owns_trail(settings: Settings) -> bool:
    """Whether an update of the stack can change the trail."""
    return settings.existing_trail_arn is None and ImportGroup.TRAIL not in settings.kept_as_found


def owns_bucket(settings: Settings) -> bool:
    """Whether an update of the stack can change the bucket."""
    return settings.existing_trail_arn is None and ImportGroup.BUCKET not in settings.kept_as_found


@judgement()
def check_trail(facts: StackFacts) -> Iterator[Notice]:
    """Whether the trail exists, logs, records every Region and KMS, and delivers."""
    settings = facts.settings
    arn = trail_arn_of(settings)
    trail = facts.once("trail", lambda: facts.aws.cloudtrail.find_trail(arn))
    if isinstance(trail, SetupError):
        yield Notice.unread(f"the audit trail {arn}", trail)
        return
    if trail is None:
        yield _missing(facts, arn)
        return
    gaps = [*trail_gaps(trail)]
    for gap in gaps:
        yield Notice.wrong(
            _TRAIL_CODES[gap.requirement.id],
            what=f"the audit trail {trail.name}: {gap.text}",
            why=gap.requirement.reason,
            command=_command(facts, trail, gap),
        )
    yield from _place(facts, trail)
    for what in trail_unread(trail):
        yield Notice.unknown(
            f"of the audit trail {trail.name}, {what}", why="CloudTrail does not return it", is_denied=True
        )
    if not gaps and trail.logging and trail.kms_events:
        yield Notice.good(f"the audit trail {trail.name} logs in every Region, with the events of KMS")


def _missing(facts: StackFacts, arn: str) -> Notice:
    command = (
        fixes.wizard(facts, "setup", "--trail", "create", "--yes")
        if facts.settings.existing_trail_arn
        else fixes.pulumi_up(facts, TRAIL)
    )
    return Notice.wrong("trail-missing", what=f"the trail {arn} does not exist", why=_NO_RECORD, command=command)


def _command(facts: StackFacts, trail: TrailFact, gap: Gap) -> str:
    home = trail.arn.split(":")[3]
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


def _selecting(facts: StackFacts, trail: TrailFact, home: str) -> str:
    """The command that adds all management events to the trail's selectors."""
    current = facts.once("selectors", lambda: facts.aws.audit.selectors(trail.arn))
    put = ("cloudtrail", "put-event-selectors", "--trail-name", trail.arn)
    # The stack's own trail has only this selector; another trail keeps its additional ones.
    selectors: Mapping[str, Any] = {}
    if not isinstance(current, SetupError) and not owns_trail(facts.settings):
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


def _place(facts: StackFacts, trail: TrailFact) -> Iterator[Notice]:
    """Whether it delivers to the right bucket, without errors, and encrypted."""
    settings = facts.settings
    bucket, home = settings.names.trail_bucket, trail.arn.split(":")[3]
    update = ("cloudtrail", "update-trail", "--name", trail.arn)
    if trail.bucket != bucket:
        yield Notice.wrong(
            "trail-other-bucket",
            what=f"the audit trail {trail.name} writes to the bucket {trail.bucket}, not to {bucket}",
            why="the confirmed retention is that of the other bucket",
            command=fixes.aws(facts, *update, "--s3-bucket-name", bucket, region=home),
        )
    if trail.key_arn is not None:
        yield from _logs_key(facts, trail, trail.key_arn)
    if trail.delivery_error and trail.bucket == bucket:
        yield _undelivered(facts, trail)
    if owns_trail(settings) and settings.trail_key and trail.key_arn is None:
        alias = settings.names.trail_key_alias
        key = facts.once("logs' key", lambda: facts.aws.kms.describe_key(alias))
        yield Notice.wrong(
            "trail-encryption-off",
            what=f"the audit trail {trail.name} does not encrypt its logs with {alias}",
            why=BY_ID["trail-encryption"].reason,
            command=fixes.aws(
                facts, *update, "--kms-key-id", key.arn if isinstance(key, KeyFact) else alias, region=home
            ),
        )


def _logs_key(facts: StackFacts, trail: TrailFact, arn: str) -> Iterator[Notice]:
    """Whether the key of the logs can be used. That of an organization's trail may be another account's."""
    key = facts.replica(arn)
    if isinstance(key, SetupError):
        what = f"the key of the logs {arn}"
        yield Notice.unread(what, key) if owns_trail(facts.settings) else Notice.person(f"{what}: {key.message}")
    elif key is None or key.state != "Enabled":
        yield Notice.wrong(
            "logs-key-unusable",
            what=f"the key of the logs {arn} {f'cannot be used: {key.state}' if key else 'does not exist'}",
            why=f"CloudTrail cannot encrypt what {trail.name} records, and nobody can read the logs that are there",
            command=_logs_key_again(facts, key) if key else fixes.pulumi_up(facts, TRAIL_KEY, TRAIL),
        )


def _logs_key_again(facts: StackFacts, key: KeyFact) -> str:
    """The command that makes the key of the logs usable; one of the stack is guarded again, too."""
    if not owns_trail(facts.settings) or not facts.settings.trail_key:
        return usable_again(facts, key)
    policy = facts.once(f"policy {key.arn}", lambda: facts.aws.kms.key_policy(key.arn))
    return usable_and_guarded(facts, key, policy, wanted=trail_key_policy_of(facts.settings), resource=TRAIL_KEY)


def _undelivered(facts: StackFacts, trail: TrailFact) -> Notice:
    if owns_bucket(facts.settings):
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
    )


def _with_delivery(facts: StackFacts, trail: TrailFact) -> Mapping[str, Any]:
    """The bucket's policy with the statements that allow this trail to deliver."""
    bucket = trail.bucket
    documents = facts.once("bucket documents", lambda: facts.aws.audit.bucket_documents(bucket))
    policy = None if isinstance(documents, SetupError) else documents.policy
    required = policies.trail_bucket_policy(
        bucket=bucket,
        account_id=trail.arn.split(":")[4],
        trail_arn=trail.arn,
        partition=facts.settings.partition,
    )
    return with_statements(policy, [statement for statement in required["Statement"] if statement["Effect"] == "Allow"])


def with_statements(policy: Mapping[str, Any] | None, added: list[Any]) -> Mapping[str, Any]:
    """A policy with more statements; they replace those with the same Sid."""
    current = (policy or {}).get("Statement") or []
    sids = {statement.get("Sid") for statement in added}
    retained = [
        statement
        for statement in (current if isinstance(current, list) else [current])
        if statement.get("Sid") not in sids
    ]
    return {"Version": "2012-10-17", **(policy or {}), "Statement": [*retained, *added]}


@judgement("alerts")
def check_alerts(facts: StackFacts) -> Iterator[Notice]:
    """Whether the topic exists, and whether each rule is enabled and has a target."""
    settings = facts.settings
    if not settings.alerts:
        return
    alerts = facts.once("alerts", lambda: facts.aws.audit.alerts(settings))
    if isinstance(alerts, SetupError):
        yield Notice.unread("the alerts", alerts)
        return
    if not alerts.topic:
        yield Notice.wrong(
            "alerts-topic-missing",
            what=f"the topic of the alerts, {settings.names.alert_topic}, does not exist",
            why=BY_ID["alerts"].reason,
            command=fixes.pulumi_up_urns(facts, _alert_urns(facts)),
            advice="each e-mail subscriber has to confirm the subscription again",
        )
    silent = [(fact.rule, why) for fact in alerts.rules if (why := _why_silent(fact))]
    for rule, why in silent:
        where = "" if rule.region == settings.region else f" in {rule.region}"
        yield Notice.wrong(
            "alerts-rule-off",
            what=f"the rule {rule.name} of the alerts{where} {why}",
            why=BY_ID["alerts"].reason,
            command=fixes.pulumi_up(facts, f"Rule::{rule.logical_name}", f"Target::{rule.logical_name}"),
        )
    if alerts.topic and alerts.receivers == 0:
        yield _unreceived(facts)
    elif alerts.topic and alerts.receivers is None:
        yield Notice.unknown("whether anybody receives the alerts", why="SNS does not return the topic's subscribers")
    elif alerts.topic and not silent:
        yield Notice.good(f"the alerts are published to {settings.names.alert_topic}")


def _unreceived(facts: StackFacts) -> Notice:
    """Without an address in the settings it was decided so: an auditor asks about it, but nothing is broken."""
    settings = facts.settings
    topic = f"arn:{settings.partition}:sns:{settings.region}:{settings.account_id}:{settings.names.alert_topic}"
    subscribe = ("sns", "subscribe", "--topic-arn", topic, "--protocol", "email", "--notification-endpoint")
    return Notice.wrong(
        "alerts-unreceived" if settings.alert_emails else "alerts-without-address",
        what=f"nobody receives the alerts: the topic {settings.names.alert_topic} has no confirmed subscriber",
        why=BY_ID["alerts"].reason,
        command=" && ".join(fixes.aws(facts, *subscribe, email) for email in settings.alert_emails),
        advice="AWS sends a message to each address: its owner has to open the link in it"
        if settings.alert_emails
        else f"name who gets them: {fixes.wizard(facts, 'setup', '--alert-emails', 'ADDRESS')}",
    )


def _why_silent(fact: RuleFact) -> str:
    """What is wrong with a rule; empty where nothing is."""
    if fact.state is None:
        return "does not exist"
    if not fact.state.startswith("ENABLED"):
        return f"is {fact.state}"
    return "notifies nobody: it has no target" if fact.targets == 0 and fact.rule.notifies else ""


def _alert_urns(facts: StackFacts) -> list[str]:
    state = facts.state
    resources = state.resources if isinstance(state, StackState) else ()
    return [resource.urn for resource in resources if "eonpro:kms:Alerts$" in resource.urn]


# --- the bucket

LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration::audit-trail"

_BUCKET_CODES: Mapping[str, str] = {
    "bucket-retention": "bucket-retention-short",
    "bucket-private": "bucket-public",
    "bucket-versioned": "bucket-unversioned",
    "bucket-encrypted": "bucket-unencrypted",
    "bucket-tls": "bucket-tls-policy-missing",
}
"""The check's code, by the id of the requirement that is not met."""

SECTIONS: Mapping[str, tuple[str, ...]] = {
    code: BY_ID[requirement].sections for requirement, code in (*_TRAIL_CODES.items(), *_BUCKET_CODES.items())
}
"""The sections of the Security Rule, by the code of a requirement that is not met."""


@judgement()
def check_bucket(facts: StackFacts) -> Iterator[Notice]:
    """Whether the bucket exists and meets the requirements."""
    bucket = facts.settings.names.trail_bucket
    retention = facts.once("retention", lambda: facts.aws.cloudtrail.bucket_retention(bucket))
    if isinstance(retention, SetupError):
        yield Notice.unread(f"the trail's bucket {bucket}", retention)
        return
    if retention is None:
        yield Notice.wrong(
            "bucket-missing",
            what=f"the bucket {bucket} does not exist in this account",
            why="the trail cannot deliver, and its records are lost",
            command=fixes.pulumi_up(facts)
            if facts.settings.existing_trail_arn is None
            else fixes.wizard(facts, "setup", "--trail", "create", "--yes"),
        )
        return
    lacking = [*bucket_gaps(retention)]
    for gap in lacking:
        yield Notice.wrong(
            _BUCKET_CODES[gap.requirement.id],
            what=f"the trail's bucket {bucket}: {gap.text}",
            why=gap.requirement.reason,
            command=_bucket_command(facts, bucket, gap),
        )
    unlocked = [*_lock(facts, bucket, retention)]
    yield from unlocked
    if retention.tls_only is None:
        yield Notice.unknown(f"the policy of the bucket {bucket}", why="S3 does not return it", is_denied=True)
    elif not lacking and not unlocked:
        days = retention.expires_after_days
        yield Notice.good(f"the trail's bucket {bucket} keeps its records {f'{days} days' if days else 'forever'}")


def _bucket_command(facts: StackFacts, bucket: str, gap: Gap) -> str:
    on = ("--bucket", bucket)
    match gap.requirement.id:
        case "bucket-private":
            shut = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
            return fixes.aws(
                facts, "s3api", "put-public-access-block", *on, "--public-access-block-configuration", shut
            )
        case "bucket-versioned":
            on_again = ("--versioning-configuration", "Status=Enabled")
            return fixes.aws(facts, "s3api", "put-bucket-versioning", *on, *on_again)
        case "bucket-encrypted":
            by_s3 = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
            return fixes.aws(
                facts, "s3api", "put-bucket-encryption", *on, "--server-side-encryption-configuration", by_s3
            )
        case "bucket-tls" if owns_bucket(facts.settings):
            return fixes.pulumi_up(facts, BUCKET_POLICY)
        case "bucket-retention" if owns_bucket(facts.settings):
            return fixes.pulumi_up(facts, LIFECYCLE)
        case "bucket-tls":
            tls = secure_transport_statements(bucket=bucket, partition=facts.settings.partition)
            document = with_statements(_documents(facts, bucket)[0], [*tls])
            return fixes.aws(facts, "s3api", "put-bucket-policy", *on, "--policy", document)
        case _:
            days = facts.settings.trail_retention_days
            rules = {"Rules": [_lengthened(rule, days) for rule in _documents(facts, bucket)[1]]}
            return fixes.aws(
                facts, "s3api", "put-bucket-lifecycle-configuration", *on, "--lifecycle-configuration", rules
            )


def _documents(facts: StackFacts, bucket: str) -> tuple[Mapping[str, Any] | None, tuple[Mapping[str, Any], ...]]:
    documents = facts.once("bucket documents", lambda: facts.aws.audit.bucket_documents(bucket))
    return (None, ()) if isinstance(documents, SetupError) else (documents.policy, documents.lifecycle)


def _lengthened(rule: Mapping[str, Any], days: int) -> Mapping[str, Any]:
    """The lifecycle rule with an expiration of at least that many days."""
    expiration = rule.get("Expiration") or {}
    is_short = "Date" in expiration or int(expiration.get("Days", days)) < days
    return {**rule, "Expiration": {"Days": days}} if is_short else rule


def _lock(facts: StackFacts, bucket: str, retention: Retention) -> Iterator[Notice]:
    """Whether new records are locked as the settings say; not for a bucket that the stack does not own."""
    settings = facts.settings
    if not owns_bucket(settings) or settings.trail_lock is ObjectLock.NONE:
        return
    mode, days = settings.trail_lock.upper(), settings.trail_retention_days
    if not retention.lock_known:
        yield Notice.unknown(f"the Object Lock of the bucket {bucket}", why="S3 does not return it", is_denied=True)
        return
    if retention.lock is None:
        cause, what = "bucket-lock-missing", "it does not lock new records"
    elif (retention.lock_days or 0) < days:
        cause, what = "bucket-lock-short", f"it locks new records for {retention.lock_days} days, not for {days}"
    elif retention.lock != mode and mode == "COMPLIANCE":
        cause, what = "bucket-lock-short", f"it locks new records in {retention.lock} mode, not in {mode} mode"
    else:
        return
    configuration = {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}},
    }
    yield Notice.wrong(
        cause,
        what=f"the trail's bucket {bucket}: {what}",
        why=BY_ID["bucket-lock"].reason,
        command=fixes.aws(
            facts,
            *("s3api", "put-object-lock-configuration", "--bucket", bucket),
            *("--object-lock-configuration", configuration),
        ),
        advice="the records written until then are not locked; the bucket's versions keep them",
    )


OTHER_CHECKS: tuple[Judgement, ...] = (check_trail, check_bucket, check_alerts)
