"""Records equal those of other implementations, in both directions: of Node, and of one without OpenSSL."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from functools import cache

import pytest
from Crypto.Cipher import AES

import eonpro_phi.cipher
from eonpro_phi import PhiCipher

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
NUMBER = 10_000

# As in the application, one result a line: for each [iv, text, record] the record of that text under that IV, and
# the text of that record.
NODE = """
const crypto = require("node:crypto");
const key = Buffer.from(process.argv[1], "hex");
const encrypt = (iv, text) => {
  const cipher = crypto.createCipheriv("aes-256-gcm", key, iv);
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [iv, cipher.getAuthTag(), body].map((part) => part.toString("base64")).join(":");
};
const decrypt = (record) => {
  const [iv, tag, body] = record.split(":").map((part) => Buffer.from(part, "base64"));
  const decipher = crypto.createDecipheriv("aes-256-gcm", key, iv);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
};
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [iv, text, record] = JSON.parse(line);
  process.stdout.write(JSON.stringify([encrypt(Buffer.from(iv, "hex"), text), decrypt(record)]) + "\\n");
});
"""


@cache
def texts() -> list[str]:
    """Of 1 to 300 characters, each length many times, of characters that take one to four bytes in UTF-8."""
    made, generator = [], random.Random(22)
    planes = ('aZ09 ,.:=/+\\"\x00\n', "äßéñΩж", "患者字€\uffff\u2028", "🩺👩\U0010ffff𝒜")
    for number in range(NUMBER):
        alphabet = "".join(generator.sample(planes, generator.randint(1, 4)))
        made.append("".join(generator.choices(alphabet, k=number % 300 + 1)))
    return made


def encrypted_with(monkeypatch: pytest.MonkeyPatch, ivs: list[bytes]) -> list[str | None]:
    """The records of all texts, encrypted one at a time with these IVs."""
    remaining = iter(ivs)
    monkeypatch.setattr(eonpro_phi.cipher, "random_bytes", lambda size: next(remaining))
    return [PhiCipher(KEY).encrypt(text) for text in texts()]


def ivs_of(records: list[str | None]) -> list[bytes]:
    return [base64.b64decode((record or "")[:24]) for record in records]


def test_the_texts_are_of_every_length_and_width() -> None:
    assert len(texts()) == NUMBER
    assert {len(text) for text in texts()} == set(range(1, 301))
    assert {len(character.encode()) for text in texts() for character in text} == {1, 2, 3, 4}


@pytest.mark.needs("node")
def test_ten_thousand_records_are_nodes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    records = PhiCipher(KEY).encrypt_many(texts())
    ivs = [iv[::-1] for iv in ivs_of(records)]
    requests = (json.dumps([iv.hex(), text, record]) for iv, text, record in zip(ivs, texts(), records, strict=True))
    done = subprocess.run(
        ["node", "-e", NODE, KEY.hex()],
        input="\n".join(requests),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    answers = [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]
    assert [text for _, text in answers] == texts()
    theirs = [record for record, _ in answers]
    assert PhiCipher(KEY).decrypt_many(theirs) == texts()
    assert [PhiCipher(KEY).decrypt(record) for record in theirs] == texts()
    assert encrypted_with(monkeypatch, ivs) == theirs


@pytest.mark.thorough
def test_ten_thousand_records_equal_those_of_an_implementation_without_openssl(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = PhiCipher(KEY).encrypt_many(texts())
    ivs = [iv[::-1] for iv in ivs_of(records)]
    theirs = []
    for iv, text, record in zip(ivs, texts(), records, strict=True):
        ours = [base64.b64decode(part, validate=True) for part in (record or "").split(":")]
        assert AES.new(KEY, AES.MODE_GCM, nonce=ours[0]).decrypt_and_verify(ours[2], ours[1]).decode() == text
        body, tag = AES.new(KEY, AES.MODE_GCM, nonce=iv, mac_len=16).encrypt_and_digest(text.encode())
        theirs.append(":".join(base64.b64encode(part).decode() for part in (iv, tag, body)))
    assert PhiCipher(KEY).decrypt_many(theirs) == texts()
    assert [PhiCipher(KEY).decrypt(record) for record in theirs] == texts()
    assert encrypted_with(monkeypatch, ivs) == theirs
