"""The edge as a whole: the contract it keeps, and what it never asks for."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from operator import attrgetter

import pytest

from components.settings import SecretStore
from wizard.aws.client import AwsClient, connect
from wizard.core.errors import SetupError
from wizard.core.models.delivery import AppVariables
from wizard.core.retry import Once

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::123456789012:role/eonpro-app-role"


@pytest.fixture
def asked(aws: AwsClient, boto) -> list[str]:
    """Every operation that a whole set-up sends, by botocore's own event before each request."""
    seen: list[str] = []
    aws._session._botocore.register("before-call", lambda model, **_: seen.append(model.name), unique_id="the-test")
    key = boto("kms").create_key()["KeyMetadata"]["Arn"]
    prefix = "/eonpro/production"
    wrapped = aws.kms.make_data_key(key)
    aws.stored_data_keys.store_data_key(f"{prefix}/ENCRYPTED_PHI_KEY", wrapped, key_arn=key, tags={})
    aws.stored_data_keys.deliver_parameters(
        prefix, AppVariables(region=aws.region, key_arn=key, wrapped=wrapped), tags={}
    )
    store = SecretStore.SECRETS_MANAGER
    aws.stored_data_keys.store_data_key(f"{prefix}/ENCRYPTED_PHI_KEY", wrapped, key_arn=key, tags={}, store=store)
    aws.stored_data_keys.deliver_parameters(
        prefix, AppVariables(region=aws.region, key_arn=key, wrapped=wrapped), tags={}, store=store
    )
    aws.application_credentials.app_credentials(ROLE)
    with pytest.raises(SetupError):  # moto has no simulator.
        aws.permissions.simulate(ROLE, ["kms:Decrypt"], key)
    return seen


def test_nothing_that_returns_plaintext_is_ever_asked_of_kms(asked):
    assert asked.count("GenerateDataKeyWithoutPlaintext") == 1
    assert not {"Decrypt", "GenerateDataKey", "GenerateDataKeyPair", "ReEncrypt", "Encrypt"} & set(asked)


def test_the_caller_is_asked_for_once(script, scripted):
    script.say_who()
    scripted.identify()
    scripted.with_region("eu-west-1").identify()
    assert script.calls.count("GetCallerIdentity") == 1


def test_look_ups_run_side_by_side(scripted):
    """Each waits for the other: one after the other they would never end."""
    both = threading.Barrier(2, timeout=10)
    assert sorted(scripted._session.together(both.wait, both.wait)) == [0, 1]


def test_clients_are_made_once_even_by_several_threads(aws: AwsClient):
    clients = aws._session.together(*[lambda: aws._session.client("kms")] * 4)
    assert len({id(client) for client in clients}) == 1


@pytest.mark.parametrize("call", ["identify", "list_regions", "iam.list_principals", "cloudtrail.list_trails"])
def test_an_endpoint_that_is_gone_raises_the_wizards_own_errors_only(environ, call):
    gone = connect(environ={**environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    with pytest.raises(SetupError, match="AWS_ENDPOINT_URL=http://127.0.0.1:1 does not answer") as raised:
        attrgetter(call)(gone)()
    # The preflight reports the endpoint once, whichever call it did not answer.
    assert raised.value.action and raised.value.message.endswith(f" ({raised.value.action})")


@pytest.fixture
def once(scripted: AwsClient) -> AwsClient:
    """As the commands that change nothing connect."""
    return AwsClient(replace(scripted._session, _answers=Once()))


def test_what_several_parts_of_a_report_ask_is_asked_of_aws_once(once: AwsClient, script):
    script.answer("ListGrants", {"Grants": [], "Truncated": False})
    for _ in range(3):
        assert once.access.grants(KEY) == ()
    assert script.calls == ["ListGrants"]
    once.access.grants(KEY.replace("1111", "2222"))
    once.with_region("eu-west-1").access.grants(KEY)
    assert script.calls == ["ListGrants"] * 3


def test_an_answer_that_was_not_given_is_asked_for_again(once: AwsClient, script):
    script.answer("ListGrants", {"__type": "AccessDeniedException"}, status=400)
    with pytest.raises(SetupError):
        once.access.grants(KEY)
    script.answer("ListGrants", {"Grants": [], "Truncated": False})
    assert once.access.grants(KEY) == ()


def test_a_run_that_changes_something_sees_each_change(scripted: AwsClient, script):
    script.answer("ListGrants", {"Grants": [], "Truncated": False})
    scripted.access.grants(KEY)
    scripted.access.grants(KEY)
    assert script.calls == ["ListGrants"] * 2


def test_a_client_looks_into_the_folder_of_its_own_service(aws: AwsClient, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    list_folder = os.listdir

    def listed(path: str) -> list[str]:
        asked.append(path)
        return list_folder(path)

    monkeypatch.setattr(os, "listdir", listed)
    session = aws._session
    for service in ("sts", "ssm"):
        session.make_client(service)
    assert len(asked) < 20, "botocore has the folders of 450 services"
    with pytest.raises(SetupError, match="no-such-service"):
        session.make_client("no-such-service")
