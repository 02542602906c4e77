"""The fault matrix: whatever KMS may answer, or not, in each phase of a key's life, has the outcome declared here.

Over HTTP, with botocore, before a scripted KMS; the clock of the cache alone is made to stand.
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from phi.refusals import CODES

from phi import (
    CachedKey,
    Credentials,
    FailoverKeySource,
    KeySource,
    KmsKeySource,
    KmsTimeouts,
    PhiCipher,
    UnwrapError,
    WrappedKey,
)
from tests.phi.key_sources import Clock
from tests.phi.scripted_kms import Answer, Fault, ScriptedKms, serving

HOME, ELSEWHERE = "us-east-1", "us-west-2"
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


# What happens                                        → the word for it, and whether a key that is warm_cache goes on.
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
    "a code that nobody knows": (code("SomethingNewException"), "RequestRejected", TERMINAL),
    "a code that nobody knows, with 500": (code("SomethingNewException", 500), "Unreachable", TRANSIENT),
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
    "a KeyId that is none": (body(lambda good: {**good, "KeyId": 7}), "InvalidResponse", TRANSIENT),
    "a Plaintext that is none": (body(lambda good: {**good, "Plaintext": 7}), "InvalidResponse", TRANSIENT),
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


class Ways:
    """A KeySource that goes to KMS, by a way that a fault may block."""

    def __init__(self, blob: bytes, region: str, sources: dict[str, KeySource]) -> None:
        self.blob, self.region, self.sources = blob, region, sources
        self.way = "patient"

    def data_key(self) -> bytes:
        return self.sources[self.way].data_key()


@dataclass(kw_only=True)
class Stage:
    """The scripted KMS and the ways to it, with the fault of this test."""

    script: ScriptedKms
    ways: dict[tuple[str, bytes], Ways]
    fault: Fault | None
    clock: Clock

    def way(self, blob: bytes = CURRENT, region: str = HOME) -> Ways:
        return self.ways[region, blob]

    def cached(self, source: KeySource, *reading: KeySource) -> CachedKey:
        return CachedKey(source, reading=reading, clock=self.clock, jitter=lambda: 1.0)

    def break_down(self, blob: bytes = CURRENT) -> None:
        way = self.way(blob)
        if self.fault is None:
            way.way = "refused"
        else:
            way.way = "impatient" if self.fault.hangs else "patient"
            self.script.faults[HOME, blob] = self.fault

    def heal(self) -> None:
        self.script.faults.clear()
        for way in self.ways.values():
            way.way = "patient"


@pytest.fixture(scope="module")
def doors() -> Iterator[tuple[ScriptedKms, dict[tuple[str, bytes], dict[str, KeySource]]]]:
    """One client each for the whole matrix: making one takes longer than a call."""
    with (
        serving() as script,
        pytest.MonkeyPatch.context() as patch,
        closing(socket.create_server(("127.0.0.1", 0))) as s,
    ):
        port = s.getsockname()[1]
        s.close()

        def source(region: str, blob: bytes, port: int, read_seconds: float) -> KmsKeySource:
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            wrapped = WrappedKey(region=HOME, key_arn=ARN, blob=blob).in_region(region)
            patience = KmsTimeouts(read_seconds=read_seconds, attempts=1)
            found = KmsKeySource(wrapped, credentials=CREDENTIALS, timeouts=patience)
            way = (region if port == script.port else HOME, port, read_seconds)
            clients[way] = found._door = clients.get(way) or (os.getpid(), found._client())
            return found

        clients: dict[tuple[str, int, float], tuple[int, object]] = {}

        script.keys = KEYS
        yield (
            script,
            {
                (region, blob): {
                    "patient": source(region, blob, script.port, 30),
                    "impatient": source(region, blob, script.port, 0.03),
                    "refused": source(region, blob, port, 30),
                }
                for region, blob in ((HOME, CURRENT), (HOME, FORMER), (ELSEWHERE, CURRENT))
            },
        )


@pytest.fixture(params=FAULTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(doors: tuple[ScriptedKms, dict[tuple[str, bytes], dict[str, KeySource]]], name: str) -> Iterator[Stage]:
    script, sources = doors
    script.faults.clear()
    script.asked.clear()
    ways = {where: Ways(where[1], where[0], ways) for where, ways in sources.items()}
    yield Stage(script=script, ways=ways, fault=FAULTS[name][0], clock=Clock())
    script.released.set()
    script.released.clear()


def reads(cached: CachedKey, record: str | None = RECORD) -> str:
    """`reads`, or the word for why not."""
    try:
        return "reads" if cached.cipher().decrypt(record) == "Jane" else "changed"
    except UnwrapError as error:
        return error.cause


def finished(cached: CachedKey) -> None:
    attempt = cached._attempt
    assert attempt is None or attempt.finished.wait(30)


def first_unwrap(stage: Stage) -> list[str]:
    """The application starts; it asks twice, and once more when KMS is well again and the pause is over."""
    cached = stage.cached(stage.way())
    stage.break_down()
    seen = [reads(cached), reads(cached)]
    stage.heal()
    stage.clock.now += 1
    return [*seen, reads(cached)]


def refresh_ahead(stage: Stage) -> list[str]:
    """At 270 s the refresh runs apart: before it ends, after it, and when KMS is well again."""
    cached = stage.cached(stage.way())
    reads(cached)
    stage.break_down()
    stage.clock.now += 270
    seen = [reads(cached)]
    finished(cached)
    seen.append(reads(cached))
    stage.heal()
    stage.clock.now += 1
    reads_or_not = reads(cached)
    finished(cached)
    return [*seen, reads_or_not]


def within_grace(stage: Stage) -> list[str]:
    """After an idle hour, 100 s before the grace ends."""
    cached = stage.cached(stage.way())
    reads(cached)
    stage.break_down()
    stage.clock.now += 3800
    return [reads(cached), reads(cached)]


def after_grace(stage: Stage) -> list[str]:
    """The moment at which the grace has ended."""
    cached = stage.cached(stage.way())
    reads(cached)
    stage.break_down()
    stage.clock.now += 3900
    return [reads(cached), reads(cached)]


def fallback_region(stage: Stage) -> list[str]:
    """The key's own Region fails, another has its replica; then both fail alike."""
    doors = FailoverKeySource({HOME: stage.way(), ELSEWHERE: stage.way(region=ELSEWHERE)})
    stage.break_down()
    seen = [reads(stage.cached(doors))]
    stage.way(region=ELSEWHERE).way = stage.way().way
    if stage.fault is not None:
        stage.script.faults[ELSEWHERE, CURRENT] = stage.fault
    return [*seen, reads(stage.cached(doors))]


