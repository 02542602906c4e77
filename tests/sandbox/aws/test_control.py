"""Fault injection and the record of calls, over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.aws.protocol import AwsError, Call, error_response


@pytest.fixture
def control(cloud: Any) -> Iterator[Any]:
    """The shared sandbox, without faults and calls of other tests."""
    for path in ("faults", "calls"):
        cloud.ask("DELETE", path)
    yield cloud
    for path in ("faults", "calls"):
        cloud.ask("DELETE", path)


def test_the_next_calls_of_an_operation_fail_as_ordered_and_then_succeed(control: Any) -> None:
    fault = {"service": "sts", "operation": "GetCallerIdentity", "error": "ExpiredToken", "status": 403}
    assert control.ask("POST", "faults", fault | {"message": "too late", "times": 2})[0] == 201
    sts = control.client("sts")
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            sts.get_caller_identity()
        said = refused.value.response
        assert said["Error"] | {"Type": ""} == {"Code": "ExpiredToken", "Message": "too late", "Type": ""}
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert sts.get_caller_identity()["Account"] == "123456789012"


@pytest.mark.parametrize(
    ("service", "operation", "call"),
    [
        ("kms", "ListKeys", "list_keys"),
        ("iam", "ListUsers", "list_users"),
        ("s3", "ListBuckets", "list_buckets"),
        ("ssm", "DescribeParameters", "describe_parameters"),
        ("cloudtrail", "ListTrails", "list_trails"),
        ("account", "ListRegions", "list_regions"),
    ],
)
def test_each_service_fails_in_its_own_protocol(control: Any, service: str, operation: str, call: str) -> None:
    control.ask("POST", "faults", {"service": service, "operation": operation, "error": "Throttling"})
    with pytest.raises(ClientError) as refused:
        getattr(control.client(service), call)()
    assert refused.value.response["Error"]["Code"] == "Throttling"


def test_other_operations_do_not_meet_a_fault(control: Any) -> None:
    control.ask("POST", "faults", {"service": "kms", "operation": "CreateKey"})
    assert "Keys" in control.client("kms").list_keys()


def test_a_dropped_call_gets_no_answer_and_does_nothing(control: Any) -> None:
    kms = control.client("kms")
    before = len(kms.list_keys()["Keys"])
    control.ask("POST", "faults", {"service": "kms", "operation": "CreateKey", "kind": "drop"})
    with pytest.raises(ConnectionClosedError):
        kms.create_key()
    assert len(kms.list_keys()["Keys"]) == before


def test_a_call_that_hangs_goes_on_when_the_faults_are_cleared(control: Any) -> None:
    control.ask("POST", "faults", {"service": "sts", "kind": "hang", "seconds": 60})
    answers: list[str] = []
    sts, kms = control.client("sts"), control.client("kms")
    asking = threading.Thread(target=lambda: answers.append(sts.get_caller_identity()["Account"]))
    asking.start()
    while not any(call["service"] == "sts" for call in control.ask("GET", "calls")[1]["calls"]):
        time.sleep(0.01)
    assert "Keys" in kms.list_keys(), "the others are served meanwhile"
    assert answers == []
    control.ask("DELETE", "faults")
    asking.join(timeout=10)
    assert answers == ["123456789012"]


def test_calls_that_are_to_be_skipped_pass_before_the_fault(control: Any) -> None:
    control.ask("POST", "faults", {"service": "sts", "error": "Throttling", "skip": 2})
    sts = control.client("sts")
    told = []
    for _ in range(4):
        try:
            told.append(sts.get_caller_identity()["Account"])
        except ClientError as refused:
            told.append(refused.response["Error"]["Code"])
    assert told == ["123456789012", "123456789012", "Throttling", "123456789012"]


@pytest.mark.parametrize("fault", [{"kind": "explode"}, {"times": 0}, {"skip": -1}, {"unknown": 1}, []])
def test_a_fault_that_makes_no_sense_is_refused(control: Any, fault: Any) -> None:
    assert control.ask("POST", "faults", fault)[0] == 400


def test_calls_are_recorded_in_order_with_their_access_keys(control: Any) -> None:
    control.client("sts").get_caller_identity()
    with pytest.raises(ClientError):
        control.client("kms", "eu-west-1").generate_data_key(KeyId="alias/none", DryRun=True)
    key = control.variables["AWS_ACCESS_KEY_ID"]
    told = [
        ("sts", "GetCallerIdentity", "us-east-1", key, False),
        ("kms", "GenerateDataKey", "eu-west-1", key, True),
    ]
    assert [tuple(call.values()) for call in control.ask("GET", "calls")[1]["calls"]] == told


def test_an_address_that_the_sandbox_does_not_have_is_not_found(control: Any) -> None:
    assert control.ask("GET", "nothing")[0] == 404


def test_conditional_writes_at_once_leave_one_winner(control: Any) -> None:
    won: list[int] = []

    def write(number: int, ssm: Any) -> None:
        try:
            ssm.put_parameter(Name="/race", Value=str(number), Type="String", Overwrite=False)
            won.append(number)
        except ClientError as lost:
            assert lost.response["Error"]["Code"] == "ParameterAlreadyExists"

    clients = [control.client("ssm") for _ in range(8)]
    writers = [threading.Thread(target=write, args=pair) for pair in enumerate(clients)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1
    assert clients[0].get_parameter(Name="/race")["Parameter"]["Value"] == str(won[0])


@pytest.mark.parametrize(
    ("parameters", "form"), [({"Action": "PutMetricAlarm"}, "<Code>Denied</Code>"), ({}, '"Denied"')]
)
def test_an_error_of_cloudwatch_is_in_the_protocol_of_its_call(parameters: dict[str, str], form: str) -> None:
    call = Call(service="monitoring", operation="PutMetricAlarm", region="", access_key_id="", parameters=parameters)
    assert form in error_response(call, AwsError("Denied", "no")).body.decode()
