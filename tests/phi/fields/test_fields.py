"""PhiFields from the environment, against a scripted KMS."""

from __future__ import annotations

import asyncio
import base64
import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eonpro_phi import (
    CachedKey,
    Credentials,
    DecryptionError,
    PhiCipher,
    PhiFields,
)
from eonpro_phi.errors import AccessDenied, CipherUnsupported, MalformedVariable, MissingVariable, Unreachable
from tests.phi.key_sources import KEY, OTHER_KEY, CacheFixture, CountingSource
from tests.phi.scripted_kms import Fault, ScriptedKms, serving

REGION = "us-east-1"
CURRENT, FORMER = b"wrapped current key", b"wrapped former key"
ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_KMS_KEY_ID": f"arn:aws:kms:{REGION}:123456789012:key/mrk-0123456789abcdef0123456789abcdef",
    "ENCRYPTED_PHI_KEY": base64.b64encode(CURRENT).decode(),
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
}
OPTIONAL = {
    "ENCRYPTED_PHI_KEYS_FOR_READING": base64.b64encode(FORMER).decode(),
}
DENIED = Fault(status=400, body=lambda _: {"__type": "AccessDeniedException"})
OUTAGE = Fault(status=503, body=lambda _: b"")
PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ScriptedKms]:
    with serving() as script:
        yield script


@pytest.fixture
def kms(endpoint: ScriptedKms, monkeypatch: pytest.MonkeyPatch) -> ScriptedKms:
    endpoint.keys = {CURRENT: KEY, FORMER: OTHER_KEY}
    endpoint.faults.clear()
    endpoint.asked.clear()
    endpoint.requests.clear()
    monkeypatch.setattr("eonpro_phi.kms.ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{endpoint.port}")
    return endpoint


def test_two_lines_are_enough_and_one_request_serves_all_calls(kms: ScriptedKms) -> None:
    fields = PhiFields.from_environment(ENVIRONMENT)
    assert kms.asked == []
    record = fields.encrypt("Jane")
    assert PhiCipher(KEY).decrypt(record) == fields.decrypt(record) == "Jane"
    assert fields.encrypt(None) is None and fields.decrypt(None) is None
    assert fields.decrypt_many(fields.encrypt_many(["a", None])) == ["a", None]
    patient = {"firstName": "Jane", "id": 7}
    stored = fields.encrypt_fields(patient)
    assert stored["firstName"] != "Jane" and fields.decrypt_fields(stored) == patient
    assert fields.decrypt_fields(fields.encrypt_fields({"id": "7"}, ["id"]), ["id"]) == {"id": "7"}
    with pytest.raises(DecryptionError):
        fields.decrypt("Jane")
    assert kms.asked == [(REGION, CURRENT)]


