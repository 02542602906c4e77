"""A delivery that is throttled or cut off ends delivered, or says what to do with nothing half believed."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from tests.wizard.aws.conftest import with_pause
from wizard.aws.client import AwsClient
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import Throttled
from wizard.core.models.delivery import AppVariables, DeliveryState

PREFIX = "/eonpro/production"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ONE = WrappedDataKey(value=base64.b64encode(bytes([1]) * 184).decode())
BATCH = AppVariables(region="us-east-1", key_arn=KEY, wrapped=ONE)


# A delivery


Cut = Callable[[Any], AWSResponse | None]


def throttled(request: Any) -> AWSResponse:
    """What AWS answers when there were too many calls."""
    body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'

    class Raw:
        def stream(self, *_: Any, **__: Any) -> Any:
            yield body

    return AWSResponse(request.url, 400, {"content-type": "application/x-amz-json-1.1"}, Raw())


def cut_before(request: Any) -> None:
    raise ConnectionClosedError(endpoint_url=request.url)


def cut_after(request: Any) -> None:
    """AWS does it, and the answer is lost."""
    sent = urllib.request.Request(request.url, data=request.body, headers=dict(request.headers.items()), method="POST")
    with suppress(urllib.error.HTTPError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sent).close()
    raise ConnectionClosedError(endpoint_url=request.url)


@pytest.fixture
def ready(aws: AwsClient, monkeypatch: pytest.MonkeyPatch) -> AwsClient:
    """An account with its stored data key, whose caller waits for nothing."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    aws = with_pause(aws, lambda _: None)
    aws.stored_data_keys.store_data_key(f"{PREFIX}/ENCRYPTED_PHI_KEY", ONE, key_arn=KEY, tags={})
    return aws


def order(aws: AwsClient, cut: Cut, times: int) -> Counter[str]:
    """The next calls of PutParameter go wrong; how often each call was sent."""
    sent: Counter[str] = Counter()
    left = [cut] * times

    def before_send(request: Any, **_: Any) -> AWSResponse | None:
        name = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        sent[name] += 1
        return left.pop()(request) if name == "PutParameter" and left else None

    aws._session.client("ssm").meta.events.register("before-send.ssm", before_send)
    return sent


def deliver(aws: AwsClient) -> DeliveryState:
    return aws.stored_data_keys.deliver_parameters(PREFIX, BATCH, tags={}).state


def written(boto: Any) -> dict[str, tuple[str, int]]:
    found = boto("ssm").get_parameters_by_path(Path=PREFIX, WithDecryption=True)["Parameters"]
    return {one["Name"].rpartition("/")[2]: (one["Value"], one["Version"]) for one in found}


@pytest.mark.parametrize("cut", [throttled, cut_before, cut_after])
def test_twelve_failures_of_putting_a_parameter_end_delivered(ready: AwsClient, boto: Any, cut: Cut) -> None:
    order(ready, cut, times=12)

    assert deliver(ready) is DeliveryState.WRITTEN
    # With the answer lost the first try has written it: what follows finds it, and writes nothing over it but the same.
    values = {name: value for name, (value, _) in written(boto).items()}
    assert values == {"ENCRYPTED_PHI_KEY": ONE.value, "AWS_KMS_KEY_ID": KEY, "AWS_REGION": "us-east-1"}
    assert written(boto)["ENCRYPTED_PHI_KEY"][1] == 1


def test_a_delivery_that_never_gets_through_leaves_what_was_there(ready: AwsClient, boto: Any) -> None:
    deliver(ready)
    before = written(boto)
    boto("ssm").delete_parameter(Name=f"{PREFIX}/AWS_REGION")
    order(ready, throttled, times=1000)

    with pytest.raises(Throttled, match="PutParameter"):
        deliver(ready)
    assert written(boto) == {name: held for name, held in before.items() if name != "AWS_REGION"}
