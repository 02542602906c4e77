"""What is Secrets Manager's own about the stored data key; the laws are in test_stored."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest

from components.settings import SecretStore
from tests.wizard.aws.conftest import with_pause
from wizard.aws.client import AwsClient
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, Unsupported
from wizard.core.models.delivery import AppVariables

PREFIX = "/eonpro/production"
STORED_KEY = f"{PREFIX}/ENCRYPTED_PHI_KEY"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ONE, TWO = (WrappedDataKey(value=base64.b64encode(bytes([octet]) * 184).decode()) for octet in (1, 2))
BATCH = AppVariables(region="us-east-1", key_arn=KEY, wrapped=ONE)
STORE = SecretStore.SECRETS_MANAGER
DELETED = "You can't create this secret because a secret with this name is already scheduled for deletion."


def stored_data_key(aws: AwsClient, wrapped: WrappedDataKey = ONE) -> bool:
    return aws.stored_data_keys.store_data_key(STORED_KEY, wrapped, key_arn=KEY, tags={}, store=STORE)


@pytest.fixture
def retrying(scripted: AwsClient) -> tuple[AwsClient, list[float]]:
    """The edge whose waiting is written down instead of waited."""
    waited: list[float] = []
    scripted = with_pause(scripted, waited.append)
    return scripted, waited


@pytest.fixture
def dying(aws: AwsClient, boto) -> AwsClient:
    """An account whose stored data key somebody deleted a moment ago: it can be restored for thirty days."""
    stored_data_key(aws)
    boto("secretsmanager").delete_secret(SecretId=STORED_KEY, RecoveryWindowInDays=30)
    return aws


def test_the_stored_data_key_says_what_it_is_and_is_encrypted_under_the_accounts_own_key(aws, boto):
    stored_data_key(aws)
    described = boto("secretsmanager").describe_secret(SecretId=STORED_KEY)
    assert "the tags say by which key" in described["Description"] and "Never delete" in described["Description"]
    assert not described.get("KmsKeyId")


def test_the_value_is_sent_once_with_a_token_and_overwrites_nothing(script, retrying):
    aws, _ = retrying
    script.answer("CreateSecret", {"Name": STORED_KEY})
    script.answer("GetSecretValue", {"Name": STORED_KEY, "SecretString": ONE.value})
    assert stored_data_key(aws) is True
    sent = script.requests[script.calls.index("CreateSecret")]
    assert (sent["Name"], sent["SecretString"]) == (STORED_KEY, ONE.value)
    assert 32 <= len(sent["ClientRequestToken"]) <= 64
    assert "PutSecretValue" not in script.calls and "UpdateSecret" not in script.calls


def test_a_try_that_failed_inside_aws_is_made_again_with_the_same_token(script, retrying):
    aws, _ = retrying
    script.answer("CreateSecret", {"__type": "InternalServiceError"}, status=500)
    with pytest.raises(ResourceError, match="InternalServiceError"):
        stored_data_key(aws)
    tokens = [form["ClientRequestToken"] for form in script.requests]
    assert (len(tokens) > 1, len(set(tokens))) == (True, 1)


def test_each_value_beside_the_stored_data_key_comes_with_a_token_of_its_own(aws):
    """Secrets Manager passes over a value that comes with a token it has had before."""
    seen: list[str] = []
    aws._session._botocore.register(
        "provide-client-params.secretsmanager.PutSecretValue",
        lambda params, **_: seen.append(params["ClientRequestToken"]),
        unique_id="the-test",
    )
    stored_data_key(aws)
    for region in ("us-east-1", "eu-west-1", "us-east-1"):
        aws.stored_data_keys.deliver_parameters(PREFIX, replace(BATCH, region=region), tags={}, store=STORE)
    assert len(seen) == len(set(seen)) == 2


@pytest.mark.parametrize("act", ["read", "look", "write", "deliver"])
def test_a_secret_that_is_scheduled_for_deletion_is_never_called_absent(dying, boto, act):
    acts: dict[str, Callable[[], object]] = {
        "read": lambda: dying.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE),
        "look": lambda: dying.stored_data_keys.variable_exists(STORED_KEY, store=STORE),
        "write": lambda: stored_data_key(dying, TWO),
        "deliver": lambda: dying.stored_data_keys.deliver_parameters(PREFIX, BATCH, tags={}, store=STORE),
    }
    with pytest.raises(ResourceError, match="scheduled for deletion; nothing was overwritten") as refusal:
        acts[act]()
    assert f"aws secretsmanager restore-secret --secret-id {STORED_KEY} --region us-east-1" in refusal.value.hint
    boto("secretsmanager").restore_secret(SecretId=STORED_KEY)
    assert dying.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE).wrapped == ONE


def test_what_is_beside_the_stored_data_key_and_scheduled_for_deletion_is_told_too(aws, boto):
    stored_data_key(aws)
    aws.stored_data_keys.deliver_parameters(PREFIX, BATCH, tags={}, store=STORE)
    boto("secretsmanager").delete_secret(SecretId=f"{PREFIX}/AWS_REGION", RecoveryWindowInDays=7)
    with pytest.raises(ResourceError, match=f"{PREFIX}/AWS_REGION is scheduled for deletion"):
        aws.stored_data_keys.deliver_parameters(PREFIX, BATCH, tags={}, store=STORE)


def test_a_deletion_is_told_by_creation_alone_where_nothing_else_may_be_seen(script, scripted):
    script.refuse("CreateSecret", "InvalidRequestException", DELETED)
    script.refuse("DescribeSecret", "AccessDeniedException")
    with pytest.raises(ResourceError, match="scheduled for deletion"):
        stored_data_key(scripted)


def test_another_invalid_request_is_told_as_it_is(script, scripted):
    script.refuse("GetSecretValue", "InvalidRequestException", "the secret is managed by another service")
    script.answer("DescribeSecret", {"Name": STORED_KEY})
    with pytest.raises(ResourceError, match="managed by another service") as refusal:
        scripted.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE)
    assert "restore-secret" not in refusal.value.hint


def test_a_stored_data_key_that_may_not_be_read_is_denied_and_never_called_absent(script, scripted):
    script.refuse("GetSecretValue", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="secretsmanager:GetSecretValue"):
        scripted.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE)


def test_an_endpoint_without_secrets_manager_says_so(scripted):
    with pytest.raises(Unsupported, match="secretsmanager:GetSecretValue"):
        scripted.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE)


def test_tags_that_may_not_be_seen_are_none_and_the_stored_data_key_is_read_all_the_same(script, scripted):
    script.answer("GetSecretValue", {"Name": STORED_KEY, "SecretString": ONE.value})
    script.refuse("DescribeSecret", "AccessDeniedException")
    found = scripted.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE)
    assert (found.wrapped, found.key_arn, found.version) == (ONE, None, 1)


def test_a_secret_without_a_value_takes_the_name_and_is_no_stored_data_key(aws, boto):
    boto("secretsmanager").create_secret(Name=STORED_KEY)
    with pytest.raises(DataKeyConflict, match="it is empty"):
        aws.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE)
    assert stored_data_key(aws) is False


def test_a_binary_secret_is_no_stored_data_key(aws, boto):
    boto("secretsmanager").create_secret(Name=STORED_KEY, SecretBinary=ONE.blob)
    with pytest.raises(DataKeyConflict, match="nothing was overwritten"):
        aws.stored_data_keys.read_stored_data_key(STORED_KEY, store=STORE)


def test_a_variable_beside_the_stored_data_key_without_a_value_gets_one(aws, boto):
    stored_data_key(aws)
    boto("secretsmanager").create_secret(Name=f"{PREFIX}/AWS_REGION")
    aws.stored_data_keys.deliver_parameters(PREFIX, BATCH, tags={}, store=STORE)
    assert aws.stored_data_keys.check_parameters(PREFIX, BATCH, store=STORE)


def test_a_secret_made_a_moment_ago_is_waited_for(script, retrying):
    aws, waited = retrying
    script.answer("CreateSecret", {"Name": STORED_KEY})
    script.refuse("GetSecretValue", "ResourceNotFoundException")
    script.refuse("DescribeSecret", "ResourceNotFoundException")

    def seen(seconds: float) -> None:
        waited.append(seconds)
        script.answer("GetSecretValue", {"Name": STORED_KEY, "SecretString": ONE.value})

    aws = with_pause(aws, seen)
    assert stored_data_key(aws) is True
    assert len(waited) == 1


def test_a_secret_that_never_shows_is_waited_for_a_few_seconds_only(script, retrying):
    aws, waited = retrying
    script.answer("CreateSecret", {"Name": STORED_KEY})
    script.refuse("GetSecretValue", "ResourceNotFoundException")
    script.refuse("DescribeSecret", "ResourceNotFoundException")
    assert stored_data_key(aws) is True
    assert 0 < sum(waited) < 10


def test_a_secret_is_only_read_created_and_given_a_value(aws):
    seen: list[str] = []
    aws._session._botocore.register("before-call", lambda model, **_: seen.append(model.name), unique_id="the-test")
    stored_data_key(aws)
    aws.stored_data_keys.deliver_parameters(PREFIX, BATCH, tags={}, store=STORE)
    aws.stored_data_keys.deliver_parameters(PREFIX, replace(BATCH, region="eu-west-1"), tags={}, store=STORE)
    assert set(seen) == {"CreateSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue"}
