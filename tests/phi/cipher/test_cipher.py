"""The cipher: round trips, reading keys, the lenient mode, and that its key stays inside."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

import eonpro_phi.cipher
from eonpro_phi import CipherUnsupported, DecryptionError, InvalidDataKey, InvalidText, PhiCipher

ROOT = Path(__file__).resolve().parents[3]
KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
TEXTS = (
    "a",
    "Jane Roe, 1970-01-01",
    "Ärztin",
    "患者",
    "🩺👩‍⚕️",
    "\x00\n\t",
    "e\u0301 is not é",
    " ",
    "x" * 100_000,
)

# Written by Node 20's crypto.createCipheriv("aes-256-gcm", KEY, iv) with these IVs, and pinned here.
NODE_RECORDS = (
    (
        "8PHy8/T19vf4+fr7/P3+/w==:wK2tgtx1iiod2gDHX1h79Q==:8gBySrHSgaKExWL8Oh6XmkPJcIo=",
        "Jane Roe, 1970-01-01",
    ),
    ("ABEiM0RVZneImaq7zN3u/w==:jdrJsMqf7QwKR7yUoNwhnQ==:/QVHndqym1m9DBEw77POmfYimQ==", "患者 🩺 Ärztin"),
)


@pytest.fixture
def cipher() -> PhiCipher:
    return PhiCipher(KEY)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_as_it_went_in(cipher: PhiCipher, text: str) -> None:
    assert cipher.decrypt(cipher.encrypt(text)) == text


def test_none_and_the_empty_text_encrypt_to_none(cipher: PhiCipher) -> None:
    assert cipher.encrypt(None) is None
    assert cipher.encrypt("") is None
    assert cipher.decrypt(None) is None


def test_an_iv_is_never_used_twice(cipher: PhiCipher) -> None:
    ivs = {(cipher.encrypt("same") or "").split(":")[0] for _ in range(2000)}
    assert len(ivs) == 2000


@pytest.mark.parametrize(("record", "text"), NODE_RECORDS)
def test_records_written_by_node_long_ago_still_open(cipher: PhiCipher, record: str, text: str) -> None:
    assert cipher.decrypt(record) == text


def test_another_key_does_not_open_a_record(cipher: PhiCipher) -> None:
    with pytest.raises(DecryptionError):
        PhiCipher(bytes(32)).decrypt(cipher.encrypt("text"))


def test_threads_share_a_cipher() -> None:
    old = os.urandom(32)
    cipher = PhiCipher(os.urandom(32), reading_keys=[old])
    theirs = PhiCipher(old).encrypt("under another key")

    def work(number: int) -> bool:
        texts = [f"{number} {'x' * length}" for length in range(150)]
        records = cipher.encrypt_many(texts)
        return (
            [cipher.decrypt(cipher.encrypt(text)) for text in texts] == texts
            and cipher.decrypt_many(records) == texts
            and cipher.decrypt(theirs) == "under another key"
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(40)))


# Reading keys


def test_reading_keys_decrypt_and_the_first_key_encrypts() -> None:
    old, older, new = (os.urandom(32) for _ in range(3))
    cipher = PhiCipher(new, reading_keys=[old, older])
    for key in (new, old, older):
        record = PhiCipher(key).encrypt("text")
        assert cipher.decrypt(record) == "text"
        assert cipher.decrypt_many([record, None]) == ["text", None]
    assert PhiCipher(new).decrypt(cipher.encrypt("text")) == "text"
    assert PhiCipher(new).decrypt_many(cipher.encrypt_many(["text"])) == ["text"]


def test_a_list_may_hold_records_of_every_key() -> None:
    keys = [os.urandom(32) for _ in range(3)]
    texts = [f"text {number}" for number in range(3000)]
    records = [PhiCipher(keys[number // 1000]).encrypt(text) for number, text in enumerate(texts)]
    assert PhiCipher(keys[0], reading_keys=keys[1:]).decrypt_many(records) == texts


def test_a_cipher_without_reading_keys_decrypts_only_records_of_its_own_key() -> None:
    old, new = os.urandom(32), os.urandom(32)
    record = PhiCipher(old).encrypt("text")
    with pytest.raises(DecryptionError):
        PhiCipher(new).decrypt(record)
    with pytest.raises(DecryptionError):
        PhiCipher(new, reading_keys=[os.urandom(32)]).decrypt(record)


def test_a_reading_key_is_as_strict_as_the_first() -> None:
    old = os.urandom(32)
    cipher = PhiCipher(os.urandom(32), reading_keys=[old])
    record = PhiCipher(old).encrypt("text") or ""
    for bad in (record[:-4], record[:-1], record.replace(":", ";"), record + "=", record.lower(), f" {record}"):
        with pytest.raises(DecryptionError) as caught:
            cipher.decrypt(bad)
        assert caught.value.__context__ is None and caught.value.__cause__ is None


@pytest.mark.parametrize("reading_keys", [[b""], [bytes(32), bytes(31)], ["0" * 32], [None], bytes(32)])
def test_a_reading_key_is_exactly_thirty_two_bytes(reading_keys: Any) -> None:
    with pytest.raises(InvalidDataKey):
        PhiCipher(KEY, reading_keys=reading_keys)


# The lenient mode

PLAIN = (
    "",
    "Jane Roe",
    "12:30:45",
    "a:b:c",
    "::",
    "日本:日本:日本",
    "x" * 1000,
    "note: seen at 12:30",
    "A" * 22 + "==",
    "A" * 22 + "===:A",
    "A" * 23 + "==:A",
    "A" * 21 + "==:A",
    "A" * 21 + ".==:A",
    " " + "A" * 22 + "==:A",
    f"{'A' * 24}:{'A' * 23}:",
    f"{'A' * 24}:{'A' * 25}:",
    f"{'A' * 23}:{'A' * 24}:",
)


@pytest.mark.parametrize("text", PLAIN)
def test_a_lenient_cipher_returns_other_texts_unchanged(text: str) -> None:
    cipher = PhiCipher(KEY, lenient=True)
    assert cipher.decrypt(text) == text
    assert cipher.decrypt_many([cipher.encrypt("b"), text, None]) == ["b", text, None]
    assert cipher.decrypt_fields({"city": text, "id": text}) == {"city": text, "id": text}
    with pytest.raises(DecryptionError):
        PhiCipher(KEY).decrypt(text)


def test_a_lenient_cipher_decrypts_records(cipher: PhiCipher) -> None:
    lenient = PhiCipher(KEY, lenient=True)
    assert lenient.decrypt(cipher.encrypt("text")) == "text"
    assert lenient.decrypt(None) is None


def test_a_lenient_cipher_decrypts_with_a_reading_key() -> None:
    old = os.urandom(32)
    cipher = PhiCipher(os.urandom(32), reading_keys=[old], lenient=True)
    assert cipher.decrypt_many([PhiCipher(old).encrypt("text"), "plain"]) == ["text", "plain"]


def test_a_lenient_cipher_refuses_a_damaged_record() -> None:
    cipher = PhiCipher(KEY, lenient=True)
    record = cipher.encrypt("text of a patient") or ""
    for bad in (
        PhiCipher(bytes(32)).encrypt("of another key"),
        record[:-1],
        record[:-4],
        record[:50],
        record[:26],
        record[:25],
        record + "\n",
        f"!{record[1:]}",
        f"\n{record[1:]}",
        f"{record[:30]}!{record[31:]}",
        record.replace("=:", ":"),
        record.replace("==:", ":"),
        record.replace("=", "").replace("+", "-").replace("/", "_"),
    ):
        with pytest.raises(DecryptionError):
            cipher.decrypt(bad)
        with pytest.raises(DecryptionError):
            cipher.decrypt_many([bad])


def test_a_text_that_is_too_long_for_the_library_is_refused(cipher: PhiCipher) -> None:
    def too_long(*_: object) -> bytes:
        raise OverflowError("Data or associated data too long. Max 2**31 - 1 bytes")

    record = cipher.encrypt("text")
    # A fake of the library, which raises this from 2 GiB on.
    object.__setattr__(cipher, "_aead", SimpleNamespace(encrypt=too_long, decrypt=too_long))
    for encrypt in (cipher.encrypt, lambda text: cipher.encrypt_many([text])):
        with pytest.raises(InvalidText, match="exceeds 2 GiB") as caught:
            encrypt("text")
        assert caught.value.__context__ is None
    for decrypt in (cipher.decrypt, lambda value: cipher.decrypt_many([value])):
        with pytest.raises(DecryptionError):
            decrypt(record)


def test_a_lone_surrogate_is_refused_without_repeating_the_text(cipher: PhiCipher) -> None:
    with pytest.raises(InvalidText) as caught:
        cipher.encrypt("Jane \ud800")
    assert "Jane" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(24), bytes(31), bytes(33), "0" * 32, None, bytearray(32)])
def test_only_thirty_two_bytes_are_a_key(key: object) -> None:
    with pytest.raises(InvalidDataKey, match=r"^A data key is exactly 32 bytes\.$"):
        PhiCipher(key)  # type: ignore[arg-type]


def test_the_key_is_never_shown(cipher: PhiCipher) -> None:
    shown = f"{cipher!r} {cipher} {cipher.__slots__} {dir(cipher)} {cipher._aead!r}"
    assert repr(KEY)[2:-1] not in shown and KEY.hex() not in shown
    assert not hasattr(cipher, "__dict__")
    assert repr(PhiCipher(KEY, reading_keys=[bytes(32)], lenient=True)) == "PhiCipher(AES-256-GCM)"


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_cipher_is_neither_pickled_nor_copied(cipher: PhiCipher, copier: Callable[[PhiCipher], object]) -> None:
    with pytest.raises(TypeError, match=r"^A PhiCipher cannot be copied or pickled: it holds a data key\.$"):
        copier(cipher)


def test_a_cipher_is_immutable(cipher: PhiCipher) -> None:
    with pytest.raises(AttributeError, match=r"^A PhiCipher is immutable\.$"):
        cipher._aead = None  # type: ignore[assignment]
    with pytest.raises(AttributeError, match=r"^A PhiCipher is immutable\.$"):
        del cipher._aead
    assert cipher.decrypt(cipher.encrypt("text")) == "text"


def test_this_build_accepts_sixteen_byte_ivs() -> None:
    eonpro_phi.cipher.require_sixteen_byte_ivs()


@pytest.mark.parametrize("error", [ValueError("Nonce"), UnsupportedAlgorithm("FIPS"), InternalError("iv", [])])
def test_a_build_that_refuses_them_is_reported(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Fips:
        def __init__(self, key: bytes) -> None: ...

        def encrypt(self, *_: object) -> bytes:
            raise error

    monkeypatch.setattr(eonpro_phi.cipher, "AESGCM", Fips)
    with pytest.raises(CipherUnsupported) as caught:
        eonpro_phi.cipher.require_sixteen_byte_ivs()
    assert caught.value.__cause__ is error
    assert str(caught.value) == (
        "This build of OpenSSL refuses AES-GCM with 16-byte IVs, as some FIPS builds do. "
        "It can neither write nor read PHI records. Use a build that accepts them."
    )


def test_importing_the_library_loads_neither_aws_nor_pulumi() -> None:
    script = "import sys, phi; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert "eonpro_phi" in loaded and "cryptography" in loaded
    assert not loaded & {"boto3", "botocore", "pulumi", "pulumi_aws", "wizard", "components", "sandbox"}
