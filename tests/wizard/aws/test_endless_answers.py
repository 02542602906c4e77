"""A call ends, whatever trickles in: by the watchdog, by its size, a listing by its pages. Over real sockets."""

from __future__ import annotations

import gzip
import json
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from botocore.utils import ContainerMetadataFetcher

from tests import endless
from tests.wizard.aws.conftest import KEYS, files
from wizard.aws.auth import limits, session
from wizard.aws.client import AwsClient, connect
from wizard.core import call_limit, retry, watchdog
from wizard.core.errors import SetupError, Unreachable, UnreadableAnswer

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def server() -> Iterator[endless.Endless]:
    with endless.serving() as server:
        yield server


@pytest.fixture
def aws(server: endless.Endless, tmp_path) -> AwsClient:
    place = {"AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1"}
    return connect(environ={**files(tmp_path), **KEYS, **place})


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(watchdog, "SECONDS", 0.4)


def took(began: float) -> float:
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("way", "service"),
    [(way, "kms") for way in endless.SLOW] + [(endless.SLOW[0], name) for name in ("sts", "ssm", "iam", "ecs", "s3")],
)
def test_an_answer_that_trickles_in_ends_the_command_with_the_name_of_the_call(
    aws, server, impatient, way, service
) -> None:
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "kms": ("DescribeKey", {"KeyId": KEY}),
        "sts": ("GetCallerIdentity", {}),
        "ssm": ("GetParameters", {"Names": ["/eonpro/production/ENCRYPTED_PHI_KEY"]}),
        "iam": ("GetRole", {"RoleName": "eonpro-app-role"}),
        "ecs": ("ListClusters", {}),
        "s3": ("GetBucketVersioning", {"Bucket": "logs"}),
    }
    operation, parameters = asked[service]
    server.way = way
    ended = rf"{service}:{operation} \(http.*\) has not ended within 0.4 s"
    with pytest.raises(Unreachable, match=ended), watchdog.watching():
        aws._session.call(service, operation, **parameters)
    assert server.requests == 1


def test_an_answer_without_an_end_is_given_up_at_its_largest_size(aws, server, monkeypatch) -> None:
    monkeypatch.setattr(call_limit, "ANSWER_BYTES", 2**20)
    server.way = "fast chunks without an end"
    with pytest.raises(Unreachable, match="larger than 1 MB"):
        aws._session.call("kms", "DescribeKey", KeyId=KEY)
    assert server.requests == 1


def test_redirects_without_an_end_are_not_followed(aws, server) -> None:
    server.way = "redirects without an end"
    with pytest.raises(SetupError, match="kms:DescribeKey"):
        aws._session.call("kms", "DescribeKey", KeyId=KEY)
    assert server.requests <= 3


def test_a_bucket_that_redirects_without_an_end_is_given_up(aws, server) -> None:
    server.way = "redirects without an end"
    with pytest.raises(Unreachable, match="s3:GetBucketVersioning.*redirects without an end"):
        aws._session.call("s3", "GetBucketVersioning", Bucket="logs")
    assert server.requests <= 8


