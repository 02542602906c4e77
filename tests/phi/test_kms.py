"""The KMS door before a scripted KMS: what it asks for, and how each refusal is named."""

from __future__ import annotations

import base64
import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from phi import Credentials, KmsKeySource, UnwrapError, WrappedKey
from phi.kms import caller_arn

ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER = "arn:aws:kms:us-east-1:123456789012:key/99999999-2222-3333-4444-555555555555"
KEY = bytes(range(200, 232))
CREDENTIALS = Credentials(access_key_id="AKIAEXAMPLE", secret_access_key="s3cret", session_token="t0ken")


class ScriptedKms:
    """An endpoint that answers what the test wrote down, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: dict[str, Any] = {"KeyId": ARN, "Plaintext": base64.b64encode(KEY).decode()}
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKms]:
    script = ScriptedKms()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.asked.append((dict(self.headers), json.loads(body)))
            answer = json.dumps(script.answer).encode()
            self.send_response(script.status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def source() -> KmsKeySource:
    wrapped = WrappedKey(region="us-east-1", key_arn=ARN, blob=b"wrapped")
    return KmsKeySource(wrapped, credentials=CREDENTIALS)


def refusal() -> UnwrapError:
    with pytest.raises(UnwrapError) as refused:
        source().data_key()
    return refused.value


def test_it_asks_for_exactly_the_key_and_the_wrapped_bytes_without_a_context(kms: ScriptedKms) -> None:
    assert source().data_key() == KEY
    [(headers, asked)] = kms.asked
    assert headers["X-Amz-Target"] == "TrentService.Decrypt"
    assert "/us-east-1/kms/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "t0ken"
    assert asked == {"KeyId": ARN, "CiphertextBlob": base64.b64encode(b"wrapped").decode()}


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("AccessDeniedException", "AccessDenied"),
        ("NotFoundException", "NotFound"),
        ("DisabledException", "Disabled"),
        ("KMSInvalidStateException", "Disabled"),
        ("InvalidCiphertextException", "InvalidCiphertext"),
        ("IncorrectKeyException", "WrongKey"),
        ("InvalidKeyUsageException", "WrongKey"),
        ("ValidationException", "MalformedVariable"),
        ("UnrecognizedClientException", "BadCredentials"),
        ("ExpiredTokenException", "BadCredentials"),
        ("InvalidSignatureException", "BadCredentials"),
        ("ThrottlingException", "Throttled"),
        ("KMSInternalException", "Unreachable"),
        ("SomethingNewException", "Refused"),
    ],
)
def test_each_refusal_of_kms_has_its_cause_and_repeats_nothing(kms: ScriptedKms, code: str, cause: str) -> None:
    kms.status = 400
    kms.answer = {"__type": code, "message": "x-amz-security-token:t0ken"}
    error = refusal()
    assert error.cause == cause
    assert code in str(error) and "Decrypt" in str(error)
    assert "t0ken" not in str(error)


def test_an_answer_from_another_key_is_the_wrong_key(kms: ScriptedKms) -> None:
    kms.answer["KeyId"] = OTHER
    assert refusal().cause == "WrongKey"


@pytest.mark.parametrize("length", [1, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(kms: ScriptedKms, length: int) -> None:
    kms.answer["Plaintext"] = base64.b64encode(bytes(length)).decode()
    error = refusal()
    assert error.cause == "WrongLength" and f"{length} bytes" in str(error)


def test_an_endpoint_that_refuses_connections_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    error = refusal()
    assert error.cause == "Unreachable" and f"127.0.0.1:{port}" in str(error)


def test_an_endpoint_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere at all")
    error = refusal()
    assert error.cause == "MalformedVariable" and "AWS_ENDPOINT_URL" in str(error)


def test_the_caller_has_a_name_only_with_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(UnwrapError) as refused:
        caller_arn("us-east-1", CREDENTIALS)
    assert refused.value.cause == "Unreachable"


def test_the_most_talkative_logging_shows_neither_key_nor_secret(
    kms: ScriptedKms, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert source().data_key() == KEY
    assert "botocore" in caplog.text
    for secret in (base64.b64encode(KEY).decode(), KEY.hex(), repr(KEY)[2:-1], "s3cret"):
        assert secret not in caplog.text


def test_after_the_unwrap_botocore_may_log_again(kms: ScriptedKms, caplog: pytest.LogCaptureFixture) -> None:
    source().data_key()
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
    assert "AKIAEXAMPLE" in kms.asked[0][0]["Authorization"]


def test_the_door_shows_no_wrapped_bytes() -> None:
    assert "b'wrapped'" not in repr(source()) and ARN in repr(source())
