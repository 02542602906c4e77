"""Who the policy of a bucket lets read, change or delete the audit records: the judgement and its command."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from components.policies.stack import access_log_bucket_policy_of, trail_bucket_policy_of
from tests.wizard.account.stacks import CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import ACCOUNT, BUCKET, TRAIL, settings, trail_fact
from wizard.account.judgements import RIGHTS_CHECKS
from wizard.account.judgements.logs_bucket import check_bucket_policies
from wizard.account.notices import State
from wizard.core.errors import PermissionDenied

ARN, OBJECTS = f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"
OTHER = "arn:aws:iam::999988887777:root"
STRANGER = {"AWS": OTHER}
READS = {"Effect": "Allow", "Principal": STRANGER, "Action": "s3:GetObject", "Resource": OBJECTS}
CLOUDTRAIL = {"Service": "cloudtrail.amazonaws.com"}
OF_AN_ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
OF_TWO_TRAILS = {
    "Principal": CLOUDTRAIL,
    "Condition": {"StringEquals": {"aws:SourceArn": [TRAIL, TRAIL.replace(ACCOUNT, "999988887777")]}},
}
EXISTING = "organization"


@pytest.fixture
def stack() -> CheckedStack:
    """A stack with its own trail and buckets, as the settings say."""
    made = CheckedStack()
    return _with_policy(made, trail_bucket_policy_of(made.settings))


@pytest.fixture
def existing() -> CheckedStack:
    """A stack that uses an existing trail with its bucket."""
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{EXISTING}"
    made = CheckedStack(settings=settings(existing_trail_arn=arn, trail_bucket=BUCKET))
    made.aws.trails = (trail_fact(arn=arn, name=EXISTING),)
    return _with_policy(made, trail_bucket_policy_of(made.settings))


def _with_policy(stack: CheckedStack, policy: Any) -> CheckedStack:
    assert stack.aws.retention is not None and stack.aws.access_log_retention is not None
    stack.aws.retention = replace(stack.aws.retention, tls_only=True, policy=policy)
    of_access = access_log_bucket_policy_of(stack.settings)
    stack.aws.access_log_retention = replace(stack.aws.access_log_retention, policy=of_access)
    return stack


def with_statements(stack: CheckedStack, *more: dict[str, Any]) -> CheckedStack:
    """The policy of the trail's bucket with more statements."""
    assert stack.aws.retention is not None and stack.aws.retention.policy is not None
    policy = stack.aws.retention.policy
    return _with_policy(stack, {**policy, "Statement": [*policy["Statement"], *more]})


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (READS, f"lets {OTHER} read the records (GetObject)"),
        ({**READS, "Action": "s3:Get*"}, "read the records"),
        ({**READS, "Resource": ARN, "Action": "s3:ListBucket"}, "read the records (ListBucket)"),
        ({**READS, "Action": "s3:DeleteObjectVersion"}, "delete the records"),
        ({**READS, "Action": ["s3:BypassGovernanceRetention"]}, "delete the records"),
        ({**READS, "Action": "s3:PutLifecycleConfiguration", "Resource": ARN}, "delete the records"),
        ({**READS, "Action": "s3:PutBucketPolicy", "Resource": ARN}, "change the bucket that has the records"),
        ({**READS, "NotAction": "s3:PutObject", "Action": None}, "read, write, delete"),
        ({**READS, "Principal": "*"}, "lets everybody read"),
        ({**READS, "Principal": None, "NotPrincipal": STRANGER}, "lets everybody read"),
        ({**READS, "Principal": {"Service": "lambda.amazonaws.com"}}, "lets lambda.amazonaws.com read"),
        ({**READS, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/analyst"}}, "role/analyst read"),
        ({**READS, "Principal": "*", **OF_AN_ORGANIZATION}, "if aws:PrincipalOrgID is o-1"),
        ({**READS, "Principal": CLOUDTRAIL, "Action": "s3:PutObject"}, "write the records"),
        ({**READS, "Resource": f"arn:aws:s3:::{BUCKET}/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/*"}, "read the records"),
        ({**READS, "Action": "S3:getobject"}, "read the records (GetObject)"),
        ({**READS, "Principal": {"AWS": ["999988887777"]}}, "lets 999988887777 read"),
        ({**READS, "Principal": {"AWS": ["*"]}}, "lets everybody read"),
        ({**READS, "Principal": {"CanonicalUser": "79a59df900b949e5"}}, "lets 79a59df900b949e5 read"),
        ({**READS, "Action": "s3:PutObject", **OF_TWO_TRAILS}, "write the records"),
        ({**READS, "Resource": None, "NotResource": f"{ARN}/other/*"}, "read the records"),
    ],
)  # fmt: skip
def test_who_can_read_change_or_delete_the_records_beyond_the_settings(
    stack: CheckedStack, statement: dict[str, Any], words: str
) -> None:
    given = {name: value for name, value in statement.items() if value is not None}
    found = finding(with_statements(stack, given).notices(check_bucket_policies), "bucket-policy-widened")
    assert words in found.what
    assert shlex.split(found.command)[-1].endswith("$aws:s3/bucketPolicy:BucketPolicy::audit-trail")


