"""A call that must not happen twice is sent once: after a lost answer the account is read, and decides."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError

from tests.wizard.aws.conftest import with_pause
from wizard.aws.client import AwsClient
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import OutcomeUnknown
from wizard.core.models.rotation import KeyRotations, VersionOrigin

USER = "eonpro-app-user"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
BEFORE = KeyRotations(enabled=True, period_days=365, next_at=None)


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.body


def carried_out(request: Any) -> None:
    body = request.body.encode() if isinstance(request.body, str) else request.body
    sent = urllib.request.Request(request.url, data=body, headers=dict(request.headers.items()), method="POST")
    with suppress(urllib.error.HTTPError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sent).close()


def lost(request: Any) -> None:
    """AWS does it, and the connection ends before the answer."""
    carried_out(request)
    raise ConnectionClosedError(endpoint_url=request.url)


def failed_afterwards(request: Any) -> AWSResponse:
    """AWS does it, and says that it failed inside."""
    carried_out(request)
    return AWSResponse(request.url, 500, {"content-length": "0"}, Raw(b""))


def broken_off(request: Any) -> AWSResponse:
    """AWS does it, and the body ends in the middle."""
    carried_out(request)
    return AWSResponse(request.url, 200, {"content-length": "900"}, Raw(b'{"KeyI'))


def never_sent(request: Any) -> None:
    raise ConnectTimeoutError(endpoint_url=request.url)


def throttled(request: Any) -> AWSResponse:
    body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    return AWSResponse(request.url, 400, {"content-length": str(len(body))}, Raw(body))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def fail_once(aws: AwsClient, service: str, operation: str, how: Callable[[Any], AWSResponse | None]) -> Counter[str]:
    """The next call of the operation goes wrong in that way; returns how often each operation was sent."""
    sent: Counter[str] = Counter()
    left = [how]

    def before_send(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        name = event_name.rsplit(".", 1)[-1]
        sent[name] += 1
        return left.pop()(request) if name == operation and left else None

    aws._session.client(service).meta.events.register(f"before-send.{service}", before_send)
    return sent


LOSSES = pytest.mark.parametrize("how", [lost, failed_afterwards, broken_off])


@LOSSES
def test_a_lost_answer_does_not_leave_a_second_access_key_whose_secret_nobody_has(aws, boto, how) -> None:
    boto("iam").create_user(UserName=USER)
    aws = with_pause(aws, lambda _: None)
    sent = fail_once(aws, "iam", "CreateAccessKey", how)
    with pytest.raises(OutcomeUnknown, match="CreateAccessKey"):
        aws.iam.make_access_key(USER)
    assert sent["CreateAccessKey"] == 1
    assert len(boto("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]) == 1


@pytest.mark.parametrize("how", [never_sent, throttled])
def test_a_call_that_aws_never_carried_out_is_sent_again(aws, boto, how) -> None:
    boto("iam").create_user(UserName=USER)
    aws = with_pause(aws, lambda _: None)
    sent = fail_once(aws, "iam", "CreateAccessKey", how)
    made = aws.iam.make_access_key(USER)
    assert sent["CreateAccessKey"] == 2
    assert [key["AccessKeyId"] for key in boto("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]] == [made.id]


def status_of(script: Any, **members: Any) -> None:
    script.answer("GetKeyRotationStatus", {"KeyRotationEnabled": True, **members})
    script.answer("ListServiceQuotas", {"Quotas": []})
    script.answer("ListAWSDefaultServiceQuotas", {"Quotas": []})


def rotations_of(script: Any, *moments: datetime) -> None:
    listed = [{"RotationDate": moment.timestamp(), "RotationType": "ON_DEMAND"} for moment in moments]
    script.answer("ListKeyRotations", {"Truncated": False, "Rotations": listed})


@LOSSES
@pytest.mark.parametrize("shown", ["in progress", "ended already"])
def test_a_lost_answer_does_not_rotate_the_key_twice_for_one_confirmation(scripted, script, how, shown) -> None:
    scripted = with_pause(scripted, lambda _: None)
    script.answer("RotateKeyOnDemand", {"KeyId": KEY})
    now = datetime(2026, 6, 1, tzinfo=UTC)
    status_of(script, **({"OnDemandRotationStartDate": now.timestamp()} if shown == "in progress" else {}))
    rotations_of(script, *((now,) if shown == "ended already" else ()))
    sent = fail_once(scripted, "kms", "RotateKeyOnDemand", how)
    scripted.key_rotation.rotate_on_demand(KEY, before=BEFORE)
    assert sent["RotateKeyOnDemand"] == 1
    assert script.calls.count("RotateKeyOnDemand") == 1


def test_a_rotation_that_nobody_sees_after_a_lost_answer_is_not_called_started(scripted, script) -> None:
    scripted = with_pause(scripted, lambda _: None)
    status_of(script)
    rotations_of(script)
    sent = fail_once(scripted, "kms", "RotateKeyOnDemand", lost)
    with pytest.raises(OutcomeUnknown, match="KMS shows no new rotation") as caught:
        scripted.key_rotation.rotate_on_demand(KEY, before=BEFORE)
    assert sent["RotateKeyOnDemand"] == 1
    assert "aws kms get-key-rotation-status" in str(caught.value.hint)


@LOSSES
def test_a_promotion_whose_answer_was_lost_is_complete_and_nobody_else_is_blamed(aws, boto, settings, how) -> None:
    aws = with_pause(aws, lambda _: None)
    name, ring = settings.names.stored_data_key, aws.key_rotation
    old, new = (WrappedDataKey.from_blob(bytes([octet]) * 184) for octet in (1, 2))
    aws.stored_data_keys.store_data_key(name, old, key_arn=KEY, tags=settings.tags)
    at = datetime(2026, 6, 1, tzinfo=UTC)
    ring.keep(settings, old, key_arn=KEY, origin=VersionOrigin.FIRST, at=at)
    version = ring.keep(settings, new, key_arn=KEY, origin=VersionOrigin.MADE, at=at)

    sent = fail_once(aws, "ssm", "PutParameter", how)
    ring.replace_current(settings, version, key_arn=KEY, expected=ring.stored_key(settings))
    assert sent["PutParameter"] == 1
    history = boto("ssm").get_parameter_history(Name=name, WithDecryption=True)["Parameters"]
    assert [entry["Value"] for entry in history] == [old.value, new.value]


@LOSSES
def test_a_parameter_that_was_created_and_whose_answer_was_lost_is_found_by_the_second_try(aws, boto, how) -> None:
    aws = with_pause(aws, lambda _: None)
    sent = fail_once(aws, "ssm", "PutParameter", how)
    assert aws.stored_data_keys.claim("/eonpro/production/claim", "one", tags={}) == "one"
    assert sent["PutParameter"] == 2
