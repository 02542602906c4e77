"""What the doctor says of the trail, its bucket and its alerts: each fault its cause, each owner its command."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from components.policies.stack import trail_key_policy_of
from tests.wizard.account.stacks import CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import (
    ACCOUNT,
    BUCKET,
    LOGS_KEY,
    OTHER_ACCOUNT,
    REGION,
    TRAIL,
    alerts_fact,
    key_fact,
    settings,
    trail_fact,
)
from wizard.account.judgements.alerts import check_alerts
from wizard.account.judgements.logs_bucket import check_buckets
from wizard.account.judgements.trail import (
    check_logs_key,
    check_logs_key_guard,
    check_logs_key_policy,
    check_logs_key_rotation,
    check_trail,
)
from wizard.account.notices import State
from wizard.account.views import build_diagnosis
from wizard.core.errors import PermissionDenied
from wizard.core.models.account import Retention
from wizard.core.models.trail import BucketDocuments

ORGANIZATIONS = f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/organization"
WHOLE = Retention(
    expires_after_days=2557,
    versioned=True,
    public_access_blocked=True,
    encrypted=True,
    lock="GOVERNANCE",
    lock_days=2557,
    tls_only=True,
    access_logged=True,
)

DENIED = PermissionDenied("you may not", "ask for it")


@pytest.fixture
def stand() -> CheckedStack:
    made = CheckedStack()
    made.aws.trails = (trail_fact(key_arn=LOGS_KEY),)
    made.aws.keys[LOGS_KEY] = key_fact(LOGS_KEY)
    made.aws.key_policies[LOGS_KEY] = trail_key_policy_of(made.settings)
    made.aws.retention = WHOLE
    return made


@pytest.fixture
def existing() -> CheckedStack:
    """A stack that uses an organization's trail, which it does not own."""
    made = CheckedStack(settings=settings(existing_trail_arn=ORGANIZATIONS, trail_bucket="the-organizations-logs"))
    made.aws.trails = (trail_fact(arn=ORGANIZATIONS, name="organization", bucket="the-organizations-logs"),)
    made.aws.retention = WHOLE
    return made


def with_trail(stand: CheckedStack, **fields: Any) -> CheckedStack:
    stand.aws.trails = (replace(stand.aws.trails[0], **fields),)
    return stand


def with_bucket(stand: CheckedStack, **fields: Any) -> CheckedStack:
    stand.aws.retention = replace(WHOLE, **fields)
    return stand


def option(command: str, name: str) -> Any:
    """The JSON that a command has for an option."""
    words = shlex.split(command)
    return json.loads(words[words.index(name) + 1])


UPDATE = f"update-trail --name {TRAIL}"


@pytest.mark.parametrize(
    ("fields", "cause", "command"),
    [
        ({"logging": False}, "trail-stopped", f"start-logging --name {TRAIL}"),
        (
            {"multi_region": False},
            "trail-single-region",
            f"{UPDATE} --is-multi-region-trail --include-global-service-events",
        ),
        ({"global_events": False}, "trail-global-events-off", f"{UPDATE} --include-global-service-events"),
        ({"validation": False}, "trail-validation-off", f"{UPDATE} --enable-log-file-validation"),
        ({"bucket": "somebody-elses"}, "trail-other-bucket", f"{UPDATE} --s3-bucket-name {BUCKET}"),
    ],
)
def test_each_fault_of_a_trail_has_its_cause_and_its_command(
    stand: CheckedStack, fields: dict[str, Any], cause: str, command: str
):
    found = finding(with_trail(stand, **fields).notices(check_trail), cause)
    assert found.command == f"aws cloudtrail {command} --region {REGION}"


def test_a_trail_of_somebody_elses_that_is_gone_is_replaced_by_one_of_our_own(existing: CheckedStack):
    existing.aws.trails = ()
    command = finding(existing.notices(check_trail), "trail-missing").command
    assert command == "python -m wizard setup --stack production --trail create --yes"


def test_a_trail_of_another_home_is_fixed_there(existing: CheckedStack):
    command = finding(with_trail(existing, logging=False).notices(check_trail), "trail-stopped").command
    assert command == f"aws cloudtrail start-logging --name {ORGANIZATIONS} --region eu-west-1"


