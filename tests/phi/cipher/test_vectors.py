"""Project Wycheproof's AES-GCM vectors, written as records; their file has source and version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import eonpro_phi.cipher
import eonpro_phi.raw_record
from eonpro_phi import DecryptionError, PhiCipher
from tests.phi.cipher.simple_record import Record

VECTORS = Path(__file__).parent / "vectors" / "wycheproof_aes_256_gcm.json"


@dataclass(frozen=True, kw_only=True)
class Vector:
    """One test of Wycheproof."""

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
RECORD_VECTORS = [vector for vector in ALL if len(vector.iv) == 16 and not vector.aad and vector.ciphertext]
MODIFIED_TAGS = [vector for vector in ALL if not vector.valid and len(vector.iv) == 12]


def test_the_file_has_the_expected_vectors() -> None:
    assert len(ALL) == 105
    assert len(RECORD_VECTORS) == 18 and all(vector.valid for vector in RECORD_VECTORS)
    assert len([vector for vector in RECORD_VECTORS if vector.text]) == 12
    assert len(MODIFIED_TAGS) == 27 and all(
        "tag" in vector.comment.lower() or "msb" in vector.comment for vector in MODIFIED_TAGS
    )


def test_this_build_of_the_library_agrees_with_every_vector_whatever_its_iv() -> None:
    decrypted = 0
    for vector in ALL:
        if not 8 <= len(vector.iv) <= 128:  # the library accepts no others
            with pytest.raises(ValueError, match="Nonce"):
                AESGCM(vector.key).decrypt(vector.iv, vector.ciphertext + vector.tag, vector.aad)
        elif vector.valid:
            assert (
                AESGCM(vector.key).decrypt(vector.iv, vector.ciphertext + vector.tag, vector.aad) == vector.message
            ), vector
            assert (
                AESGCM(vector.key).encrypt(vector.iv, vector.message, vector.aad) == vector.ciphertext + vector.tag
            ), vector
            decrypted += 1
        else:
            with pytest.raises(InvalidTag):
                AESGCM(vector.key).decrypt(vector.iv, vector.ciphertext + vector.tag, vector.aad)
    assert decrypted > 60


@pytest.mark.parametrize("vector", RECORD_VECTORS, ids=lambda vector: f"tcId {vector.number}")
def test_a_vector_of_the_format_decrypts_as_a_record(vector: Vector) -> None:
    iv, sealed = eonpro_phi.raw_record.split_record(vector.record)
    assert AESGCM(vector.key).decrypt(iv, sealed, None) == vector.message
    if vector.text:
        assert PhiCipher(vector.key).decrypt(vector.record) == vector.text
        assert PhiCipher(bytes(32), reading_keys=[vector.key]).decrypt_many([vector.record]) == [vector.text]
    else:  # authentic, but not a text
        with pytest.raises(DecryptionError):
            PhiCipher(vector.key).decrypt(vector.record)


@pytest.mark.parametrize(
    "vector", [vector for vector in RECORD_VECTORS if vector.text], ids=lambda vector: f"tcId {vector.number}"
)
def test_with_the_vectors_iv_its_record_is_written(monkeypatch: pytest.MonkeyPatch, vector: Vector) -> None:
    for source in ("random_bytes", "urandom"):
        monkeypatch.setattr(eonpro_phi.cipher, source, lambda size: vector.iv * (size // 16))
    assert PhiCipher(vector.key).encrypt(vector.text) == vector.record
    assert PhiCipher(vector.key).encrypt_many([vector.text, None, vector.text]) == [vector.record, None, vector.record]


def test_every_modification_of_a_tag_is_refused_on_every_vector_of_the_format() -> None:
    refused = 0
    for modified in MODIFIED_TAGS:
        true = AESGCM(modified.key).encrypt(modified.iv, modified.message, None)[-16:]
        change = int.from_bytes(true) ^ int.from_bytes(modified.tag)
        assert change
        for vector in RECORD_VECTORS:
            tag = (int.from_bytes(vector.tag) ^ change).to_bytes(16)
            with pytest.raises(DecryptionError):
                PhiCipher(vector.key).decrypt(str(Record(iv=vector.iv, tag=tag, ciphertext=vector.ciphertext)))
            refused += 1
    assert refused == 27 * 18


def test_a_vector_of_another_shape_is_refused_as_a_record() -> None:
    others = [vector for vector in ALL if len(vector.iv) != 16 or vector.aad or not vector.ciphertext]
    assert {len(vector.iv) for vector in others} >= {0, 1, 8, 12, 15, 20, 32, 257}
    for vector in others:
        with pytest.raises(DecryptionError):
            PhiCipher(vector.key).decrypt(vector.record)
        with pytest.raises(DecryptionError):
            PhiCipher(vector.key).decrypt_many([vector.record])
