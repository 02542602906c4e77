"""The fault matrix: each response of KMS, or none, in each phase of a key's life has the outcome declared here.

Over HTTP, with botocore, against a scripted KMS; only the clock of the cache stands still.
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from eonpro_phi import (
    CachedKey,
    Credentials,
    KeySource,
    KmsKeySource,
    PhiCipher,
    UnwrapError,
    WrappedKey,
)
from eonpro_phi.kms import ERRORS_BY_CODE
from tests.phi.key_sources import Clock
from tests.phi.scripted_kms import Answer, Fault, ScriptedKms, serving

HOME = "us-east-1"
ARN = f"arn:aws:kms:{HOME}:123456789012:key/mrk-0123456789abcdef0123456789abcdef"
CURRENT, FORMER = b"wrapped current key", b"wrapped former key"
KEYS = {CURRENT: bytes(range(32)), FORMER: bytes(range(32, 64))}
CREDENTIALS = Credentials(access_key_id="AKIAEXAMPLE", secret_access_key="s3cret")
RECORD = PhiCipher(KEYS[CURRENT]).encrypt("Jane")
FORMER_RECORD = PhiCipher(KEYS[FORMER]).encrypt("Jane")

TRANSIENT, TERMINAL = True, False


def code(name: str, status: int = 400) -> Fault:
    return Fault(status=status, body=lambda _: {"__type": name, "message": "words of KMS"})


def body(change: Callable[[Answer], Answer | bytes], status: int = 200) -> Fault:
    return Fault(status=status, body=change)


def plaintext(length: int) -> Fault:
    return body(lambda good: {**good, "Plaintext": base64.b64encode(bytes(length)).decode()})


# What happens                                        → its cause, and whether a cached key stays in use.
FAULTS: dict[str, tuple[Fault | None, str, bool]] = {
    "AccessDeniedException": (code("AccessDeniedException"), "AccessDenied", TERMINAL),
    "AccessDenied": (code("AccessDenied", 403), "AccessDenied", TERMINAL),
    "NotFoundException": (code("NotFoundException"), "NotFound", TERMINAL),
    "DisabledException": (code("DisabledException"), "Disabled", TERMINAL),
    "KMSInvalidStateException": (code("KMSInvalidStateException"), "Disabled", TERMINAL),
    "InvalidCiphertextException": (code("InvalidCiphertextException"), "InvalidCiphertext", TERMINAL),
    "IncorrectKeyException": (code("IncorrectKeyException"), "WrongKey", TERMINAL),
    "InvalidKeyUsageException": (code("InvalidKeyUsageException"), "WrongKey", TERMINAL),
    "ValidationException": (code("ValidationException"), "MalformedVariable", TERMINAL),
    "InvalidArnException": (code("InvalidArnException"), "MalformedVariable", TERMINAL),
    "UnrecognizedClientException": (code("UnrecognizedClientException"), "BadCredentials", TERMINAL),
    "InvalidClientTokenId": (code("InvalidClientTokenId", 403), "BadCredentials", TERMINAL),
    "AuthFailure": (code("AuthFailure", 401), "BadCredentials", TERMINAL),
    "ExpiredTokenException": (code("ExpiredTokenException"), "BadCredentials", TERMINAL),
    "ExpiredToken": (code("ExpiredToken", 403), "BadCredentials", TERMINAL),
    "RequestExpired": (code("RequestExpired"), "BadCredentials", TERMINAL),
    "SignatureDoesNotMatch": (code("SignatureDoesNotMatch", 403), "BadCredentials", TERMINAL),
    "InvalidSignatureException": (code("InvalidSignatureException"), "BadCredentials", TERMINAL),
    "IncompleteSignature": (code("IncompleteSignature"), "BadCredentials", TERMINAL),
    "MissingAuthenticationTokenException": (
        code("MissingAuthenticationTokenException"),
        "BadCredentials",
        TERMINAL,
    ),
    "OptInRequired": (code("OptInRequired", 403), "AccessDenied", TERMINAL),
    "NotAuthorized": (code("NotAuthorized"), "AccessDenied", TERMINAL),
    "Throttling": (code("Throttling"), "Throttled", TRANSIENT),
    "ThrottlingException": (code("ThrottlingException"), "Throttled", TRANSIENT),
    "RequestThrottled": (code("RequestThrottled"), "Throttled", TRANSIENT),
    "TooManyRequestsException": (code("TooManyRequestsException", 429), "Throttled", TRANSIENT),
    "LimitExceededException": (code("LimitExceededException"), "Throttled", TRANSIENT),
    "InternalFailure": (code("InternalFailure", 500), "Unreachable", TRANSIENT),
    "ServiceUnavailable": (code("ServiceUnavailable", 503), "Unreachable", TRANSIENT),
    "ServiceUnavailableException": (code("ServiceUnavailableException", 503), "Unreachable", TRANSIENT),
    "RequestAbortedException": (code("RequestAbortedException"), "Unreachable", TRANSIENT),
    "RequestTimeout": (code("RequestTimeout"), "Unreachable", TRANSIENT),
    "RequestTimeoutException": (code("RequestTimeoutException"), "Unreachable", TRANSIENT),
    "DependencyTimeoutException": (code("DependencyTimeoutException", 500), "Unreachable", TRANSIENT),
    "KeyUnavailableException": (code("KeyUnavailableException", 500), "Unreachable", TRANSIENT),
    "KMSInternalException": (code("KMSInternalException", 500), "Unreachable", TRANSIENT),
    "an unknown code": (code("SomethingNewException"), "RequestRejected", TERMINAL),
    "an unknown code, with 500": (code("SomethingNewException", 500), "Unreachable", TRANSIENT),
    "HTTP 400 without a code": (body(lambda _: {}, 400), "RequestRejected", TERMINAL),
    "HTTP 403 of a proxy": (body(lambda _: b"<html>no</html>", 403), "RequestRejected", TERMINAL),
    "HTTP 429 without a code": (body(lambda _: b"", 429), "Throttled", TRANSIENT),
    "HTTP 500 without a code": (body(lambda _: b"", 500), "Unreachable", TRANSIENT),
    "HTTP 502 of a proxy": (body(lambda _: b"<html>bad gateway</html>", 502), "Unreachable", TRANSIENT),
    "HTTP 503 without a code": (body(lambda _: {}, 503), "Unreachable", TRANSIENT),
    "HTTP 500 with the key in it": (body(lambda good: good, 500), "Unreachable", TRANSIENT),
    "connection refused": (None, "Unreachable", TRANSIENT),
    "connection reset": (Fault(resets=True), "Unreachable", TRANSIENT),
    "read timed out": (Fault(hangs=True), "Unreachable", TRANSIENT),
    "no JSON": (body(lambda _: b"<html>welcome to our wi-fi</html>"), "InvalidResponse", TRANSIENT),
    "no text": (body(lambda _: b"\xff\xfe\x00"), "InvalidResponse", TRANSIENT),
    "an empty body": (body(lambda _: b""), "InvalidResponse", TRANSIENT),
    "JSON that is no object": (body(lambda _: b"[7]"), "InvalidResponse", TRANSIENT),
    "half a body": (body(lambda good: good | {"Plaintext": "AAA"}), "InvalidResponse", TRANSIENT),
    "no Plaintext": (body(lambda good: {"KeyId": good["KeyId"]}), "InvalidResponse", TRANSIENT),
    "no KeyId": (body(lambda good: {"Plaintext": good["Plaintext"]}), "InvalidResponse", TRANSIENT),
    "a KeyId of another type": (body(lambda good: {**good, "KeyId": 7}), "InvalidResponse", TRANSIENT),
    "a Plaintext of another type": (body(lambda good: {**good, "Plaintext": 7}), "InvalidResponse", TRANSIENT),
    "0 bytes": (plaintext(0), "WrongLength", TERMINAL),
    "31 bytes": (plaintext(31), "WrongLength", TERMINAL),
    "33 bytes": (plaintext(33), "WrongLength", TERMINAL),
    "another KeyId": (body(lambda good: {**good, "KeyId": ARN[:-1] + "0"}), "WrongKey", TERMINAL),
    "the KeyId of another Region": (
        body(lambda good: {**good, "KeyId": good["KeyId"].replace("-1:", "-9:").replace("-2:", "-9:")}),
        "WrongKey",
        TERMINAL,
    ),
}


class SwitchedSource:
    """A KeySource that uses one of several clients: with a long timeout, a short one, or a closed port."""

    def __init__(self, sources: dict[str, KeySource]) -> None:
        self.sources = sources
        self.mode = "long timeout"

    def data_key(self) -> bytes:
        return self.sources[self.mode].data_key()


@dataclass(kw_only=True)
class Stage:
    """The scripted KMS and the key sources, with the fault of this test."""

    script: ScriptedKms
    sources: dict[bytes, SwitchedSource]
    fault: Fault | None
    clock: Clock

    def source(self, blob: bytes = CURRENT) -> SwitchedSource:
        return self.sources[blob]

    def cached(self, source: KeySource, *reading_keys: KeySource) -> CachedKey:
        return CachedKey(source, reading_keys=reading_keys, clock=self.clock, jitter=lambda: 1.0)

    def inject_fault(self, blob: bytes = CURRENT) -> None:
        source = self.source(blob)
        if self.fault is None:
            source.mode = "closed port"
        else:
            source.mode = "short timeout" if self.fault.hangs else "long timeout"
            self.script.faults[HOME, blob] = self.fault

    def clear_fault(self) -> None:
        self.script.faults.clear()
        for source in self.sources.values():
            source.mode = "long timeout"


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[ScriptedKms, dict[bytes, dict[str, KeySource]]]]:
    """The clients of the whole matrix: creating one takes longer than a call."""
    with (
        serving() as script,
        pytest.MonkeyPatch.context() as patch,
        closing(socket.create_server(("127.0.0.1", 0))) as s,
    ):
        port = s.getsockname()[1]
        s.close()

        def source(blob: bytes, port: int, read_seconds: float) -> KmsKeySource:
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            wrapped = WrappedKey(region=HOME, key_arn=ARN, blob=blob)
            patch.setattr("eonpro_phi.kms.READ_SECONDS", read_seconds)
            patch.setattr("eonpro_phi.kms.ATTEMPTS", 1)
            source = KmsKeySource(wrapped, credentials=CREDENTIALS)
            shared = (port, read_seconds)
            by_target[shared] = source._client_of_process = by_target.get(shared) or (os.getpid(), source._client())
            return source

        by_target: dict[tuple[int, float], tuple[int, object]] = {}

        script.keys = KEYS
        yield (
            script,
            {
                blob: {
                    "long timeout": source(blob, script.port, 30),
                    "short timeout": source(blob, script.port, 0.03),
                    "closed port": source(blob, port, 30),
                }
                for blob in (CURRENT, FORMER)
            },
        )


@pytest.fixture(params=FAULTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(clients: tuple[ScriptedKms, dict[bytes, dict[str, KeySource]]], name: str) -> Iterator[Stage]:
    script, by_key = clients
    script.faults.clear()
    script.asked.clear()
    sources = {blob: SwitchedSource(modes) for blob, modes in by_key.items()}
    yield Stage(script=script, sources=sources, fault=FAULTS[name][0], clock=Clock())
    script.released.set()
    script.released.clear()


def reads(cached: CachedKey, record: str | None = RECORD) -> str:
    """`reads`, or the cause of the failure."""
    try:
        return "reads" if cached.cipher().decrypt(record) == "Jane" else "changed"
    except UnwrapError as error:
        return error.cause


def wait_until_finished(cached: CachedKey) -> None:
    attempt = cached._attempt
    assert attempt is None or attempt.finished.wait(30)


def first_unwrap(stage: Stage) -> list[str]:
    """The application starts: two calls, and one more when the fault and the delay are over."""
    cached = stage.cached(stage.source())
    stage.inject_fault()
    results = [reads(cached), reads(cached)]
    stage.clear_fault()
    stage.clock.now += 1
    return [*results, reads(cached)]


def refresh_ahead(stage: Stage) -> list[str]:
    """At 270 s the refresh runs in the background: during it, after it, and after the fault is over."""
    cached = stage.cached(stage.source())
    reads(cached)
    stage.inject_fault()
    stage.clock.now += 270
    results = [reads(cached)]
    wait_until_finished(cached)
    results.append(reads(cached))
    stage.clear_fault()
    stage.clock.now += 1
    result = reads(cached)
    wait_until_finished(cached)
    return [*results, result]


def within_grace(stage: Stage) -> list[str]:
    """After an idle hour, 100 s before the grace ends."""
    cached = stage.cached(stage.source())
    reads(cached)
    stage.inject_fault()
    stage.clock.now += 3800
    return [reads(cached), reads(cached)]


def after_grace(stage: Stage) -> list[str]:
    """When the grace has ended."""
    cached = stage.cached(stage.source())
    reads(cached)
    stage.inject_fault()
    stage.clock.now += 3900
    return [reads(cached), reads(cached)]


def reading_key(stage: Stage) -> list[str]:
    """A reading key is missing: a record of the current key, one of the reading key, and the same after a second."""
    cached = stage.cached(stage.source(), stage.source(FORMER))
    stage.inject_fault(FORMER)
    results = [reads(cached), reads(cached, FORMER_RECORD)]
    stage.clear_fault()
    stage.clock.now += 1
    reads(cached)
    wait_until_finished(cached)
    return [*results, reads(cached, FORMER_RECORD)]


def reading_key_refreshed(stage: Stage) -> list[str]:
    """A reading key fails at the refresh: a record of the current key, and one of the reading key."""
    cached = stage.cached(stage.source(), stage.source(FORMER))
    reads(cached)
    stage.inject_fault(FORMER)
    stage.clock.now += 270
    reads(cached)
    wait_until_finished(cached)
    return [reads(cached), reads(cached, FORMER_RECORD)]


CAUSE = "(the cause)"
# Each phase, and its results in order: with a transient fault, and with a terminal one.
OUTCOMES: dict[Callable[[Stage], list[str]], tuple[list[str], list[str]]] = {
    first_unwrap: ([CAUSE, CAUSE, "reads"], [CAUSE, CAUSE, "reads"]),
    refresh_ahead: (["reads", "reads", "reads"], ["reads", CAUSE, "reads"]),
    within_grace: (["reads", "reads"], [CAUSE, CAUSE]),
    after_grace: ([CAUSE, CAUSE], [CAUSE, CAUSE]),
    reading_key: (["reads", CAUSE, "reads"], ["reads", CAUSE, CAUSE]),
    reading_key_refreshed: (["reads", "reads"], ["reads", CAUSE]),
}
ASKED = {
    first_unwrap: 2,
    refresh_ahead: 3,
    within_grace: 2,
    after_grace: 2,
}


@pytest.mark.parametrize("phase", OUTCOMES, ids=lambda phase: phase.__name__)
def test_each_fault_in_each_phase_has_the_outcome_that_is_declared(
    stage: Stage, name: str, phase: Callable[[Stage], list[str]]
) -> None:
    _, cause, transient = FAULTS[name]
    declared = OUTCOMES[phase][0 if transient else 1]
    assert phase(stage) == [cause if result == CAUSE else result for result in declared]
    if name != "connection refused" and phase in ASKED:
        assert len(stage.script.asked) == ASKED[phase]


def test_every_known_code_is_in_the_matrix() -> None:
    assert set(ERRORS_BY_CODE) <= set(FAULTS)