def reading_key(stage: Stage) -> list[str]:
    """A key for reading is not to be had: a record under the current one, one under it, and after a second."""
    cached = stage.cached(stage.way(), stage.way(FORMER))
    stage.break_down(FORMER)
    seen = [reads(cached), reads(cached, FORMER_RECORD)]
    stage.heal()
    stage.clock.now += 1
    reads(cached)
    finished(cached)
    return [*seen, reads(cached, FORMER_RECORD)]


def reading_key_refreshed(stage: Stage) -> list[str]:
    """A key for reading was had, and fails at the refresh: a record under the current one, and one under it."""
    cached = stage.cached(stage.way(), stage.way(FORMER))
    reads(cached)
    stage.break_down(FORMER)
    stage.clock.now += 270
    reads(cached)
    finished(cached)
    return [reads(cached), reads(cached, FORMER_RECORD)]


CAUSE = "(the word)"
# Each phase, and what is seen in it in that order: after a transient fault, and after a terminal one.
OUTCOMES: dict[Callable[[Stage], list[str]], tuple[list[str], list[str]]] = {
    first_unwrap: ([CAUSE, CAUSE, "reads"], [CAUSE, CAUSE, "reads"]),
    refresh_ahead: (["reads", "reads", "reads"], ["reads", CAUSE, "reads"]),
    within_grace: (["reads", "reads"], [CAUSE, CAUSE]),
    after_grace: ([CAUSE, CAUSE], [CAUSE, CAUSE]),
    fallback_region: (["reads", CAUSE], [CAUSE, CAUSE]),
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
    assert phase(stage) == [cause if word == CAUSE else word for word in declared]
    if name != "connection refused" and phase in ASKED:
        assert len(stage.script.asked) == ASKED[phase]
    if phase is fallback_region and not transient:
        assert {region for region, _ in stage.script.asked} == {HOME}  # no other door was tried


def test_every_code_that_has_a_class_is_in_the_matrix() -> None:
    assert set(CODES) <= set(FAULTS)
