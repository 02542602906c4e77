"""The search hashes equal the application's: by vectors made with OpenSSL's command line, and by Node."""

from __future__ import annotations

import json
import random
import subprocess

import pytest

from eonpro_phi import CachedKey, PhiFields
from eonpro_phi.hashes import NORMALISATIONS, derived_hash_key, text_hash

KEY = bytes(range(32))

# printf patient-dedup-v1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:<data key> is the hash key;
# printf <normalised text> | openssl dgst -sha256 -mac HMAC -macopt hexkey:<hash key> the hash.
VECTORS = [
    ("email", "jane@example.org", "70770879bb2561a2d16a4f9aa7bd086f07efad0885a319e71b1c07a722762239"),
    ("email", "\ufeff Jane@EXAMPLE.org\n", "70770879bb2561a2d16a4f9aa7bd086f07efad0885a319e71b1c07a722762239"),
    ("email", "JÖHN@例え.jp", "e3df9ef6614b488a48f17337415199d1b8726f694982f960e046ef61c83164d1"),
    ("dob", "1980-04-05", "70ebcc47b715f57d9bb55060973d9b53134772589f3fd62d340600019d03c393"),
    ("dob", " 4/5/1980 ", "70ebcc47b715f57d9bb55060973d9b53134772589f3fd62d340600019d03c393"),
    ("dob", "04-5-1980", "70ebcc47b715f57d9bb55060973d9b53134772589f3fd62d340600019d03c393"),
    ("dob", "1980-04-05T23:59:59.000Z", "70ebcc47b715f57d9bb55060973d9b53134772589f3fd62d340600019d03c393"),
]
NO_HASH = [
    *(("email", text) for text in ("", "unknown@example.com", " UNKNOWN@intake.local", "x@placeholder.local", "  ")),
    *(("dob", text) for text in ("", "1900-01-01", "01/01/1900", "1900-01-01T00:00:00Z", " ")),
]


@pytest.mark.parametrize(("field", "text", "expected"), VECTORS)
def test_a_patient_is_found_again_by_the_hash_of_a_vector(field: str, text: str, expected: str) -> None:
    assert derived_hash_key(KEY).hex() == "64c5c91940268753c953eef38c2e9e336dce4416318f733d86697bbb6c4c75b2"
    assert text_hash(derived_hash_key(KEY), text, NORMALISATIONS[field]) == expected


@pytest.mark.parametrize(("field", "text"), NO_HASH)
def test_placeholders_have_no_hash_and_match_no_other_patient(field: str, text: str) -> None:
    assert text_hash(KEY, text, NORMALISATIONS[field]) is None


def pinned(key: bytes) -> CachedKey:
    """A cached key without KMS."""
    return CachedKey(type("Pinned", (), {"data_key": lambda self: key})())


def test_a_service_finds_a_patient_by_the_key_of_the_application() -> None:
    text, expected = VECTORS[1][1], VECTORS[1][2]
    assert PhiFields(pinned(KEY)).search_hash("email", text) == expected
    rotated = PhiFields(pinned(bytes(32)), hash_key=pinned(derived_hash_key(KEY)))
    assert rotated.search_hash("email", text) == expected, "a hash key of its own outlives the data key"
    assert rotated.search_hash("dob", None) is None
    with pytest.raises(KeyError):
        rotated.search_hash("phone", "555")


# As in the application, whose runtime is Node: what its String functions make of white space and upper case.
NODE = """
const { createHmac } = require("node:crypto");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const key = hmac(Buffer.from(process.argv[1], "hex"), "patient-dedup-v1");
const texts = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => hmac(key, text.toLowerCase().trim()).toString("hex"))));
"""


@pytest.mark.needs("node")
def test_thousands_of_addresses_have_the_hash_that_node_gives_them() -> None:
    generator = random.Random(16)
    alphabet = "aZ09@.+-_ÄßİΣςǅñŉﬀ患🩺\t\x0b\x1c\x1f\x85\xa0\u1680\u180e\u2003\u200b\u2028\u202f\u3000\ufeff "
    texts = ["x".join(generator.choices(alphabet, k=number % 12 + 1)) for number in range(3000)]
    texts += [f"{left}jane@example.org{right}" for left in alphabet for right in alphabet]
    done = subprocess.run(
        ["node", "-e", NODE, KEY.hex()], input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=60
    )
    key, normalise = derived_hash_key(KEY), NORMALISATIONS["email"]
    # A text of white space alone is a placeholder here and in the application; Node above hashes it.
    ours = [text_hash(key, text, normalise) for text in texts]
    pairs = [(text, one) for text, one, other in zip(texts, ours, json.loads(done.stdout), strict=True) if one != other]
    assert [text for text, one in pairs if one is not None] == []
