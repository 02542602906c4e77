"""A field with its key at hand is written in PhiFields' own frame: as the pinned cipher writes, counts and refuses."""

from __future__ import annotations

import os

import pytest

import phi.cipher
import phi.fields
import phi.usage
from phi import CachedKey, InvalidText, NotText, PhiCipher, PhiFields

IV = bytes(range(16))


class Source:
    """Stands in for KMS."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.calls = 0

    def data_key(self) -> bytes:
        self.calls += 1
        return self.key


@pytest.fixture
def source() -> Source:
    return Source(os.urandom(32))


@pytest.fixture
def fields(source: Source) -> PhiFields:
    """The key is at hand from the first text on."""
    made = PhiFields(CachedKey(source))
    made.encrypt("first")
    return made


@pytest.mark.parametrize("text", ["a", "Jane", "患者 Ana 😀", "x" * 1000])
def test_its_record_is_the_pinned_ciphers(
    source: Source, fields: PhiFields, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    drawn: list[int] = []

    def random_bytes(size: int) -> bytes:
        drawn.append(size)
        return IV

    monkeypatch.setattr(phi.fields, "random_bytes", random_bytes)
    monkeypatch.setattr(phi.cipher, "random_bytes", random_bytes)
    assert fields.encrypt(text) == PhiCipher(source.key).encrypt(text)
    assert drawn == [16, 16]


def test_neither_the_source_nor_the_cached_key_is_asked_for_it(
    source: Source, fields: PhiFields, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_: CachedKey) -> PhiCipher:
        raise AssertionError("the cached key was asked for its cipher")

    monkeypatch.setattr(CachedKey, "cipher", asked)
    for text in ("a", "b"):
        assert PhiCipher(source.key).decrypt(fields.encrypt(text)) == text
    assert source.calls == 1


@pytest.mark.parametrize("text", [None, ""])
def test_nothing_stays_nothing_and_is_not_counted(fields: PhiFields, text: str | None) -> None:
    assert fields.encrypt(text) is None
    assert fields.encryptions == 1


@pytest.mark.parametrize(
    ("text", "refusal"),
    [("Jane \ud800", InvalidText), (5, NotText), (b"Jane", NotText), (0, NotText), (["Jane"], NotText)],
)
def test_it_refuses_as_the_cipher_does_and_the_error_carries_nothing(
    fields: PhiFields, text: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal) as refused:
        fields.encrypt(text)
    assert refused.value.__context__ is None
    assert refused.value.__cause__ is None
    assert "Jane" not in str(refused.value)
    assert fields.encryptions == 1


def test_what_the_library_refuses_here_the_cipher_itself_is_asked_for(fields: PhiFields) -> None:
    class TooLong:
        """Stands in for the library, which says so from 2 GiB on."""

        def encrypt(self, *_: object) -> bytes:
            raise OverflowError("Data or associated data too long. Max 2**31 - 1 bytes")

    fields._key._snapshot.aead = TooLong()  # type: ignore[assignment]
    assert fields.decrypt(fields.encrypt("text")) == "text"


@pytest.mark.parametrize("texts", [9, 10, 11, 25])
def test_each_is_counted_and_the_warning_comes_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, texts: int
) -> None:
    monkeypatch.setattr(phi.usage, "WARN_AFTER", 10)
    fields = PhiFields(CachedKey(Source(os.urandom(32))))
    for _ in range(texts):
        fields.encrypt("a")
    assert fields.encryptions == texts
    assert len(caplog.records) == (texts > 10)


@pytest.mark.parametrize("seconds", [300.0, 301.0])
def test_a_key_past_its_time_is_not_written_under(source: Source, seconds: float) -> None:
    now = [0.0]
    fields = PhiFields(CachedKey(source, ttl=300, grace=0, refresh_ahead=0, clock=lambda: now[0]))
    fields.encrypt("a")
    former, source.key = source.key, os.urandom(32)
    now[0] = seconds
    record = fields.encrypt("b")
    assert PhiCipher(source.key).decrypt(record) == "b"
    assert source.calls == 2
    assert former != source.key