@pytest.mark.parametrize(
    "statements",
    [
        [{**READS, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "s3:*"}],
        [{**READS, "Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}}],
        [{**READS, "Action": "s3:GetBucketLocation", "Resource": ARN}],
        [READS, {**READS, "Effect": "Deny", "Principal": "*", "Action": "s3:*"}],
        [READS, {**READS, "Effect": "Deny"}],
        [{**READS, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}],
    ],
    ids=["the account's own IAM", "a deleted role", "no record", "all denied", "denied", "over plain HTTP alone"],
)
def test_what_lets_nobody_in_is_good(stack: CheckedStack, statements: list[dict[str, Any]]) -> None:
    assert all_passed(with_statements(stack, *statements).notices(check_bucket_policies))


@pytest.mark.parametrize(
    "denial",
    [
        {"Effect": "Deny", "NotPrincipal": STRANGER, "Action": "s3:*", "Resource": OBJECTS},
        {**READS, "Effect": "Deny", "Principal": "*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {**READS, "Effect": "Deny", "Resource": f"arn:aws:s3:::{BUCKET}/AWSLogs/*"},
        {**READS, "Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}},
    ],
    ids=["all but them", "under a condition", "of some objects", "of somebody else"],
)
def test_a_denial_that_may_not_apply_takes_nothing_away(stack: CheckedStack, denial: dict[str, Any]) -> None:
    notices = with_statements(stack, {**READS, "Principal": "*"}, READS, denial).notices(check_bucket_policies)
    assert causes(notices) == ["bucket-policy-widened"]


def test_a_bucket_that_was_left_as_it_was_found_is_said_and_is_not_wrong(stack: CheckedStack) -> None:
    kept = CheckedStack(settings=settings(adopted=(f"bucket={BUCKET}",), kept_as_found=("bucket",)))
    notices = with_statements(_with_policy(kept, trail_bucket_policy_of(kept.settings)), READS).notices(
        check_bucket_policies
    )
    [said] = [each for each in notices if each.state is State.PERSON]
    assert causes(notices) == []
    assert f"lets {OTHER} read" in said.what and "setup --stack production --repair bucket --yes" in said.what


def test_another_account_that_reads_an_existing_bucket_is_for_a_person_to_decide(existing: CheckedStack) -> None:
    notices = with_statements(existing, READS).notices(check_bucket_policies)
    assert causes(notices) == [] and [each.state for each in notices] == [State.PERSON, State.GOOD]


def test_another_trail_that_writes_to_an_existing_bucket_is_usual(existing: CheckedStack) -> None:
    other = {**READS, "Principal": CLOUDTRAIL, "Action": "s3:PutObject"}
    assert all_passed(with_statements(existing, other).notices(check_bucket_policies))


@pytest.mark.parametrize("principal", [{"Principal": "*"}, {"NotPrincipal": STRANGER}])
def test_an_existing_bucket_open_to_everybody_is_closed_and_the_rest_stays(
    existing: CheckedStack, principal: dict[str, Any]
) -> None:
    everybody = {name: value for name, value in READS.items() if name != "Principal"} | principal
    both = {**READS, "Action": "s3:DeleteObject", "Principal": {"AWS": [OTHER, f"arn:aws:iam::{ACCOUNT}:role/ops"]}}
    found = finding(with_statements(existing, everybody, both).notices(check_bucket_policies), "bucket-policy-widened")
    words = shlex.split(found.command)
    assert words[:5] == ["aws", "s3api", "put-bucket-policy", "--bucket", BUCKET]
    document = json.loads(words[words.index("--policy") + 1])
    wanted = [*trail_bucket_policy_of(existing.settings)["Statement"]]
    assert document["Statement"] == [*wanted, {**both, "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/ops"]}}]


def test_a_policy_that_s3_does_not_return_is_unknown(stack: CheckedStack) -> None:
    assert stack.aws.retention is not None
    stack.aws.retention = replace(stack.aws.retention, tls_only=None, policy=None)
    [unknown] = [each for each in stack.notices(check_bucket_policies) if each.state is State.UNKNOWN]
    assert unknown.is_denied and unknown.requirements == ("bucket-private",)
    stack.aws.failures["bucket_retention"] = PermissionDenied("you may not", "ask for it")
    assert len(not_checked(stack.notices(check_bucket_policies))) == 2


def test_verify_asks_for_it() -> None:
    assert check_bucket_policies in RIGHTS_CHECKS