def test_kms_is_let_into_somebody_elses_selectors_and_the_rest_of_them_stays(existing: CheckedStack):
    data = {"ReadWriteType": "WriteOnly", "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}
    first = {
        "ReadWriteType": "WriteOnly",
        "ExcludeManagementEventSources": ["kms.amazonaws.com", "rdsdata.amazonaws.com"],
    }
    existing.aws.event_selectors = {"EventSelectors": [first, data]}
    command = finding(with_trail(existing, kms_events=False).notices(check_trail), "trail-excludes-kms").command
    wanted = {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "ExcludeManagementEventSources": ["rdsdata.amazonaws.com"],
    }
    assert option(command, "--event-selectors") == [wanted, data]


def test_kms_is_let_into_somebody_elses_advanced_selectors(existing: CheckedStack):
    data = {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}
    without = {
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Management"]},
            {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]},
        ]
    }
    existing.aws.event_selectors = {"AdvancedEventSelectors": [data, without]}
    command = finding(with_trail(existing, kms_events=False).notices(check_trail), "trail-excludes-kms").command
    put = option(command, "--advanced-event-selectors")
    assert put[1:] == [data]
    assert put[0]["FieldSelectors"] == [{"Field": "eventCategory", "Equals": ["Management"]}]


def test_the_stacks_own_trail_goes_back_to_every_management_event(stand: CheckedStack):
    stand.aws.event_selectors = {"AdvancedEventSelectors": [{"FieldSelectors": []}]}
    command = finding(with_trail(stand, kms_events=False).notices(check_trail), "trail-excludes-kms").command
    [selector] = option(command, "--event-selectors")
    assert selector == {"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": []}


def test_a_delivery_that_fails_is_fixed_by_the_stack_where_the_bucket_is_its_own(stand: CheckedStack):
    found = finding(with_trail(stand, delivery_error="AccessDenied").notices(check_trail), "trail-delivery-failing")
    assert "bucketPolicy:BucketPolicy::audit-trail" in found.command and "AccessDenied" in found.what


def test_a_delivery_that_fails_is_let_into_somebody_elses_bucket_beside_what_is_there(existing: CheckedStack):
    own = {"Sid": "Own", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "*"}
    existing.aws.bucket_documents = BucketDocuments(policy={"Version": "2012-10-17", "Statement": [own]})
    found = finding(with_trail(existing, delivery_error="AccessDenied").notices(check_trail), "trail-delivery-failing")
    put = option(found.command, "--policy")["Statement"]
    assert put[0] == own
    assert {each["Action"] for each in put[1:]} == {"s3:GetBucketAcl", "s3:PutObject"}


def test_logs_without_their_key_are_a_fault_only_where_the_settings_say_that_they_have_one(stand: CheckedStack):
    assert causes(with_trail(stand, key_arn=None).notices(check_trail)) == ["trail-encryption-off"]
    without = CheckedStack(settings=settings(trail_key=False))
    assert causes(without.notices(check_trail)) == []


def test_a_key_of_the_logs_whose_guard_was_taken_out_is_saved_and_guarded_by_one_command(stand: CheckedStack):
    stand.aws.keys[LOGS_KEY] = replace(stand.aws.keys[LOGS_KEY], state="PendingDeletion")
    guarded = trail_key_policy_of(stand.settings)
    allowed = [statement for statement in guarded["Statement"] if statement["Effect"] == "Allow"]
    stand.aws.key_policies[LOGS_KEY] = {**guarded, "Statement": allowed}
    cancel, enable, update = finding(stand.notices(check_logs_key), "logs-key-unusable").command.split(" && ")
    assert "cancel-key-deletion" in cancel and "enable-key" in enable
    assert "pulumi up --refresh" in update and update.rstrip("'").endswith("kms/key:Key::audit-trail-key")


def test_an_organizations_logs_key_is_saved_without_an_update_of_the_stack(existing: CheckedStack):
    with_trail(existing, key_arn=LOGS_KEY)
    existing.aws.keys[LOGS_KEY] = key_fact(LOGS_KEY, state="PendingDeletion")
    existing.aws.key_policies[LOGS_KEY] = {"Statement": []}
    command = finding(existing.notices(check_logs_key), "logs-key-unusable").command
    assert "cancel-key-deletion" in command and "pulumi" not in command


