"""What the doctor says of the documents in S3: the key, who can read them, and under which key they are."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from components.policies.document_buckets import bucket_statements
from components.policies.evaluation.account import IamPolicy
from components.policies.stack import documents_key_policy_of
from components.settings import Settings
from tests.wizard.account.stacks import CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import ACCOUNT, APP, KEY, FakeAwsClient, key_fact, settings
from wizard.account.comparison.policies import uses_documents_alone
from wizard.account.judgements import RIGHTS_CHECKS
from wizard.account.judgements.s3_documents import (
    OTHER_CHECKS,
    check_document_access,
    check_document_buckets,
    check_document_objects,
    check_document_versions,
    check_documents_key,
    check_documents_key_policy,
    default_encryption,
    refuses_other_encryption,
)
from wizard.account.notices import State
from wizard.core.errors import PermissionDenied, Unreachable
from wizard.core.models.s3_documents import DocumentBucket, Encryption, ObjectState, ObjectVersion

BUCKET = "clinic-documents"
ARN, OBJECTS = f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"
DOCUMENTS_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/9012cdef-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = DOCUMENTS_KEY.replace("9012cdef", "ffffffff")
OTHER = "arn:aws:iam::999988887777:root"
READS = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "s3:GetObject", "Resource": OBJECTS}
DENIED = PermissionDenied("you may not", "ask for it")
WITH_KEY = settings(document_buckets=(BUCKET,), documents_key=True)
GOOD: dict[str, Any] = {"Version": "2012-10-17", "Statement": bucket_statements(bucket=BUCKET, key_arn=DOCUMENTS_KEY)}


def documents_as_they_should_be(aws: FakeAwsClient, made: Settings) -> None:
    """The key, and the bucket without an object."""
    aws.keys[DOCUMENTS_KEY] = key_fact(DOCUMENTS_KEY, rotation_period_days=365)
    aws.aliases["alias/eonpro-documents-key"] = DOCUMENTS_KEY
    aws.key_policies[DOCUMENTS_KEY] = documents_key_policy_of(made)
    aws.s3_documents.buckets[BUCKET] = DocumentBucket(
        name=BUCKET,
        region="us-east-1",
        encryption=Encryption(algorithm="aws:kms", key=DOCUMENTS_KEY),
        bucket_key=True,
        public_access_blocked=True,
        versioned=True,
        policy=GOOD,
        tls_only=True,
    )


def stack_of(made: Settings) -> CheckedStack:
    stack = CheckedStack(settings=made)
    documents_as_they_should_be(stack.aws, WITH_KEY)
    return stack


@pytest.fixture
def stack() -> CheckedStack:
    """A stack with a key of the documents, and one bucket as it should be."""
    return stack_of(WITH_KEY)


@pytest.fixture
def without_key() -> CheckedStack:
    """A stack that names the bucket only."""
    made = stack_of(settings(document_buckets=(BUCKET,)))
    return with_bucket(made, encryption=Encryption(algorithm="AES256"))


def with_bucket(stack: CheckedStack, **changes: Any) -> CheckedStack:
    bucket = stack.aws.s3_documents.buckets[BUCKET]
    assert isinstance(bucket, DocumentBucket)
    stack.aws.s3_documents.buckets[BUCKET] = replace(bucket, **changes)
    return stack


def with_objects(stack: CheckedStack, *keys: str | None) -> CheckedStack:
    """An object under each of these keys; None: under S3's own."""
    stack.aws.s3_documents.objects[BUCKET] = {
        ObjectVersion(key=f"scan-{number}"): ObjectState(
            encryption=Encryption(algorithm="aws:kms", key=key) if key else Encryption(algorithm="AES256")
        )
        for number, key in enumerate(keys)
    }
    return stack


def put_policy(command: str) -> list[dict[str, Any]]:
    words = shlex.split(command)
    assert words[:3] == ["aws", "s3api", "put-bucket-policy"]
    statements: list[dict[str, Any]] = json.loads(words[words.index("--policy") + 1])["Statement"]
    return statements


def test_documents_as_the_settings_say_are_good(stack: CheckedStack) -> None:
    assert all_passed(with_objects(stack, DOCUMENTS_KEY, DOCUMENTS_KEY).notices(*OTHER_CHECKS))


