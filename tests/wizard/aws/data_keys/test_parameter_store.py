"""What is Parameter Store's own about the stored data key; the laws are in test_stored."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from components.settings.stored_values import HASH_KEY_VARIABLE
from tests.wizard.aws.conftest import with_pause
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import PermissionDenied
from wizard.core.models.delivery import AppVariables

PREFIX = "/eonpro/production"
STORED_KEY = f"{PREFIX}/ENCRYPTED_PHI_KEY"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.body


ONE = WrappedDataKey(value=base64.b64encode(b"1" * 184).decode())


@pytest.mark.parametrize(("variable", "noun"), [("ENCRYPTED_PHI_KEY", "data key"), (HASH_KEY_VARIABLE, "hash key")])
def test_a_stored_key_is_a_standard_secure_string_that_says_what_it_is(aws, boto, variable, noun):
    aws.stored_data_keys.store_data_key(f"{PREFIX}/{variable}", ONE, key_arn=KEY, tags={})
    (described,) = boto("ssm").describe_parameters()["Parameters"]
    assert (described["Type"], described.get("Tier", "Standard")) == ("SecureString", "Standard")
    assert described["Description"].startswith(f"EONPRO PHI {noun}, wrapped; the tags say by which key. Never delete")


def test_the_two_beside_it_are_no_secrets_and_keep_the_type_that_they_have(aws, boto):
    aws.stored_data_keys.store_data_key(STORED_KEY, ONE, key_arn=KEY, tags={})
    boto("ssm").put_parameter(Name=f"{PREFIX}/AWS_REGION", Value="eu-west-1", Type="SecureString")
    agreed = frozenset(("AWS_REGION",))
    batch = AppVariables(region="us-east-1", key_arn=KEY, wrapped=ONE, replaces=agreed)
    aws.stored_data_keys.deliver_parameters(PREFIX, batch, tags={})
    described = boto("ssm").describe_parameters()["Parameters"]
    assert {found["Name"].rsplit("/", 1)[-1]: found["Type"] for found in described} == {
        "ENCRYPTED_PHI_KEY": "SecureString",
        "AWS_KMS_KEY_ID": "String",
        "AWS_REGION": "SecureString",
    }


def test_a_stale_read_after_the_data_key_was_stored_does_not_end_the_run(aws, boto):
    waits: list[float] = []
    aws = with_pause(aws, waits.append)
    assert aws.stored_data_keys.store_data_key(STORED_KEY, ONE, key_arn=KEY, tags={})
    stale = [b'{"Parameters": [], "InvalidParameters": []}'] * 3

    def before_send(request, **_):
        return AWSResponse(request.url, 200, {}, Raw(stale.pop())) if stale else None

    aws._session.client("ssm").meta.events.register("before-send.ssm.GetParameters", before_send)
    assert aws.stored_data_keys.read_stored_data_key(STORED_KEY).wrapped == ONE
    assert waits == [0.2, 0.4, 0.8]


def test_a_parameter_that_this_run_did_not_write_is_absent_at_once(aws):
    waits: list[float] = []
    aws = with_pause(aws, waits.append)
    assert aws.stored_data_keys.read_stored_data_key(STORED_KEY) is None
    assert waits == []


def test_a_stored_data_key_that_may_not_be_read_is_denied_and_never_called_absent(script, scripted):
    script.refuse("GetParameters", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="ssm:GetParameters"):
        scripted.stored_data_keys.read_stored_data_key(STORED_KEY)


def test_tags_that_may_not_be_seen_are_none_and_the_stored_data_key_is_read_all_the_same(script, scripted):
    found = {"Name": STORED_KEY, "Value": ONE.value, "Type": "SecureString", "Version": 7}
    script.answer("GetParameters", {"Parameters": [found]})
    script.refuse("ListTagsForResource", "AccessDeniedException")
    stored_data_key = scripted.stored_data_keys.read_stored_data_key(STORED_KEY)
    assert (stored_data_key.wrapped, stored_data_key.key_arn, stored_data_key.version) == (ONE, None, 7)


def test_a_stored_data_key_that_somebody_keeps_as_a_plain_string_is_told_and_left_as_it_is(aws, boto):
    boto("ssm").put_parameter(Name=STORED_KEY, Value=ONE.value, Type="String")
    delivered = aws.stored_data_keys.deliver_parameters(
        PREFIX, AppVariables(region="us-east-1", key_arn=KEY, wrapped=ONE), tags={}
    )
    assert delivered.plain == "String"
    assert boto("ssm").get_parameter(Name=STORED_KEY)["Parameter"]["Version"] == 1


def test_of_a_stored_data_key_of_our_own_nothing_of_the_kind_is_told(aws):
    aws.stored_data_keys.store_data_key(STORED_KEY, ONE, key_arn=KEY, tags={})
    delivered = aws.stored_data_keys.deliver_parameters(
        PREFIX, AppVariables(region="us-east-1", key_arn=KEY, wrapped=ONE), tags={}
    )
    assert delivered.plain == ""