@pytest.mark.parametrize(
    ("rotation", "words"),
    [
        ({"rotation_enabled": False, "rotation_period_days": None}, "does not rotate"),
        ({"rotation_period_days": 2560}, "rotates every 2560 days"),
    ],
)
def test_the_key_of_the_logs_rotates_every_year(stand: CheckedStack, rotation: dict[str, Any], words: str):
    stand.aws.keys[LOGS_KEY] = replace(stand.aws.keys[LOGS_KEY], **rotation)
    found = finding(stand.notices(check_logs_key_rotation), "logs-key-rotation")
    assert words in found.what and found.requirements == ("key-rotation",)
    assert found.command == (
        f"aws kms enable-key-rotation --key-id {LOGS_KEY} --rotation-period-in-days 365 --region {REGION}"
    )


@pytest.mark.parametrize("rotation", [{"rotation_enabled": None}, {"rotation_period_days": None}])
def test_a_rotation_of_the_logs_key_that_kms_does_not_return_is_unknown(stand: CheckedStack, rotation: dict[str, Any]):
    stand.aws.keys[LOGS_KEY] = replace(stand.aws.keys[LOGS_KEY], **rotation)
    unknown = [each.requirements for each in stand.notices(check_logs_key_rotation) if each.state is State.UNKNOWN]
    assert unknown == [("key-rotation",)]


STRANGER = {"AWS": "arn:aws:iam::999988887777:root"}


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": STRANGER, "Action": "kms:Decrypt"},
        {"Principal": "*", "Action": "kms:*"},
        {"NotPrincipal": STRANGER, "Action": "kms:Decrypt"},
        {"Principal": {"Service": "cloudtrail.amazonaws.com"}, "NotAction": "kms:PutKeyPolicy"},
    ],
)
def test_nobody_else_decrypts_the_logs(stand: CheckedStack, statement: dict[str, Any]):
    policy: Any = stand.aws.key_policies[LOGS_KEY]
    more = {"Sid": "More", "Effect": "Allow", "Resource": "*", **statement}
    stand.aws.key_policies[LOGS_KEY] = {**policy, "Statement": [*policy["Statement"], more]}
    found = finding(stand.notices(check_logs_key_policy), "logs-key-policy-widened")
    assert found.requirements == ("bucket-private", "trail-encryption")
    assert shlex.split(found.command)[-1].endswith("$aws:kms/key:Key::audit-trail-key")


def test_the_key_of_the_logs_is_guarded_against_its_deletion(stand: CheckedStack):
    policy: Any = stand.aws.key_policies[LOGS_KEY]
    allowed = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    stand.aws.key_policies[LOGS_KEY] = {**policy, "Statement": allowed}
    found = finding(stand.notices(check_logs_key_guard), "logs-key-unguarded")
    assert found.requirements == ("key-deletion-window",)


def test_what_cloudtrail_does_not_tell_is_never_well(stand: CheckedStack):
    with_trail(stand, logging=None, kms_events=None)
    unknown = [each.requirements for each in stand.notices(check_trail) if each.state is State.UNKNOWN]
    assert unknown == [("trail-logging",), ("trail-kms-events",)]
    stand.aws.failures["find_trail"] = DENIED
    [one] = not_checked(stand.notices(check_trail))
    assert one.is_denied and TRAIL in one.what


# --- the bucket


@pytest.mark.parametrize(
    ("fields", "cause", "begins"),
    [
        ({"public_access_blocked": False}, "bucket-public", f"aws s3api put-public-access-block --bucket {BUCKET} "),
        ({"versioned": False}, "bucket-unversioned", f"aws s3api put-bucket-versioning --bucket {BUCKET} "),
        ({"encrypted": False}, "bucket-unencrypted", f"aws s3api put-bucket-encryption --bucket {BUCKET} "),
        ({"lock": None}, "bucket-lock-missing", f"aws s3api put-object-lock-configuration --bucket {BUCKET} "),
        ({"lock_days": 30}, "bucket-lock-short", f"aws s3api put-object-lock-configuration --bucket {BUCKET} "),
        ({"expires_after_days": 400}, "bucket-retention-short", "pulumi up --refresh "),
        ({"tls_only": False}, "bucket-tls-policy-missing", "pulumi up --refresh "),
    ],
)
def test_each_fault_of_the_bucket_has_its_cause_and_its_command(
    stand: CheckedStack, fields: dict[str, Any], cause: str, begins: str
):
    assert finding(with_bucket(stand, **fields).notices(check_buckets), cause).command.startswith(begins)