def test_the_metadata_service_of_a_container_is_not_waited_for_without_an_end(server, impatient, tmp_path) -> None:
    server.way = "a body of one byte at a time"
    environ = {**files(tmp_path), "AWS_REGION": "us-east-1", "HOME": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        # Between the tries botocore waits a second.
        patch.setattr(ContainerMetadataFetcher, "RETRY_ATTEMPTS", 1)
        for name in (*KEYS, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/keys")
        with pytest.raises(Unreachable, match=f"GET {server.url}/keys has not ended"), watchdog.watching():
            connect(environ=environ).account_id()
    assert server.requests


# --- streams


def test_the_content_of_an_object_that_trickles_in_is_given_up(aws, server, impatient) -> None:
    server.way = "a body of one byte at a time"
    body = aws._session.call("s3", "GetObject", Bucket="logs", Key="digest")["Body"]
    with pytest.raises(Unreachable, match="s3:GetObject has not ended"), watchdog.watching():
        limits.read_all(body)


def test_a_log_file_that_unpacks_to_gigabytes_takes_no_memory_and_is_not_as_it_was_signed() -> None:
    from wizard.aws.log_validation import unzip

    packed = gzip.compress(b" " * 2**26)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert unzip(packed, most=2**20) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert unzip(gzip.compress(b"as signed")) == b"as signed"
    assert unzip(gzip.compress(b"as signed") + b"more") is None
    assert unzip(gzip.compress(b"as signed")[:-3]) is None


# --- pages


class Turn:
    """Answers in turn, of which each names another page. `{n}` in the entry counts."""

    def __init__(self, key: str, entry: object, token: str) -> None:
        self._key, self._entry, self._token, self._number = key, json.dumps(entry), token, 0

    def pop(self, _: int) -> str:
        self._number += 1
        entry = json.loads(self._entry.replace("{n}", str(self._number)))
        return json.dumps({self._key: [entry], self._token: f"page {self._number}", "Truncated": True})


def pages(script, action: str, key: str, entry: object, token: str = "NextToken") -> None:
    """Each answer names another page."""
    script.in_turn[action] = Turn(key, entry, token)


@pytest.fixture
def scripted(script, tmp_path) -> AwsClient:
    place = {"AWS_ENDPOINT_URL": script.url, "AWS_REGION": "us-east-1"}
    return connect(environ={**files(tmp_path), **KEYS, **place})


def test_a_listing_of_parameters_with_a_new_token_on_each_page_is_given_up(
    scripted, script, settings, monkeypatch
) -> None:
    monkeypatch.setattr(retry, "LISTING_SECONDS", 1.0)
    script.answer("GetParameters", {"Parameters": [], "InvalidParameters": []})
    entry = {"Name": "/eonpro/production/x{n}", "Type": "SecureString", "Value": "y", "Version": 1}
    pages(script, "GetParametersByPath", "Parameters", entry)
    with pytest.raises(UnreadableAnswer, match=r"ssm:GetParametersByPath.*pages in 1 s and names another one"):
        scripted.key_rotation.versions(settings)


def test_a_listing_of_grants_with_a_new_token_on_each_page_is_given_up(scripted, script, monkeypatch) -> None:
    monkeypatch.setitem(session.Session.whole_pages.__kwdefaults__ or {}, "most", 40)
    grant = {"GrantId": "g-{n}", "GranteePrincipal": "arn:aws:iam::123456789012:role/other"}
    pages(script, "ListGrants", "Grants", grant, "NextMarker")
    with pytest.raises(UnreadableAnswer, match="kms:ListGrants.*has sent 40 pages"):
        scripted.access.grants(KEY)
    assert len(script.calls) == 40


@pytest.mark.parametrize(
    ("operation", "key", "entry"),
    [
        ("ListAliases", "Aliases", {"AliasName": "alias/other", "TargetKeyId": "k"}),
        ("ListResourceTags", "Tags", {"TagKey": "a", "TagValue": "b"}),
        ("ListGrants", "Grants", {"GrantId": "g", "GranteePrincipal": "x"}),
    ],
)
def test_the_same_entries_under_a_new_token_are_noticed_at_the_second_page(
    scripted, script, operation, key, entry
) -> None:
    pages(script, operation, key, entry, "NextMarker")
    with pytest.raises(UnreadableAnswer, match=f"kms:{operation}: .* has sent the same entries on two pages"):
        list(scripted._session.pages("kms", operation, key, KeyId=KEY))
    assert len(script.calls) == 2


def test_pages_that_name_each_other_in_turn_are_noticed_at_the_first_repetition(scripted, script) -> None:
    script.answer_in_turn(
        "ListGrants",
        *(json.dumps({"Grants": [], "Truncated": True, "NextMarker": name}) for name in "ABABABABAB"),
    )
    with pytest.raises(UnreadableAnswer, match="sent already"):
        scripted.access.grants(KEY)
    assert len(script.calls) == 3


# --- several threads


def test_threads_whose_calls_trickle_in_end_with_their_command(aws, server, impatient) -> None:
    server.way = "a body of one byte at a time"
    asked = [partial(aws._session.call, "kms", "DescribeKey", KeyId=f"{KEY}{number}") for number in range(4)]
    with pytest.raises(Unreachable, match="kms:DescribeKey"), watchdog.watching():
        retry.together(*asked)


@pytest.mark.thorough
def test_a_slow_call_goes_on_while_others_begin_and_end(monkeypatch) -> None:
    monkeypatch.setattr(watchdog, "SECONDS", 1.0)
    began, pause = time.monotonic(), threading.Event()
    with pytest.raises(Unreachable, match="slow has not ended"), watchdog.watching(), watchdog.call("slow"):
        while took(began) < 2:
            with watchdog.call("another"):
                pause.wait(0.01)
        pause.wait(10)
    assert took(began) > 2


def test_a_call_that_nobody_waits_for_does_not_end_the_command(aws, server, impatient) -> None:
    server.way = "a body of one byte at a time"
    ended = threading.Event()

    def ask() -> None:
        with suppress(SetupError):
            aws._session.call("kms", "DescribeKey", KeyId=KEY)
        ended.set()

    with watchdog.watching():
        threading.Thread(target=ask, daemon=True).start()
        assert not ended.wait(1.0)


def test_a_person_who_is_asked_is_not_interrupted(aws, server, impatient) -> None:
    """A prompt, and an update of the engine, have their own handler of Ctrl-C."""
    server.way = "a body of one byte at a time"
    former = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with pytest.raises(Unreachable), watchdog.watching():
            retry.ahead(partial(aws._session.call, "kms", "DescribeKey", KeyId=KEY))
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                threading.Event().wait(0.1)
            signal.signal(signal.SIGINT, former)
            threading.Event().wait(5)
    finally:
        signal.signal(signal.SIGINT, former)


def test_ctrl_c_stays_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), watchdog.watching():
        signal.raise_signal(signal.SIGINT)