@pytest.mark.parametrize(
    "statement",
    [
        READS,
        {**READS, "Principal": "*"},
        {**READS, "Principal": {"AWS": "999988887777"}, "Action": "s3:PutBucketPolicy", "Resource": ARN},
        {**READS, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
    ],
    ids=["another account reads", "everybody reads", "another account changes the bucket", "on terms"],
)
def test_who_is_outside_the_account_is_taken_out_of_the_policy_and_nothing_else_is(
    stack: CheckedStack, statement: dict[str, Any]
) -> None:
    own = {**READS, "Principal": {"AWS": APP}}
    policy = {**GOOD, "Statement": [own, statement, *GOOD["Statement"]]}
    found = finding(with_bucket(stack, policy=policy).notices(check_document_access), "documents-policy-foreign")
    assert put_policy(found.command) == [own, *GOOD["Statement"]]
    assert check_document_access in RIGHTS_CHECKS, "verify fails on it"


def test_an_organization_s_terms_and_a_service_are_a_person_s_decision(stack: CheckedStack) -> None:
    of_organization = {**READS, "Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    service = {**READS, "Principal": {"Service": "cloudfront.amazonaws.com"}}
    policy = {**GOOD, "Statement": [of_organization, service, *GOOD["Statement"]]}
    notices = with_bucket(stack, policy=policy).notices(check_document_access)
    assert causes(notices) == []
    assert len([each for each in notices if each.state is State.PERSON]) == 2


def test_two_faults_of_the_policy_have_one_command_that_puts_both_right(stack: CheckedStack) -> None:
    """A second command that is pasted must not undo the first one."""
    stack = with_bucket(stack, policy={"Version": "2012-10-17", "Statement": [READS]}, tls_only=False)
    notices = stack.notices(check_document_access, check_document_buckets)
    assert causes(notices) == ["documents-policy-foreign", "documents-encryption-open", "documents-tls-policy-missing"]
    commands = {str(each.command) for each in notices if each.code}
    assert len(commands) == 1
    assert put_policy(commands.pop()) == GOOD["Statement"]


@pytest.mark.parametrize(
    "encryption",
    [
        Encryption(algorithm="AES256"),
        Encryption(algorithm="aws:kms"),
        Encryption(algorithm="aws:kms", key=KEY),
        Encryption(algorithm="aws:kms:dsse", key=DOCUMENTS_KEY),
        Encryption(algorithm="aws:kms", key="alias/eonpro-documents-key"),
    ],
    ids=lambda one: one.text,
)
def test_another_default_encryption_is_put_right_by_the_command(stack: CheckedStack, encryption: Encryption) -> None:
    """An alias is resolved in the account of whoever uploads."""
    found = finding(with_bucket(stack, encryption=encryption).notices(check_document_buckets), "documents-key-wrong")
    words = shlex.split(found.command)
    assert json.loads(words[words.index("--server-side-encryption-configuration") + 1]) == default_encryption(
        DOCUMENTS_KEY
    )


def test_the_phi_key_is_never_the_key_of_documents(without_key: CheckedStack) -> None:
    with_objects(with_bucket(without_key, encryption=Encryption(algorithm="aws:kms", key=KEY)), KEY)
    notices = without_key.notices(check_document_buckets, check_document_objects)
    assert causes(notices) == ["documents-key-wrong", "documents-elsewhere"]
    assert all("--documents-key yes" in each.command for each in notices if each.code)


def test_without_a_key_of_their_own_a_person_decides_and_nothing_is_broken(without_key: CheckedStack) -> None:
    notices = with_objects(without_key, None).notices(*OTHER_CHECKS)
    assert causes(notices) == []
    [person] = [each for each in notices if each.state is State.PERSON]
    assert "SSE-S3" in person.what and "--documents-key yes" in person.command


def test_objects_under_another_key_are_counted_of_a_sample_and_moved_by_the_command(stack: CheckedStack) -> None:
    found = finding(
        with_objects(stack, DOCUMENTS_KEY, None, OTHER_KEY, None).notices(check_document_objects), "documents-elsewhere"
    )
    assert found.what == (
        f"of 4 objects, which are all in {BUCKET}: 2 under S3's own keys (SSE-S3); 1 under the key {OTHER_KEY}"
    )
    assert f"documents encrypt --stack production --bucket {BUCKET}" in found.command


def test_a_bucket_without_versions_is_the_application_s_decision_and_turns_no_requirement(stack: CheckedStack) -> None:
    [notice] = with_bucket(stack, versioned=False).notices(check_document_versions)
    assert (notice.state, notice.requirements) == (State.PERSON, ())


@pytest.mark.parametrize("check", [check_document_access, check_document_buckets])
def test_a_bucket_that_cannot_be_read_is_unknown(stack: CheckedStack, check: Any) -> None:
    stack.aws.s3_documents.buckets[BUCKET] = DENIED
    assert [each.is_denied for each in not_checked(stack.notices(check))] == [True]


def test_a_sample_that_failed_for_another_reason_is_unknown(stack: CheckedStack) -> None:
    stack.aws.s3_documents.samples[BUCKET] = Unreachable("no answer", "look")
    assert len(not_checked(stack.notices(check_document_objects))) == 1


def test_a_bucket_that_is_not_there_is_taken_out_of_the_settings(stack: CheckedStack) -> None:
    stack.aws.s3_documents.buckets.clear()
    found = finding(stack.notices(*OTHER_CHECKS[2:]), "documents-bucket-missing")
    assert "--document-buckets none" in found.command


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_a_key_of_the_documents_that_is_not_enabled_is_enabled_again(stack: CheckedStack, state: str) -> None:
    stack.aws.keys[DOCUMENTS_KEY] = replace(stack.aws.keys[DOCUMENTS_KEY], state=state)
    found = finding(stack.notices(check_documents_key), "documents-key-unusable")
    assert "enable-key" in found.command and ("cancel-key-deletion" in found.command) is (state != "Disabled")


def test_a_key_of_the_documents_that_does_not_rotate_is_found(stack: CheckedStack) -> None:
    stack.aws.keys[DOCUMENTS_KEY] = replace(stack.aws.keys[DOCUMENTS_KEY], rotation_enabled=False)
    assert "enable-key-rotation" in finding(stack.notices(check_documents_key), "documents-key-rotation").command


def test_whoever_else_the_policy_of_the_key_lets_use_it_is_found(stack: CheckedStack) -> None:
    policy = documents_key_policy_of(WITH_KEY)
    more = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "kms:Decrypt", "Resource": "*"}
    stack.aws.key_policies[DOCUMENTS_KEY] = {**policy, "Statement": [*policy["Statement"], more]}
    found = finding(stack.notices(check_documents_key_policy), "documents-key-policy-widened")
    assert "999988887777" in found.what and "pulumi up" in found.command


@pytest.mark.parametrize("left_out", ["DenyOtherEncryption", "DenyOtherKeys"])
def test_a_policy_refuses_other_encryption_only_with_both_denials(left_out: str) -> None:
    assert refuses_other_encryption(GOOD, ARN, DOCUMENTS_KEY)
    less = {**GOOD, "Statement": [each for each in GOOD["Statement"] if each["Sid"] != left_out]}
    assert not refuses_other_encryption(less, ARN, DOCUMENTS_KEY)


def test_a_denial_for_some_or_for_a_part_of_the_bucket_refuses_nothing() -> None:
    by_kms = {"Condition": {"StringLike": {"s3:x-amz-server-side-encryption": "aws:kms*"}}}
    for change in ({"Principal": {"AWS": APP}}, {"Resource": f"{ARN}/uploads/*"}, {"Action": "s3:GetObject"}, by_kms):
        narrower = {**GOOD, "Statement": [{**each, **change} for each in GOOD["Statement"]]}
        assert not refuses_other_encryption(narrower, ARN, DOCUMENTS_KEY), change


@pytest.mark.parametrize(
    ("change", "is_of_documents"),
    [
        ({}, True),
        ({"Action": "s3:*"}, False),
        ({"Resource": f"{ARN}*"}, False),
        ({"Resource": "*"}, False),
        ({"Action": ["s3:GetObject", "kms:Decrypt"]}, False),
        ({"Resource": "arn:aws:s3:::another/*"}, False),
    ],
)
def test_the_application_may_be_given_the_objects_of_the_named_buckets_and_nothing_else(
    change: dict[str, Any], is_of_documents: bool
) -> None:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": OBJECTS, **change}
    policy = IamPolicy(name="documents", document={"Version": "2012-10-17", "Statement": [statement]})
    assert uses_documents_alone(policy, [ARN]) is is_of_documents
    assert not uses_documents_alone(policy, [])