def test_a_lock_in_governance_does_not_do_where_compliance_was_agreed_to():
    stand = with_bucket(CheckedStack(settings=settings(trail_lock="compliance")))
    found = finding(stand.notices(check_buckets), "bucket-lock-short")
    assert option(found.command, "--object-lock-configuration")["Rule"]["DefaultRetention"]["Mode"] == "COMPLIANCE"


def test_a_lock_that_may_not_be_read_is_no_lock_that_is_gone(stand: CheckedStack):
    with_bucket(stand, lock=None, lock_days=None, lock_known=False)
    notices = stand.notices(check_buckets)
    assert causes(notices) == [] and any("Object Lock" in each.what for each in notices)


def test_somebody_elses_bucket_is_fixed_with_its_own_rules_kept(existing: CheckedStack):
    uploads = {"ID": "uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    short = {"ID": "short", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 90}}
    existing.aws.bucket_documents = BucketDocuments(policy=None, lifecycle=(short, uploads))
    found = finding(with_bucket(existing, expires_after_days=90).notices(check_buckets), "bucket-retention-short")
    rules = option(found.command, "--lifecycle-configuration")["Rules"]
    assert rules == [{**short, "Expiration": {"Days": 2557}}, uploads]


def test_a_bucket_that_is_gone_explains_itself(stand: CheckedStack):
    stand.aws.retention = None
    assert finding(stand.notices(check_buckets), "bucket-missing").command.startswith("pulumi up --refresh ")


# --- the alerts


def with_rules(stand: CheckedStack, **changes: dict[str, Any]) -> CheckedStack:
    """The stack with changes of single rules, by their kind."""
    alerts = alerts_fact(stand.settings)
    rules = (replace(fact, **changes.get(fact.rule.kind.replace("-", "_"), {})) for fact in alerts.rules)
    stand.aws.alerts = replace(alerts, rules=tuple(rules))
    return stand


def with_topic(stand: CheckedStack, number: int, **changes: Any) -> CheckedStack:
    """The stack with changes of one topic: 0 the topic of all alerts, 1 the fallback topic."""
    alerts = alerts_fact(stand.settings)
    topics = list(alerts.topics)
    topics[number] = replace(topics[number], **changes)
    stand.aws.alerts = replace(alerts, topics=tuple(topics))
    return stand


def test_a_rule_that_is_off_is_named(stand: CheckedStack):
    with_rules(
        stand,
        key_changes={"state": "DISABLED"},
        trail_changes={"targets": ()},
        # The alarm counts what matches the rule of denied use: that one needs no target.
        denied_use={"state": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "targets": ()},
        access_changes={"state": None, "targets": None},
        fallback={"targets": (f"arn:aws:sns:{REGION}:{ACCOUNT}:eonpro-alerts",)},
    )
    notices = stand.notices(check_alerts)
    assert causes(notices) == ["alerts-rule-off"] * 4
    assert not all_passed(notices)
    assert "does not send its events to" in notices[-1].what and "fallback" in notices[-1].what


def test_a_rule_whose_targets_cannot_be_listed_is_not_called_off(stand: CheckedStack):
    assert all_passed(with_rules(stand, fallback={"targets": None}).notices(check_alerts))


def test_a_topic_that_is_gone_is_made_again_with_all_that_hangs_on_it(stand: CheckedStack):
    found = finding(with_topic(stand, 0, is_there=False).notices(check_alerts), "alerts-topic-missing")
    assert found.command.count("--target") == 2 and "e-mail" in found.advice


def test_a_topic_that_an_earlier_version_did_not_make_is_made_by_an_update_of_all(stand: CheckedStack):
    found = finding(with_topic(stand, 1, is_there=False).notices(check_alerts), "alerts-topic-missing")
    assert "eonpro-fallback-alerts" in found.what
    assert found.command.startswith("pulumi up ") and "--target" not in found.command


PUBLISH = {"Sid": "More", "Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("statements", "cause"),
    [
        (lambda found: found[1:], "alerts-undelivered"),
        (lambda found: [*found, {**PUBLISH, "Effect": "Deny", "Principal": "*"}], "alerts-undelivered"),
        (lambda found: [*found, {**PUBLISH, "Principal": {"AWS": OTHER_ACCOUNT}}], "alerts-topic-widened"),
        (lambda found: [*found, {**PUBLISH, "Principal": "*", "Action": "sns:Subscribe"}], "alerts-topic-widened"),
        (lambda found: found[:-1], "alerts-topic-widened"),
    ],
    ids=["EventBridge left out", "denied to all", "another account", "anybody subscribes", "plain HTTP"],
)
def test_a_topic_whose_policy_was_changed_is_named(stand: CheckedStack, statements: Any, cause: str, number: int):
    policy = dict(alerts_fact(stand.settings).topics[number].policy or {})
    with_topic(stand, number, policy={**policy, "Statement": statements(list(policy["Statement"]))})
    notices = stand.notices(check_alerts)
    assert causes(notices) == [cause]
    assert (("eonpro-alerts", "eonpro-fallback-alerts")[number] + " ") in notices[0].what


@pytest.mark.parametrize("key", [LOGS_KEY, "alias/aws/sns"])
def test_a_fallback_topic_with_a_key_can_be_stopped_by_that_key(stand: CheckedStack, key: str):
    assert causes(with_topic(stand, 1, key=key).notices(check_alerts)) == ["alerts-undelivered"]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (lambda found: found, []),
        (
            lambda found: [each for each in found if each["Sid"] != "Allow alerts to be published"],
            ["alerts-undelivered"],
        ),
        (
            lambda found: [*found, {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}],
            ["alerts-undelivered"],
        ),
        # What others than the publishers lack is no matter of the alerts.
        (lambda found: [each for each in found if each["Sid"] != "Allow CloudTrail to describe the key"], []),
    ],
    ids=["as it was made", "without the alerts' statement", "denied to all", "without CloudTrail's"],
)
def test_a_key_of_the_logs_that_stops_the_alerts_is_named(stand: CheckedStack, statements: Any, expected: list[str]):
    policy = trail_key_policy_of(stand.settings)
    stand.aws.key_policies[LOGS_KEY] = {**policy, "Statement": statements(list(policy["Statement"]))}
    stand.aws.keys[LOGS_KEY] = key_fact(LOGS_KEY)
    notices = with_topic(stand, 0, key=LOGS_KEY).notices(check_alerts)
    assert causes(notices) == expected
    assert all("eonpro-fallback-alerts" in notice.why for notice in notices if notice.code)


