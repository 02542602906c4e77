"""Keys, and the one call that makes a data key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.wizard.aws.conftest import with_pause
from wizard.aws.client import AwsClient
from wizard.core.errors import PermissionDenied, ResourceError

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
TAGS = {"Application": "EONPRO", "Environment": "Production"}


def make_key(boto, **tags: str) -> str:
    pairs = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
    return str(boto("kms").create_key(Description="of the test", Tags=pairs)["KeyMetadata"]["Arn"])


@pytest.fixture
def retrying(scripted: AwsClient) -> tuple[AwsClient, list[float]]:
    """The edge whose waiting is written down instead of waited."""
    waited: list[float] = []
    scripted = with_pause(scripted, waited.append)
    return scripted, waited


def test_a_key_is_described_with_its_tags_and_rotation(boto, aws):
    arn = make_key(boto, **TAGS)
    boto("kms").enable_key_rotation(KeyId=arn)
    key = aws.kms.describe_key(arn, with_tags=True)
    assert (key.arn, key.state, key.spec, key.usage) == (arn, "Enabled", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert (key.description, key.tags, key.rotation_enabled) == ("of the test", TAGS, True)


@pytest.mark.parametrize("key", ["alias/none", KEY])
def test_a_key_that_does_not_exist_is_none(aws, key):
    assert aws.kms.describe_key(key) is None


def test_a_key_that_shows_neither_tags_nor_rotation_is_described_all_the_same(script, scripted):
    script.answer("DescribeKey", {"KeyMetadata": {"Arn": KEY, "KeyId": KEY, "KeyState": "PendingDeletion"}})
    script.refuse("GetKeyRotationStatus", "KMSInvalidStateException")
    script.refuse("ListResourceTags", "AccessDeniedException")
    key = scripted.kms.describe_key(KEY, with_tags=True)
    assert (key.state, key.tags, key.rotation_enabled, key.rotation_period_days) == (
        "PendingDeletion",
        None,
        None,
        None,
    )


def test_tags_that_were_not_read_are_not_called_absent(boto, aws):
    arn = make_key(boto, **TAGS)
    assert aws.kms.describe_key(arn).tags is None
    assert aws.kms.describe_key(make_key(boto), with_tags=True).tags == {}


def test_a_key_that_may_not_be_described_is_denied_and_never_called_absent(script, scripted):
    script.refuse("DescribeKey", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="kms:DescribeKey"):
        scripted.kms.describe_key(KEY)


def test_the_key_policy_is_a_document(boto, aws):
    assert aws.kms.key_policy(make_key(boto))["Version"] == "2012-10-17"


def test_keys_are_found_by_all_of_the_tags(boto, aws):
    ours = make_key(boto, **TAGS, Owner="us")
    make_key(boto, Application="EONPRO", Environment="Staging")
    make_key(boto)
    assert [key.arn for key in aws.kms.find_keys(TAGS)] == [ours]


def test_keys_that_show_nobody_their_tags_are_passed_over(script, scripted):
    script.answer("ListKeys", {"Keys": [{"KeyArn": KEY, "KeyId": KEY}]})
    script.refuse("ListResourceTags", "AccessDeniedException")
    assert scripted.kms.find_keys(TAGS) == ()


def test_the_data_key_is_made_without_plaintext_and_without_context(script, scripted):
    script.answer("GenerateDataKeyWithoutPlaintext", {"CiphertextBlob": "A" * 248, "KeyId": KEY})
    wrapped = scripted.kms.make_data_key(KEY)
    assert wrapped.value == "A" * 248
    assert script.calls == ["GenerateDataKeyWithoutPlaintext"]
    assert script.requests == [{"KeyId": KEY, "KeySpec": "AES_256"}]


def test_the_data_key_opens_to_256_bits_with_no_context(boto, aws):
    arn = make_key(boto)
    wrapped = aws.kms.make_data_key(arn)
    assert len(boto("kms").decrypt(CiphertextBlob=wrapped.blob, KeyId=arn)["Plaintext"]) == 32


@pytest.mark.parametrize("code", ["NotFoundException", "KMSInvalidStateException"])
def test_a_key_made_a_moment_ago_is_waited_for_and_then_given_up(script, retrying, code):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", code, "Key is Creating")
    with pytest.raises(ResourceError, match=code):
        aws.kms.make_data_key(KEY)
    assert len(script.calls) == len(waited) + 1 > 2
    assert sum(waited) < 10


def test_a_key_that_is_seen_at_last_makes_one_data_key(script, retrying):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", "NotFoundException")
    answer = {"CiphertextBlob": "A" * 248, "KeyId": KEY}

    def seen(seconds: float) -> None:
        waited.append(seconds)
        script.answer("GenerateDataKeyWithoutPlaintext", answer)

    aws = with_pause(aws, seen)
    assert aws.kms.make_data_key(KEY).value == "A" * 248
    assert len(waited) == 1


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("DisabledException", "the key is disabled", ResourceError),
        ("KMSInvalidStateException", "the key is pending deletion", ResourceError),
        ("AccessDeniedException", "no", PermissionDenied),
    ],
)
def test_a_key_that_will_not_do_is_told_at_once(script, retrying, code, message, kind):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", code, message)
    with pytest.raises(kind):
        aws.kms.make_data_key(KEY)
    assert waited == []


def born(script, seconds_ago: float) -> None:
    made = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).timestamp()
    script.answer("DescribeKey", {"KeyMetadata": {"Arn": KEY, "KeyId": KEY, "CreationDate": made}})


@pytest.mark.parametrize("age", [1, 30, -30], ids=["a second", "half a minute", "by a clock that is behind"])
def test_a_young_keys_policy_is_waited_for(script, retrying, age):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", "AccessDeniedException")
    born(script, age)

    def in_force(seconds: float) -> None:
        waited.append(seconds)
        script.answer("GenerateDataKeyWithoutPlaintext", {"CiphertextBlob": "A" * 248, "KeyId": KEY})

    aws = with_pause(aws, in_force)
    assert aws.kms.make_data_key(KEY).value == "A" * 248
    assert len(waited) == 1


def test_a_young_key_that_goes_on_denying_is_given_up_and_the_denial_told(script, retrying):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", "AccessDeniedException")
    born(script, 1)
    with pytest.raises(PermissionDenied, match="kms:GenerateDataKeyWithoutPlaintext"):
        aws.kms.make_data_key(KEY)
    assert 0 < sum(waited) < 10


def test_an_old_key_that_denies_is_told_at_once(script, retrying):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", "AccessDeniedException")
    born(script, 61)
    with pytest.raises(PermissionDenied):
        aws.kms.make_data_key(KEY)
    assert waited == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "NotFoundException", "InternalErrorException"])
def test_a_key_whose_age_nobody_tells_is_not_waited_for(script, retrying, code):
    aws, waited = retrying
    script.refuse("GenerateDataKeyWithoutPlaintext", "AccessDeniedException")
    script.refuse("DescribeKey", code)
    with pytest.raises(PermissionDenied, match="kms:GenerateDataKeyWithoutPlaintext"):
        aws.kms.make_data_key(KEY)
    assert waited == []


def test_of_two_keys_with_the_stacks_tags_both_are_found_and_told_apart_by_the_further_tag(boto, aws):
    phi, audit = make_key(boto, **TAGS), make_key(boto, **TAGS, Purpose="AuditLogs")
    found = {key.arn: key.tags.get("Purpose") for key in aws.kms.find_keys(TAGS)}
    assert found == {phi: None, audit: "AuditLogs"}
    assert [key.arn for key in aws.kms.find_keys({**TAGS, "Purpose": "AuditLogs"})] == [audit]
