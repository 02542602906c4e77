"""KmsKeySource against a scripted KMS: its requests, its errors, and what it never shows."""

from __future__ import annotations

import base64
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from eonpro_phi import Credentials, KmsKeySource, UnwrapError, WrappedKey
from eonpro_phi.errors import InvalidResponse, TerminalUnwrapError, WrongLength
from eonpro_phi.kms import _data_loader, caller_arn, prepare_clients
from eonpro_phi.record import key_id
from tests.phi.scripted_kms import Fault, ScriptedKms, serving

ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER = "arn:aws:kms:us-east-1:123456789012:key/99999999-2222-3333-4444-555555555555"
KEY = bytes(range(200, 232))
REQUEST = ("us-east-1", b"wrapped")
MATERIAL = "0123456789abcdef" * 4
CREDENTIALS = Credentials(access_key_id="AKIAEXAMPLE", secret_access_key="s3cret", session_token="t0ken")


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
def unwrapper(endpoint: ScriptedKms) -> KmsKeySource:
    """One source for most tests: creating a client takes longer than a call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{endpoint.port}")
        patch.setattr("eonpro_phi.kms.ATTEMPTS", 1)
        unwrapper = source()
        unwrapper._client()
        return unwrapper


def source(credentials: Credentials | None = CREDENTIALS) -> KmsKeySource:
    wrapped = WrappedKey(region="us-east-1", key_arn=ARN, blob=b"wrapped")
    return KmsKeySource(wrapped, credentials=credentials)


def test_a_key_with_another_check_value_is_refused_and_is_no_transient_failure(kms: ScriptedKms) -> None:
    wrapped = WrappedKey(region="us-east-1", key_arn=ARN, blob=b"wrapped", check_value=key_id(KEY))
    assert KmsKeySource(wrapped, credentials=CREDENTIALS).data_key() == KEY
    flipped = bytes((KEY[0] ^ 1, *KEY[1:]))
    kms.keys = {b"wrapped": flipped}
    error = error_of(KmsKeySource(wrapped, credentials=CREDENTIALS))
    assert isinstance(error, TerminalUnwrapError) and error.cause == "WrongKeyCheckValue"
    assert key_id(KEY) in str(error) and flipped.hex() not in repr(error)


def error_of(key_source: KmsKeySource) -> UnwrapError:
    with pytest.raises(UnwrapError) as caught:
        key_source.data_key()
    return caught.value


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port: int = closed.getsockname()[1]
    return port


def test_the_request_has_the_key_the_wrapped_bytes_and_no_context(kms: ScriptedKms, unwrapper: KmsKeySource) -> None:
    assert unwrapper.data_key() == KEY
    [(headers, body)] = kms.requests
    assert headers["X-Amz-Target"] == "TrentService.Decrypt"
    assert "/us-east-1/kms/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "t0ken"
    assert body == {"KeyId": ARN, "CiphertextBlob": base64.b64encode(b"wrapped").decode()}


@pytest.mark.parametrize(("sent", "read"), [(MATERIAL, MATERIAL), (None, ""), ("", ""), (3, ""), ("\x1b[2J", "")])
def test_an_auditor_learns_which_key_material_opened_the_key_and_nothing_an_endpoint_made_up(
    kms: ScriptedKms, unwrapper: KmsKeySource, sent: object, read: str
) -> None:
    kms.faults[REQUEST] = Fault(body=lambda good: good if sent is None else good | {"KeyMaterialId": sent})
    assert unwrapper.data_key() == KEY
    assert unwrapper.key_material_id == read


def test_no_request_and_no_search_for_credentials_before_the_first_unwrap(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere at all")
    key_source = source(credentials=None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{kms.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALATER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    assert kms.asked == []
    assert key_source.data_key() == KEY
    assert "AKIALATER" in kms.requests[0][0]["Authorization"]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("AccessDeniedException", "AccessDenied"),
        ("InvalidSignatureException", "BadCredentials"),
        ("SomethingNewException", "RequestRejected"),
    ],
)
def test_an_error_of_kms_has_its_cause_and_not_its_message(
    kms: ScriptedKms, unwrapper: KmsKeySource, code: str, cause: str
) -> None:
    kms.faults[REQUEST] = Fault(status=400, body=lambda _: {"__type": code, "message": "x-amz-security-token:t0ken"})
    error = error_of(unwrapper)
    assert error.cause == cause
    assert f"({code} from Decrypt in us-east-1)" in str(error)
    assert "t0ken" not in str(error)


def test_a_response_of_another_key_is_refused(kms: ScriptedKms, unwrapper: KmsKeySource) -> None:
    kms.faults[REQUEST] = Fault(body=lambda good: {**good, "KeyId": OTHER})
    assert error_of(unwrapper).cause == "WrongKey"


@pytest.mark.parametrize("length", [1, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(kms: ScriptedKms, unwrapper: KmsKeySource, length: int) -> None:
    kms.keys[b"wrapped"] = bytes(length)
    error = error_of(unwrapper)
    assert error.cause == "WrongLength" and f"{length} bytes" in str(error)


def frames(error: BaseException | None) -> Iterator[str]:
    """The local variables of an error and of its causes, as an error report prints them."""
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
    kms: ScriptedKms, unwrapper: KmsKeySource, fault: Fault, kind: type[UnwrapError]
) -> None:
    kms.faults[REQUEST] = fault
    error = error_of(unwrapper)
    assert isinstance(error, kind)
    printed = "".join(frames(error))
    assert "KmsKeySource" in printed
    for secret in (repr(KEY)[2:-1], base64.b64encode(KEY).decode()[:24]):
        assert secret not in printed


def test_an_endpoint_that_refuses_connections_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setattr("eonpro_phi.kms.ATTEMPTS", 1)
    error = error_of(source())
    assert error.cause == "Unreachable" and f"127.0.0.1:{port}" in str(error)


def test_it_tries_twice_with_timeouts_of_seconds(kms: ScriptedKms) -> None:
    kms.faults[REQUEST] = Fault(status=500, body=lambda _: b"")
    twice = source()
    assert error_of(twice).cause == "Unreachable"
    assert len(kms.asked) == 2
    config = twice._client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 3)


def test_an_invalid_endpoint_url_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere at all")
    error = error_of(source())
    assert error.cause == "MalformedVariable" and "AWS_ENDPOINT_URL" in str(error)


def test_caller_arn_raises_where_the_endpoint_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UnwrapError) as caught:
        caller_arn("us-east-1", CREDENTIALS)
    assert caught.value.cause == "Unreachable"


def test_missing_credentials_are_looked_up_again(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    key_source = source(credentials=None)
    error = error_of(key_source)
    assert (error.cause, error.transient) == ("BadCredentials", True) and kms.asked == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALATER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    assert key_source.data_key() == KEY


def test_an_unreachable_metadata_service_is_a_transient_failure(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{closed_port()}/credentials")
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    error = error_of(source(credentials=None))
    assert (error.cause, error.transient) == ("BadCredentials", True) and kms.asked == []


def test_a_child_process_creates_its_own_client(kms: ScriptedKms, unwrapper: KmsKeySource) -> None:
    unwrapper.data_key()
    client = unwrapper._client()
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if unwrapper._client() is not client and unwrapper._client() is unwrapper._client() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert unwrapper._client() is client


def test_debug_logging_shows_neither_key_nor_secret(
    kms: ScriptedKms, unwrapper: KmsKeySource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert unwrapper.data_key() == KEY
    assert "botocore" in caplog.text
    for secret in (base64.b64encode(KEY).decode(), KEY.hex(), repr(KEY)[2:-1], "s3cret"):
        assert secret not in caplog.text


def test_after_the_unwrap_botocore_logs_again(
    kms: ScriptedKms, unwrapper: KmsKeySource, caplog: pytest.LogCaptureFixture
) -> None:
    unwrapper.data_key()
    kms.faults[REQUEST] = Fault(status=400, body=lambda _: {})
    error_of(unwrapper)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore.parsers").debug("Response body of another call")
    assert "Response body of another call" in caplog.text


def test_the_users_aws_files_have_no_effect(kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile other]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-does-not-exist")
    assert source().data_key() == KEY
    assert "AKIAEXAMPLE" in kms.requests[0][0]["Authorization"]


def test_a_person_who_waits_for_the_proof_does_not_wait_for_botocores_descriptions(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    _data_loader.cache_clear()
    prepare_clients()
    assert kms.requests == []
    monkeypatch.setattr("botocore.loaders.JSONFileLoader.load_file", pytest.fail)
    assert source().data_key() == KEY
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UnwrapError, match="sts in us-east-1|did not answer"):
        caller_arn("us-east-1", CREDENTIALS)


def test_a_wrong_endpoint_is_told_by_the_proof_and_not_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no url")
    prepare_clients()
    assert error_of(source()).cause == "MalformedVariable"


def test_its_repr_shows_no_wrapped_bytes() -> None:
    assert "b'wrapped'" not in repr(source()) and ARN in repr(source())