def test_both_topics_are_subscribed_to_again_by_one_command():
    stand = CheckedStack(settings=settings(alert_emails=("ops@clinic.example", "dpo@clinic.example")))
    alerts = alerts_fact(stand.settings)
    stand.aws.alerts = replace(alerts, topics=tuple(replace(fact, receivers=0) for fact in alerts.topics))
    found = finding(stand.notices(check_alerts), "alerts-unreceived")
    assert found.command.count("aws sns subscribe ") == 4 and found.command.count("eonpro-fallback-alerts") == 2


def test_alerts_without_any_address_are_a_decision_that_breaks_nothing_and_that_the_report_lists(stand: CheckedStack):
    with_topic(stand, 0, receivers=0)
    notices = stand.notices(check_alerts)
    assert causes(notices) == ["alerts-without-address"]
    diagnosis = build_diagnosis("production", notices)
    assert (diagnosis.healthy, [each.code for each in diagnosis.advisories]) == (True, ["alerts-without-address"])
    assert any("nobody receives the alerts" in line for line in diagnosis.skipped)


@pytest.mark.parametrize(
    ("group", "cause"),
    [(None, ["trail-copy-off"]), ("other", ["trail-copy-off"]), ("/aws/cloudtrail/eonpro-audit-trail", [])],
)
def test_events_that_are_not_copied_to_the_log_group_of_the_settings_are_a_fault(stand, group, cause):
    stand.settings = settings(cloudwatch_logs=True)
    notices = with_trail(stand, log_group=group).notices(check_trail)
    assert causes(notices) == cause
    assert [each.state is State.GOOD for each in notices if "trail-cloudwatch" in each.requirements] == [not cause]
    stand.settings = settings()
    assert all_passed(stand.notices(check_trail))
