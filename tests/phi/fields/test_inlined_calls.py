"""With a cached key PhiFields.encrypt runs inline: its records, counts and errors are those of PhiCipher."""

from __future__ import annotations

import os

import pytest

import eonpro_phi.cipher
import eonpro_phi.fields
from eonpro_phi import CachedKey, InvalidText, NotText, PhiCipher, PhiFields

IV = bytes(range(16))


class Source:
    """A fake of KMS."""

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
    """The key is cached after the first text."""
    fields = PhiFields(CachedKey(source))
    fields.encrypt("first")
    return fields


@pytest.mark.parametrize("text", ["a", "Jane", "患者 Ana 😀", "x" * 1000])
def test_its_record_equals_that_of_the_cipher(
    source: Source, fields: PhiFields, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    sizes: list[int] = []

    def random_bytes(size: int) -> bytes:
        sizes.append(size)
        return IV

    monkeypatch.setattr(eonpro_phi.fields, "random_bytes", random_bytes)
    monkeypatch.setattr(eonpro_phi.cipher, "random_bytes", random_bytes)
    assert fields.encrypt(text) == PhiCipher(source.key).encrypt(text)
    assert sizes == [16, 16]


def test_neither_the_source_nor_cached_key_cipher_is_called(
    source: Source, fields: PhiFields, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cipher(_: CachedKey) -> PhiCipher:
        raise AssertionError("CachedKey.cipher was called")

    monkeypatch.setattr(CachedKey, "cipher", cipher)
    for text in ("a", "b"):
        assert PhiCipher(source.key).decrypt(fields.encrypt(text)) == text
    assert source.calls == 1


@pytest.mark.parametrize("text", [None, ""])
def test_none_and_the_empty_text_return_none(fields: PhiFields, text: str | None) -> None:
    assert fields.encrypt(text) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [("Jane \ud800", InvalidText), (5, NotText), (b"Jane", NotText), (0, NotText), (["Jane"], NotText)],
)
def test_its_errors_are_those_of_the_cipher_and_hold_no_text(
    fields: PhiFields, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        fields.encrypt(text)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "Jane" not in str(caught.value)


def test_where_the_library_fails_the_cipher_tries_again(fields: PhiFields) -> None:
    class TooLong:
        """A fake of the library, which raises this from 2 GiB on."""

        def encrypt(self, *_: object) -> bytes:
            raise OverflowError("Data or associated data too long. Max 2**31 - 1 bytes")

    fields._key._snapshot.aead = TooLong()  # type: ignore[assignment]
    assert fields.decrypt(fields.encrypt("text")) == "text"


@pytest.mark.parametrize("seconds", [300.0, 301.0])
def test_an_expired_key_does_not_encrypt(source: Source, seconds: float) -> None:
    now = [0.0]
    fields = PhiFields(CachedKey(source, ttl=300, grace=0, clock=lambda: now[0]))
    fields.encrypt("a")
    former, source.key = source.key, os.urandom(32)
    now[0] = seconds
    record = fields.encrypt("b")
    assert PhiCipher(source.key).decrypt(record) == "b"
    assert source.calls == 2
    assert former != source.key