def test_the_environment_of_the_process_is_the_default(kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in OPTIONAL:
        monkeypatch.delenv(name, raising=False)
    fields = PhiFields.from_environment()
    assert fields.decrypt(PhiCipher(KEY).encrypt("Jane")) == "Jane"


def test_a_reading_key_comes_from_the_environment(kms: ScriptedKms) -> None:
    fields = PhiFields.from_environment(ENVIRONMENT | OPTIONAL)
    assert fields.decrypt(PhiCipher(OTHER_KEY).encrypt("Jane")) == "Jane"
    assert PhiCipher(KEY).decrypt(fields.encrypt("Jane")) == "Jane"
    assert kms.asked == [(REGION, CURRENT), (REGION, FORMER)]


def test_a_denied_reading_key_fails_only_for_its_records(kms: ScriptedKms) -> None:
    kms.faults[REGION, FORMER] = DENIED
    fields = PhiFields.from_environment(ENVIRONMENT | OPTIONAL)
    assert fields.decrypt(fields.encrypt("John")) == "John"
    with pytest.raises(AccessDenied):
        fields.decrypt(PhiCipher(OTHER_KEY).encrypt("Jane"))


def test_the_variables_are_checked_at_once_and_all_together() -> None:
    with pytest.raises(MissingVariable, match="AWS_REGION is not set; ENCRYPTED_PHI_KEY is not set"):
        PhiFields.from_environment({"AWS_KMS_KEY_ID": "x"})
    with pytest.raises(MalformedVariable, match="ENCRYPTED_PHI_KEYS_FOR_READING: number 1"):
        PhiFields.from_environment(ENVIRONMENT | {"ENCRYPTED_PHI_KEYS_FOR_READING": "x"})


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_incomplete_credentials_are_refused_at_once(name: str) -> None:
    with pytest.raises(MissingVariable, match=f"{name} is empty"):
        PhiFields.from_environment(ENVIRONMENT | {name: ""})


def test_explicit_credentials_override_those_of_the_environment(kms: ScriptedKms) -> None:
    credentials = Credentials(access_key_id="AKIAEXPLICIT", secret_access_key="s3cret")
    PhiFields.from_environment(ENVIRONMENT, credentials=credentials).encrypt("x")
    PhiFields.from_environment(ENVIRONMENT).encrypt("x")
    first, second = (headers["Authorization"] for headers, _ in kms.requests)
    assert "AKIAEXPLICIT" in first and "AKIAEXAMPLE" in second


def test_without_credentials_in_the_environment_botocores_own_chain_finds_them(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=s3cret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    environment = {name: value for name, value in ENVIRONMENT.items() if "ACCESS_KEY" not in name}
    PhiFields.from_environment(environment).encrypt("x")
    assert "AKIAFILE" in kms.requests[0][0]["Authorization"]


def test_a_build_without_sixteen_byte_ivs_is_found_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported() -> None:
        raise CipherUnsupported

    monkeypatch.setattr("eonpro_phi.fields.require_sixteen_byte_ivs", unsupported)
    with pytest.raises(CipherUnsupported):
        PhiFields.from_environment(ENVIRONMENT)


def test_the_durations_are_those_of_the_cached_key(kms: ScriptedKms) -> None:
    now = [0.0]
    fields = PhiFields.from_environment(ENVIRONMENT, ttl=10, grace=5, clock=lambda: now[0])
    fields.encrypt("x")
    kms.faults[REGION, CURRENT] = OUTAGE
    now[0] = 14.9
    assert fields.encrypt("x")
    now[0] = 15
    with pytest.raises(Unreachable):
        fields.encrypt("x")


def test_lenient_fields_return_text() -> None:
    fields = PhiFields(CachedKey(CountingSource(), lenient=True))
    assert fields.decrypt("Jane") == "Jane"


def test_from_the_environment_it_is_lenient_when_asked(kms: ScriptedKms) -> None:
    assert PhiFields.from_environment(ENVIRONMENT, lenient=True).decrypt("Jane") == "Jane"


@pytest.fixture
def cache() -> CacheFixture:
    return CacheFixture()


@pytest.mark.parametrize(
    "use",
    [
        lambda fields: fields.encrypt("x"),
        lambda fields: fields.decrypt(PhiCipher(KEY).encrypt("x")),
        lambda fields: fields.encrypt_many(["x"]),
        lambda fields: fields.decrypt_many([None]),
        lambda fields: fields.encrypt_fields({"city": "x"}),
        lambda fields: fields.decrypt_fields({"city": None}),
    ],
)
def test_every_method_uses_the_cached_key(cache: CacheFixture, use: Callable[[PhiFields], object]) -> None:
    fields = PhiFields(cache.cached)
    for moment, unwraps in ((0.0, 1), (269.9, 1), (270.0, 2), (270.1, 2)):
        cache.clock.now = 1000 + moment
        assert use(fields)
        cache.wait_until_finished()
        assert cache.source.unwraps == unwraps
    fields.forget()
    cache.source.failure = AccessDenied("Denied.")
    with pytest.raises(AccessDenied):
        use(fields)


def test_ready_fetches_the_key_for_a_coroutine(cache: CacheFixture) -> None:
    fields = PhiFields(cache.cached)
    asyncio.run(fields.ready())
    assert cache.source.unwraps == 1
    assert fields.encrypt("x")
    assert cache.source.unwraps == 1


def test_it_shows_nothing_secret(kms: ScriptedKms) -> None:
    fields = PhiFields.from_environment(ENVIRONMENT)
    fields.encrypt("x")
    assert repr(fields) == str(fields) == "PhiFields(CachedKey(ttl=300, grace=3600))"


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_neither_pickled_nor_copied(cache: CacheFixture, copier: Callable[[PhiFields], object]) -> None:
    with pytest.raises(TypeError, match=r"^A PhiFields cannot be copied or pickled: it holds a data key\.$"):
        copier(PhiFields(cache.cached))


def test_importing_it_loads_no_heavy_library() -> None:
    heavy = ("boto3", "botocore", "pulumi", "psycopg", "asyncio", "urllib3")
    code = f"import sys, phi; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_help_text_shows_the_environment() -> None:
    """A default argument that is os.environ is printed by `help()`, with every secret in it."""
    secret = "wJalrXUtnFEMI-secret"
    text = subprocess.run(
        [sys.executable, "-c", "import phi, pydoc; print(pydoc.render_doc(phi), pydoc.render_doc(phi.PhiFields))"],
        env={**os.environ, "AWS_SECRET_ACCESS_KEY": secret},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "from_environment" in text and secret not in text
