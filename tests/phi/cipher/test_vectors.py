"""Project Wycheproof's AES-GCM vectors, written as records; source and version stand in the file of the vectors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import phi.cipher
from phi import DecryptionError, PhiCipher, Record

VECTORS = Path(__file__).parent / "vectors" / "wycheproof_aes_256_gcm.json"


@dataclass(frozen=True, kw_only=True)
class Vector:
    """One test of Wycheproof's."""

    number: int
    valid: bool
    comment: str
    key: bytes
    iv: bytes
    aad: bytes
    message: bytes
    ciphertext: bytes
    tag: bytes

    @property
    def record(self) -> str:
        """As the application would store it."""
        return str(Record(iv=self.iv, tag=self.tag, ciphertext=self.ciphertext))

    @property
    def text(self) -> str | None:
        """The message, if it is a text that a record can hold."""
        try:
            return self.message.decode() or None
        except UnicodeDecodeError:
            return None


def vectors() -> list[Vector]:
    """All with a 256-bit key."""
    return [
        Vector(
            number=number,
            valid=result == "valid",
            comment=comment,
            **dict(zip(("key", "iv", "aad", "message", "ciphertext", "tag"), map(bytes.fromhex, rest), strict=True)),
        )
        for number, result, comment, *rest in json.loads(VECTORS.read_text(encoding="utf-8"))["tests"]
    ]


ALL = vectors()
OF_THE_FORMAT = [one for one in ALL if len(one.iv) == 16 and not one.aad and one.ciphertext]
MODIFIED_TAGS = [one for one in ALL if not one.valid and len(one.iv) == 12]


def test_the_vectors_are_those_that_are_meant() -> None:
    assert len(ALL) == 105
    assert len(OF_THE_FORMAT) == 18 and all(one.valid for one in OF_THE_FORMAT)
    assert len([one for one in OF_THE_FORMAT if one.text]) == 12
    assert len(MODIFIED_TAGS) == 27 and all(
        "tag" in one.comment.lower() or "msb" in one.comment for one in MODIFIED_TAGS
    )


def test_this_build_of_the_library_agrees_with_every_vector_whatever_its_iv() -> None:
    opened = 0
    for one in ALL:
        if not 8 <= len(one.iv) <= 128:  # the library takes no others
            with pytest.raises(ValueError, match="Nonce"):
                AESGCM(one.key).decrypt(one.iv, one.ciphertext + one.tag, one.aad)
        elif one.valid:
            assert AESGCM(one.key).decrypt(one.iv, one.ciphertext + one.tag, one.aad) == one.message, one
            assert AESGCM(one.key).encrypt(one.iv, one.message, one.aad) == one.ciphertext + one.tag, one
            opened += 1
        else:
            with pytest.raises(InvalidTag):
                AESGCM(one.key).decrypt(one.iv, one.ciphertext + one.tag, one.aad)
    assert opened > 60


@pytest.mark.parametrize("one", OF_THE_FORMAT, ids=lambda one: f"tcId {one.number}")
def test_a_vector_of_the_format_opens_as_a_record(one: Vector) -> None:
    iv, sealed = phi.cipher._split_record(one.record)
    assert AESGCM(one.key).decrypt(iv, sealed, None) == one.message
    if one.text:
        assert PhiCipher(one.key).decrypt(one.record) == one.text
        assert PhiCipher(bytes(32), reading=[one.key]).decrypt_many([one.record]) == [one.text]
    else:  # authentic, but no text
        with pytest.raises(DecryptionError):
            PhiCipher(one.key).decrypt(one.record)


@pytest.mark.parametrize("one", [one for one in OF_THE_FORMAT if one.text], ids=lambda one: f"tcId {one.number}")
def test_under_the_vectors_iv_its_record_is_written(monkeypatch: pytest.MonkeyPatch, one: Vector) -> None:
    for source in ("random_bytes", "urandom"):
        monkeypatch.setattr(phi.cipher, source, lambda size: one.iv * (size // 16))
    assert PhiCipher(one.key).encrypt(one.text) == one.record
    assert PhiCipher(one.key).encrypt_many([one.text, None, one.text]) == [one.record, None, one.record]


def test_every_modification_of_a_tag_is_refused_on_every_vector_of_the_format() -> None:
    refused = 0
    for modified in MODIFIED_TAGS:
        true = AESGCM(modified.key).encrypt(modified.iv, modified.message, None)[-16:]
        change = int.from_bytes(true) ^ int.from_bytes(modified.tag)
        assert change
        for one in OF_THE_FORMAT:
            tag = (int.from_bytes(one.tag) ^ change).to_bytes(16)
            with pytest.raises(DecryptionError):
                PhiCipher(one.key).decrypt(str(Record(iv=one.iv, tag=tag, ciphertext=one.ciphertext)))
            refused += 1
    assert refused == 27 * 18


def test_a_vector_of_another_shape_is_refused_as_a_record() -> None:
    others = [one for one in ALL if len(one.iv) != 16 or one.aad or not one.ciphertext]
    assert {len(one.iv) for one in others} >= {0, 1, 8, 12, 15, 20, 32, 257}
    for one in others:
        with pytest.raises(DecryptionError):
            PhiCipher(one.key).decrypt(one.record)
        with pytest.raises(DecryptionError):
            PhiCipher(one.key).decrypt_many([one.record])
