"""The cipher: round trips, its agreement with Node's, and that its key stays inside."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

import phi.cipher
from phi import CipherUnsupported, KeyRefused, PhiCipher, RecordRefused, TextRefused

ROOT = Path(__file__).resolve().parents[2]
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

NODE = """
const crypto = require("node:crypto");
const { key, todo } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const k = Buffer.from(key, "hex");
const encrypt = (text) => {
  const iv = crypto.randomBytes(16);
  const cipher = crypto.createCipheriv("aes-256-gcm", k, iv);
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [iv, cipher.getAuthTag(), body].map((part) => part.toString("base64")).join(":");
};
const decrypt = (record) => {
  const [iv, tag, body] = record.split(":").map((part) => Buffer.from(part, "base64"));
  const decipher = crypto.createDecipheriv("aes-256-gcm", k, iv);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
};
console.log(JSON.stringify(todo.map(process.argv[1] === "encrypt" ? encrypt : decrypt)));
"""


def node(verb: str, todo: Sequence[str | None]) -> list[str]:
    done = subprocess.run(
        ["node", "-e", NODE, verb],
        input=json.dumps({"key": KEY.hex(), "todo": todo}),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


@pytest.fixture
def cipher() -> PhiCipher:
    return PhiCipher(KEY)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_as_it_went_in(cipher: PhiCipher, text: str) -> None:
    assert cipher.decrypt(cipher.encrypt(text)) == text


def test_nothing_encrypts_to_nothing(cipher: PhiCipher) -> None:
    assert cipher.encrypt(None) is None
    assert cipher.encrypt("") is None
    assert cipher.decrypt(None) is None


def test_an_iv_is_never_used_twice(cipher: PhiCipher) -> None:
    ivs = {(cipher.encrypt("same") or "").split(":")[0] for _ in range(2000)}
    assert len(ivs) == 2000


def test_node_reads_what_this_library_writes(cipher: PhiCipher) -> None:
    assert node("decrypt", [cipher.encrypt(text) for text in TEXTS]) == list(TEXTS)


def test_this_library_reads_what_node_writes(cipher: PhiCipher) -> None:
    assert [cipher.decrypt(record) for record in node("encrypt", TEXTS)] == list(TEXTS)


@pytest.mark.parametrize(("record", "text"), NODE_RECORDS)
def test_records_written_by_node_long_ago_still_open(cipher: PhiCipher, record: str, text: str) -> None:
    assert cipher.decrypt(record) == text


def test_another_key_does_not_open_a_record(cipher: PhiCipher) -> None:
    with pytest.raises(RecordRefused):
        PhiCipher(bytes(32)).decrypt(cipher.encrypt("text"))


def test_a_lone_surrogate_is_refused_without_repeating_the_text(cipher: PhiCipher) -> None:
    with pytest.raises(TextRefused) as refused:
        cipher.encrypt("Jane \ud800")
    assert "Jane" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(24), bytes(31), bytes(33), "0" * 32, None, bytearray(32)])
def test_only_thirty_two_bytes_are_a_key(key: object) -> None:
    with pytest.raises(KeyRefused, match=r"^A data key is exactly 32 bytes\.$"):
        PhiCipher(key)  # type: ignore[arg-type]


def test_the_key_shows_nowhere(cipher: PhiCipher) -> None:
    shown = f"{cipher!r} {cipher} {cipher.__slots__} {dir(cipher)} {cipher._seal!r} {cipher._open!r}"
    assert repr(KEY)[2:-1] not in shown and KEY.hex() not in shown
    assert not hasattr(cipher, "__dict__")


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_cipher_is_neither_pickled_nor_copied(cipher: PhiCipher, copier: Callable[[PhiCipher], object]) -> None:
    with pytest.raises(TypeError, match="not copied or pickled"):
        copier(cipher)


def test_a_cipher_does_not_change(cipher: PhiCipher) -> None:
    with pytest.raises(AttributeError):
        cipher._seal = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        del cipher._seal
    assert cipher.decrypt(cipher.encrypt("text")) == "text"


def test_this_build_accepts_sixteen_byte_ivs() -> None:
    phi.cipher.require_sixteen_byte_ivs()


@pytest.mark.parametrize("error", [ValueError("Nonce"), UnsupportedAlgorithm("FIPS"), InternalError("iv", [])])
def test_a_build_that_refuses_them_is_named_plainly(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Fips:
        def __init__(self, key: bytes) -> None: ...

        def encrypt(self, *_: object) -> bytes:
            raise error

    monkeypatch.setattr(phi.cipher, "AESGCM", Fips)
    with pytest.raises(CipherUnsupported, match="16-byte IVs"):
        phi.cipher.require_sixteen_byte_ivs()


def test_importing_the_library_loads_neither_aws_nor_pulumi() -> None:
    script = "import sys, phi; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert "phi" in loaded and "cryptography" in loaded
    assert not loaded & {"boto3", "botocore", "pulumi", "pulumi_aws", "wizard", "components", "sandbox"}
