"""The escrow of the wrapped data key, and the delivery to Parameter Store."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from wizard.aws import Aws
from wizard.datakey import WrappedDataKey
from wizard.errors import DataKeyConflict, PermissionDenied, ResourceError
from wizard.facts import Batch, DeliveryState

PREFIX = "/eonpro/production"
ESCROW = f"{PREFIX}/ENCRYPTED_PHI_KEY"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = KEY.replace("1111", "9999")
TAGS = {"Application": "EONPRO", "Environment": "Production"}
ONE, TWO = (WrappedDataKey(value=base64.b64encode(bytes([octet]) * 184).decode()) for octet in (1, 2))


def batch(wrapped: WrappedDataKey = ONE, key_arn: str = KEY) -> Batch:
    return Batch(region="us-east-1", key_arn=key_arn, wrapped=wrapped)


def escrow(aws: Aws, wrapped: WrappedDataKey = ONE) -> bool:
    return aws.write_escrow(ESCROW, wrapped, key_arn=KEY, tags=TAGS)


def values(boto) -> dict[str, tuple[str, str, int]]:
    answer = boto("ssm").get_parameters_by_path(Path=PREFIX, WithDecryption=True)["Parameters"]
    return {found["Name"].rsplit("/", 1)[-1]: (found["Value"], found["Type"], found["Version"]) for found in answer}


def test_no_parameter_is_no_escrow(aws):
    assert aws.read_escrow(ESCROW) is None


def test_what_is_put_in_escrow_is_read_from_it(aws):
    assert escrow(aws) is True
    found = aws.read_escrow(ESCROW)
    assert (found.parameter, found.wrapped, found.key_arn, found.version) == (ESCROW, ONE, KEY, 1)


def test_the_escrow_is_a_secure_string_that_says_what_it_is(aws, boto):
    escrow(aws)
    (described,) = boto("ssm").describe_parameters()["Parameters"]
    tags = boto("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=ESCROW)["TagList"]
    assert (described["Type"], described.get("Tier", "Standard")) == ("SecureString", "Standard")
    assert KEY in described["Description"] and ONE.fingerprint in described["Description"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        **TAGS,
        "eonpro:key-arn": KEY,
        "eonpro:fingerprint": ONE.fingerprint,
        "eonpro:made-by": "eonpro-kms wizard",
    }


def test_a_parameter_is_there_or_not_by_its_whole_name(aws):
    escrow(aws)
    assert aws.parameter_exists(ESCROW)
    assert not aws.parameter_exists(f"{PREFIX}/AWS_KMS_KEY_ID")


def test_a_second_escrow_is_refused_and_the_first_is_untouched(aws, boto):
    escrow(aws)
    assert escrow(aws, TWO) is False
    assert values(boto)["ENCRYPTED_PHI_KEY"] == (ONE.value, "SecureString", 1)
    assert aws.read_escrow(ESCROW).wrapped == ONE


def test_of_two_who_write_the_escrow_at_once_one_wins_and_both_read_the_same(aws):
    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(lambda wrapped: escrow(aws, wrapped), (ONE, TWO)))
    assert sorted(written) == [False, True]
    assert aws.read_escrow(ESCROW).wrapped == (ONE if written[0] else TWO)


@pytest.mark.parametrize("value", ["changeme", '"quoted"', "QUJD", f" {ONE.value}"])
def test_a_parameter_with_anything_else_in_it_is_a_conflict_that_never_quotes_it(aws, boto, value):
    boto("ssm").put_parameter(Name=ESCROW, Value=value, Type="SecureString")
    with pytest.raises(DataKeyConflict, match="nothing was overwritten") as conflict:
        aws.read_escrow(ESCROW)
    assert value.strip() not in conflict.value.message + conflict.value.hint


def test_a_value_that_is_not_the_one_its_tag_tells_of_is_a_conflict(aws, boto):
    escrow(aws)
    boto("ssm").put_parameter(Name=ESCROW, Value=TWO.value, Type="SecureString", Overwrite=True)
    with pytest.raises(DataKeyConflict, match=f"{TWO.fingerprint}.*{ONE.fingerprint}"):
        aws.read_escrow(ESCROW)


def test_a_wrapped_key_that_somebody_put_there_by_hand_is_taken_as_it_is(aws, boto):
    boto("ssm").put_parameter(Name=ESCROW, Value=ONE.value, Type="SecureString")
    found = aws.read_escrow(ESCROW)
    assert (found.wrapped, found.key_arn) == (ONE, None)


def test_an_escrow_that_may_not_be_read_is_denied_and_never_called_absent(script, scripted):
    script.refuse("GetParameters", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="ssm:GetParameters"):
        scripted.read_escrow(ESCROW)


def test_delivery_puts_two_variables_beside_the_escrow(aws, boto):
    escrow(aws)
    delivered = aws.deliver_parameters(PREFIX, batch(), tags=TAGS)
    assert values(boto) == {
        "ENCRYPTED_PHI_KEY": (ONE.value, "SecureString", 1),
        "AWS_KMS_KEY_ID": (KEY, "String", 1),
        "AWS_REGION": ("us-east-1", "String", 1),
    }
    assert (delivered.target, delivered.place) == ("ecs", f"Parameter Store {PREFIX}")
    assert (delivered.state, delivered.kept) == (DeliveryState.WRITTEN, ("ENCRYPTED_PHI_KEY",))
    assert (delivered.fingerprint, delivered.checked_by) == (ONE.fingerprint, "values read back")


def test_a_second_delivery_changes_nothing(aws, boto):
    escrow(aws)
    aws.deliver_parameters(PREFIX, batch(), tags=TAGS)
    before = values(boto)
    delivered = aws.deliver_parameters(PREFIX, batch(), tags=TAGS)
    assert (delivered.state, values(boto)) == (DeliveryState.UNCHANGED, before)
    assert set(delivered.kept) == {"ENCRYPTED_PHI_KEY", "AWS_KMS_KEY_ID", "AWS_REGION"}


def test_a_wrong_region_beside_the_escrow_is_put_right_and_said_to_be_written(aws, boto):
    escrow(aws)
    boto("ssm").put_parameter(Name=f"{PREFIX}/AWS_REGION", Value="eu-west-1", Type="String")
    delivered = aws.deliver_parameters(PREFIX, batch(), tags=TAGS)
    assert delivered.state is DeliveryState.WRITTEN
    assert values(boto)["AWS_REGION"] == ("us-east-1", "String", 2)
    assert values(boto)["ENCRYPTED_PHI_KEY"][2] == 1


@pytest.mark.parametrize("other", [batch(TWO), batch(ONE, OTHER_KEY)], ids=["another data key", "another key"])
def test_a_batch_that_the_escrow_does_not_hold_is_refused_before_anything_is_written(aws, boto, other):
    escrow(aws)
    with pytest.raises(DataKeyConflict, match="nothing was written"):
        aws.deliver_parameters(PREFIX, other, tags=TAGS)
    assert set(values(boto)) == {"ENCRYPTED_PHI_KEY"}


def test_without_an_escrow_nothing_is_delivered(aws, boto):
    with pytest.raises(DataKeyConflict, match="no escrow"):
        aws.deliver_parameters(PREFIX, batch(), tags=TAGS)
    assert values(boto) == {}


def test_a_store_that_forgets_what_was_written_is_found_out(script, scripted):
    scripted._session = replace(scripted._session, pause=lambda _: None)
    held = {"Name": ESCROW, "Value": ONE.value, "Type": "SecureString", "Version": 1}
    script.answer("GetParameters", {"Parameters": [held]})
    script.answer("ListTagsForResource", {"TagList": []})
    script.answer("PutParameter", {"Version": 1})
    with pytest.raises(ResourceError, match="do not read back"):
        scripted.deliver_parameters(PREFIX, batch(), tags=TAGS)


def test_parameters_are_checked_value_by_value(aws):
    escrow(aws)
    assert aws.check_parameters(PREFIX, batch()) is False
    aws.deliver_parameters(PREFIX, batch(), tags=TAGS)
    assert aws.check_parameters(PREFIX, batch()) is True
    assert aws.check_parameters(PREFIX, batch(TWO)) is False
