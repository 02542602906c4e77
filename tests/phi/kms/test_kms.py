"""The KMS door before a scripted KMS: what it asks for, how each refusal is named, and what it keeps to itself."""

from __future__ import annotations

import base64
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from phi import Credentials, KmsKeySource, KmsTimeouts, UnwrapError, WrappedKey
from phi.errors import InvalidResponse, WrongLength
from phi.kms import caller_arn
from tests.phi.scripted_kms import Fault, ScriptedKms, serving

ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER = "arn:aws:kms:us-east-1:123456789012:key/99999999-2222-3333-4444-555555555555"
KEY = bytes(range(200, 232))
WHERE = ("us-east-1", b"wrapped")
CREDENTIALS = Credentials(access_key_id="AKIAEXAMPLE", secret_access_key="s3cret", session_token="t0ken")
ONCE = KmsTimeouts(attempts=1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ScriptedKms]:
    with serving() as script:
        yield script


@pytest.fixture
def kms(endpoint: ScriptedKms, monkeypatch: pytest.MonkeyPatch) -> ScriptedKms:
    endpoint.keys = {b"wrapped": KEY}
    endpoint.faults.clear()
    endpoint.asked.clear()
    endpoint.requests.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{endpoint.port}")
    return endpoint


@pytest.fixture(scope="module")
def opened(endpoint: ScriptedKms) -> KmsKeySource:
    """One door for the tests that need no other: opening one takes longer than going through."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{endpoint.port}")
        found = source(timeouts=ONCE)
        found._client()
        return found


def source(credentials: Credentials | None = CREDENTIALS, patience: KmsTimeouts | None = None) -> KmsKeySource:
    wrapped = WrappedKey(region="us-east-1", key_arn=ARN, blob=b"wrapped")
    return KmsKeySource(wrapped, credentials=credentials, timeouts=patience)


def refusal(door: KmsKeySource) -> UnwrapError:
    with pytest.raises(UnwrapError) as refused:
        door.data_key()
    return refused.value


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port: int = closed.getsockname()[1]
    return port


def test_it_asks_for_exactly_the_key_and_the_wrapped_bytes_without_a_context(
    kms: ScriptedKms, opened: KmsKeySource
) -> None:
    assert opened.data_key() == KEY
    [(headers, asked)] = kms.requests
    assert headers["X-Amz-Target"] == "TrentService.Decrypt"
    assert "/us-east-1/kms/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "t0ken"
    assert asked == {"KeyId": ARN, "CiphertextBlob": base64.b64encode(b"wrapped").decode()}


def test_nothing_is_asked_and_no_credentials_are_looked_for_before_the_first_unwrap(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere at all")
    door = source(credentials=None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{kms.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALATER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    assert kms.asked == []
    assert door.data_key() == KEY
    assert "AKIALATER" in kms.requests[0][0]["Authorization"]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("AccessDeniedException", "AccessDenied"),
        ("InvalidSignatureException", "BadCredentials"),
        ("SomethingNewException", "RequestRejected"),
    ],
)
def test_a_refusal_of_kms_has_its_cause_and_repeats_nothing(
    kms: ScriptedKms, opened: KmsKeySource, code: str, cause: str
) -> None:
    kms.faults[WHERE] = Fault(status=400, body=lambda _: {"__type": code, "message": "x-amz-security-token:t0ken"})
    error = refusal(opened)
    assert error.cause == cause
    assert f"({code} from Decrypt in us-east-1)" in str(error)
    assert "t0ken" not in str(error)


def test_an_answer_from_another_key_is_the_wrong_key(kms: ScriptedKms, opened: KmsKeySource) -> None:
    kms.faults[WHERE] = Fault(body=lambda good: {**good, "KeyId": OTHER})
    assert refusal(opened).cause == "WrongKey"


@pytest.mark.parametrize("length", [1, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(kms: ScriptedKms, opened: KmsKeySource, length: int) -> None:
    kms.keys[b"wrapped"] = bytes(length)
    error = refusal(opened)
    assert error.cause == "WrongLength" and f"{length} bytes" in str(error)


def frames(error: BaseException | None) -> Iterator[str]:
    """What somebody prints who prints the frames of an error and of all that led to it."""
    while error is not None:
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            yield repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(body=lambda good: {**good, "Plaintext": base64.b64encode(KEY + b"\0").decode()}), WrongLength),
        (Fault(body=lambda good: {"Plaintext": good["Plaintext"]}), InvalidResponse),
        (Fault(body=lambda good: {**good, "KeyId": OTHER}), UnwrapError),
        (Fault(body=lambda good: {**good, "Plaintext": good["Plaintext"].rstrip("=")}), InvalidResponse),
    ],
)
def test_no_frame_of_an_error_shows_a_plaintext(
    kms: ScriptedKms, opened: KmsKeySource, fault: Fault, kind: type[UnwrapError]
) -> None:
    kms.faults[WHERE] = fault
    error = refusal(opened)
    assert isinstance(error, kind)
    seen = "".join(frames(error))
    assert "KmsKeySource" in seen
    for secret in (repr(KEY)[2:-1], base64.b64encode(KEY).decode()[:24]):
        assert secret not in seen


def test_an_endpoint_that_refuses_connections_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    error = refusal(source(timeouts=ONCE))
    assert error.cause == "Unreachable" and f"127.0.0.1:{port}" in str(error)


def test_it_tries_twice_unless_told_otherwise_and_waits_for_seconds_not_minutes(kms: ScriptedKms) -> None:
    kms.faults[WHERE] = Fault(status=500, body=lambda _: b"")
    twice = source()
    assert refusal(twice).cause == "Unreachable"
    assert len(kms.asked) == 2
    told = twice._client().meta.config
    assert (told.connect_timeout, told.read_timeout) == (2, 3)
    thrice = source(timeouts=KmsTimeouts(connect_seconds=0.5, read_seconds=0.7, attempts=3))
    assert refusal(thrice).cause == "Unreachable"
    assert len(kms.asked) == 5
    told = thrice._client().meta.config
    assert (told.connect_timeout, told.read_timeout) == (0.5, 0.7)


def test_an_endpoint_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere at all")
    error = refusal(source())
    assert error.cause == "MalformedVariable" and "AWS_ENDPOINT_URL" in str(error)


def test_the_caller_has_a_name_only_with_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UnwrapError) as refused:
        caller_arn("us-east-1", CREDENTIALS)
    assert refused.value.cause == "Unreachable"


def test_credentials_that_were_not_to_be_had_are_looked_for_again(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    door = source(credentials=None)
    error = refusal(door)
    assert (error.cause, error.transient) == ("BadCredentials", True) and kms.asked == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALATER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    assert door.data_key() == KEY


def test_a_metadata_service_that_is_away_is_a_transient_failure(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{closed_port()}/credentials")
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    error = refusal(source(credentials=None))
    assert (error.cause, error.transient) == ("BadCredentials", True) and kms.asked == []


def test_a_child_opens_a_door_of_its_own_and_the_parent_keeps_its(kms: ScriptedKms, opened: KmsKeySource) -> None:
    opened.data_key()
    client = opened._client()
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if opened._client() is not client and opened._client() is opened._client() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert opened._client() is client


def test_the_most_talkative_logging_shows_neither_key_nor_secret(
    kms: ScriptedKms, opened: KmsKeySource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert opened.data_key() == KEY
    assert "botocore" in caplog.text
    for secret in (base64.b64encode(KEY).decode(), KEY.hex(), repr(KEY)[2:-1], "s3cret"):
        assert secret not in caplog.text


def test_after_the_unwrap_botocore_may_log_again(
    kms: ScriptedKms, opened: KmsKeySource, caplog: pytest.LogCaptureFixture
) -> None:
    opened.data_key()
    kms.faults[WHERE] = Fault(status=400, body=lambda _: {})
    refusal(opened)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore.parsers").debug("Response body of another call")
    assert "Response body of another call" in caplog.text


def test_the_files_of_whoever_runs_it_decide_nothing(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile other]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-does-not-exist")
    assert source().data_key() == KEY
    assert "AKIAEXAMPLE" in kms.requests[0][0]["Authorization"]


def test_the_door_shows_no_wrapped_bytes() -> None:
    assert "b'wrapped'" not in repr(source()) and ARN in repr(source())
