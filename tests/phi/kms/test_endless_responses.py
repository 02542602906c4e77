"""A request for the data key ends, whatever trickles in: the application gets an answer. Over real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from eonpro_phi import CachedKey, Credentials, KmsKeySource, KmsTimeouts, WrappedKey, errors
from eonpro_phi.kms import caller_arn, may_decrypt
from tests import endless

ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
CREDENTIALS = Credentials(access_key_id="AKIAEXAMPLE", secret_access_key="s3cret")
WRAPPED = WrappedKey(region="us-east-1", key_arn=ARN, blob=b"wrapped")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[endless.Endless]:
    with endless.serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def source(total_seconds: float = 0.4) -> KmsKeySource:
    return KmsKeySource(WRAPPED, credentials=CREDENTIALS, timeouts=KmsTimeouts(total_seconds=total_seconds))


@pytest.mark.parametrize("way", endless.SLOW)
def test_a_response_that_trickles_in_is_given_up_after_the_time_of_one_request(server, way) -> None:
    server.way, began = way, time.monotonic()
    with pytest.raises(errors.Unreachable, match="did not answer"):
        source().data_key()
    assert time.monotonic() - began < 3 and server.requests == 1


def test_a_response_without_an_end_is_given_up_at_one_megabyte(server) -> None:
    server.way = "fast chunks without an end"
    with pytest.raises(errors.Unreachable, match="did not answer"):
        source(total_seconds=20).data_key()
    assert server.requests == 1


def test_a_packed_response_is_not_unpacked(server) -> None:
    server.way = "a zip bomb"
    with pytest.raises((errors.InvalidResponse, errors.Unreachable)):
        source(total_seconds=20).data_key()


def test_a_web_identity_is_not_waited_for_without_an_end(server, monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("eyJ.a.b")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/eonpro-app-role")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server.way, began = endless.SLOW[0], time.monotonic()
    with pytest.raises(errors.UnwrapError):
        KmsKeySource(WRAPPED, timeouts=KmsTimeouts(total_seconds=0.4)).data_key()
    assert time.monotonic() - began < 4 and server.requests == 1


def test_a_redirect_is_not_followed(server) -> None:
    server.way = "redirects without an end"
    with pytest.raises(errors.UnwrapError):
        source().data_key()
    assert server.requests <= 2


def test_a_cached_key_stays_in_use_while_kms_trickles(server, monkeypatch) -> None:
    """The cause is one that passes: records are read on with the key that is there."""
    server.way = endless.SLOW[0]
    with pytest.raises(errors.UnwrapError) as caught:
        CachedKey(source()).data_key()
    assert isinstance(caught.value, errors.Unreachable)


@pytest.mark.parametrize(
    "ask",
    [lambda: caller_arn("us-east-1", CREDENTIALS), lambda: may_decrypt("us-east-1", ARN, CREDENTIALS)],
    ids=["STS", "a dry run"],
)
def test_every_other_request_has_the_same_time(server, monkeypatch, ask) -> None:
    monkeypatch.setattr("eonpro_phi.kms.KmsTimeouts", lambda: KmsTimeouts(total_seconds=0.3))
    server.way, began = endless.SLOW[0], time.monotonic()
    with pytest.raises(errors.Unreachable):
        ask()
    assert time.monotonic() - began < 3
