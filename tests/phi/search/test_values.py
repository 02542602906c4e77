"""Search values and tokens: known answers by OpenSSL, the same by Node, and what a lookup finds while keys change."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from eonpro_phi import CachedKey, KeySource, PhiFields
from eonpro_phi.derivation import derived_key, parts
from eonpro_phi.environment import WrappedKeys
from eonpro_phi.errors import AccessDenied, InvalidText, MalformedVariable, NotText, UnwrapError
from eonpro_phi.hashes import derived_hash_key
from eonpro_phi.search import ExactIndex, WordIndex
from eonpro_phi.search.keys import ExactKey, WordKey, exact_values, search_key, token_groups
from tests.phi.key_sources import Clock, CountingSource

HASH_KEY = bytes(range(32))
EMAIL = ExactIndex(table="Patient", column="emailSearch", rule="email")
WORDS = WordIndex(table="Patient", column="searchTokens")

# openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:<hash key> -kdfopt hexinfo:<parts> HKDF is the search key;
# printf <text> | openssl dgst -sha256 -mac HMAC -macopt hexkey:<search key> the value.
EMAIL_VALUE = "6aa54f1fac6701d1841f54054b91025b"
JO_OF_CLINIC_7 = [2709, 58338]


def openssl(*arguments: str, text: str = "") -> str:
    """The standard output of OpenSSL's command line."""
    done = subprocess.run(["openssl", *arguments], input=text.encode(), capture_output=True, check=True, timeout=30)
    return done.stdout.decode()


def key_by_openssl(*purpose: str) -> str:
    """The search key in hex, as OpenSSL derives it."""
    info = "".join(f"{len(part.encode()):08x}{part.encode().hex()}" for part in purpose)
    options = ("-kdfopt", "digest:SHA256", "-kdfopt", f"hexkey:{HASH_KEY.hex()}", "-kdfopt", f"hexinfo:{info}")
    return openssl("kdf", "-keylen", "32", *options, "HKDF").replace(":", "").strip().lower()


def hmac_by_openssl(key: str, text: str) -> str:
    return openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", text=text).split("= ")[1].strip()


@pytest.mark.parametrize("clinic", ["", "7", "Praxis Köln"])
def test_a_value_is_what_openssl_makes_of_the_same_parts(clinic: str) -> None:
    key = key_by_openssl("eonpro-phi-search-v1", "exact", "email", "Patient", "emailSearch", clinic)
    assert search_key(HASH_KEY, EMAIL, clinic).hex() == key
    assert ExactKey(HASH_KEY, EMAIL, clinic).value(" Jane@Example.ORG") == hmac_by_openssl(key, "jane@example.org")[:32]


def test_a_token_is_what_openssl_makes_of_the_same_parts() -> None:
    key = key_by_openssl("eonpro-phi-search-v1", "words", "words", "Patient", "searchTokens", "")
    numbers = {int(hmac_by_openssl(key, term)[:4], 16) for term in ("p:j", "p:jö", "p:jo", "p:joe")}
    ours = WordKey(HASH_KEY, WORDS).row_tokens(["Joe", None])
    assert ours == sorted(ours) and set(ours) == numbers - {int(hmac_by_openssl(key, "p:jö")[:4], 16)}
    narrow = int(hmac_by_openssl(key, "p:j")[:8], 16) >> 1
    thirty_one = WordIndex(table="Patient", column="searchTokens", bits=31)
    assert WordKey(HASH_KEY, thirty_one).tokens(["p:j"]) == [narrow] and narrow < 2**31


def test_a_value_is_known() -> None:
    assert ExactKey(HASH_KEY, EMAIL).value("jane@example.org") == EMAIL_VALUE
    assert WordKey(HASH_KEY, WORDS, "7").row_tokens(["Jo"]) == JO_OF_CLINIC_7


def test_equal_texts_are_unequal_in_another_clinic_table_column_and_rule() -> None:
    text, values = "5550102345", set()
    for clinic in ("", "1", "2"):
        for table, column in (("Patient", "a"), ("Patient", "b"), ("Patienta", ""), ("User", "a")):
            for rule in ("phone", "id", "text", "last4"):
                index = ExactIndex(table=table, column=column, rule=rule)
                values.add(ExactKey(HASH_KEY, index, clinic).value(text))
    assert len(values) == 3 * 4 * 4
    assert parts("ab", "c") != parts("a", "bc") and derived_key(HASH_KEY, "ab", "c") != derived_key(HASH_KEY, "abc")


def test_the_clinic_may_be_a_number_as_in_the_database() -> None:
    assert ExactKey(HASH_KEY, EMAIL, 7).value("a@b.org") == ExactKey(HASH_KEY, EMAIL, "7").value("a@b.org")


@pytest.mark.parametrize("text", [None, "", "unknown@example.com", " "])
def test_what_is_no_address_has_no_value_and_finds_no_row(text: str | None) -> None:
    key = ExactKey(HASH_KEY, EMAIL)
    assert key.value(text) is None and exact_values([key], text) == []
    assert not EMAIL.matches(text, text)


def test_what_cannot_be_encrypted_cannot_be_indexed_and_no_error_holds_it() -> None:
    id_index, words = ExactIndex(table="Patient", column="idSearch", rule="id"), WordKey(HASH_KEY, WORDS)
    with pytest.raises(InvalidText) as raised:
        ExactKey(HASH_KEY, id_index).value("secret\ud800")
    assert raised.value.__context__ is None and "secret" not in str(raised.value)
    assert words.row_tokens(["a\ud800b"]) == words.row_tokens(["a b"])
    for wrong in (7, b"7"):
        with pytest.raises(NotText):
            ExactKey(HASH_KEY, id_index).value(wrong)  # type: ignore[arg-type]
        with pytest.raises(NotText):
            words.row_tokens([wrong])  # type: ignore[list-item]
    with pytest.raises(NotText):
        words.row_tokens("Jane")


@pytest.mark.parametrize("bits", [0, 4, 7, 129, 260])
def test_an_index_refuses_a_width_that_it_cannot_store(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        ExactIndex(table="Patient", column="a", rule="id", bits=bits)
    with pytest.raises(ValueError, match="bits"):
        WordIndex(table="Patient", column="a", bits=bits if bits < 8 else 32)
    with pytest.raises(ValueError, match="email, phone, last4, date, id, text; not zip"):
        ExactIndex(table="Patient", column="a", rule="zip")


def pinned(key: bytes) -> CachedKey:
    return CachedKey(CountingSource(key))


def cached(*keys: bytes) -> CachedKey:
    """The first key, and reading keys."""
    sources: list[KeySource] = [CountingSource(key) for key in keys]
    return CachedKey(sources[0], reading_keys=sources[1:])


ONE, TWO, OWN, NEXT = (bytes([number]) * 32 for number in range(1, 5))

# The data keys, the hash key and the former ones of each stage; and the hash keys that its lookups have to try.
STAGES: list[tuple[Sequence[bytes], bytes | None, Sequence[bytes], bool, list[bytes]]] = [
    ([ONE], None, [], False, [derived_hash_key(ONE)]),
    ([ONE, TWO], None, [], False, [derived_hash_key(ONE), derived_hash_key(TWO)]),
    ([TWO, ONE], None, [], False, [derived_hash_key(TWO), derived_hash_key(ONE)]),
    # The first hash key of its own: known before anything is written under it, and the derived ones after.
    ([TWO], None, [OWN], False, [derived_hash_key(TWO), OWN]),
    ([TWO], OWN, [], True, [OWN, derived_hash_key(TWO)]),
    ([TWO, ONE], OWN, [], False, [OWN]),
    ([TWO], OWN, [NEXT], False, [OWN, NEXT]),
    ([TWO], NEXT, [OWN], False, [NEXT, OWN]),
]


@pytest.mark.parametrize(("data_keys", "own", "former", "derived", "tried"), STAGES)
def test_a_lookup_tries_the_current_and_every_former_hash_key(
    data_keys: Sequence[bytes], own: bytes | None, former: Sequence[bytes], derived: bool, tried: list[bytes]
) -> None:
    fields = PhiFields(
        cached(*data_keys),
        hash_key=pinned(own) if own else None,
        former_hash_keys=[pinned(key) for key in former],
        derived_hash_keys=derived,
    )
    values = fields.search_values(EMAIL, "jane@example.org", clinic="7")
    assert values == [ExactKey(key, EMAIL, "7").value("jane@example.org") for key in tried]
    assert values[0] == fields.search_value(EMAIL, "jane@example.org", clinic="7")
    (group,) = fields.search_groups(WORDS, "jane")
    assert group == [token for key in tried for token in WordKey(key, WORDS).tokens(["p:jane"])]
    assert group[0] in fields.search_tokens(WORDS, ["Jane", "Doe"])
    assert fields.search_hashes("email", "jane@example.org")[0] == fields.search_hash("email", "jane@example.org")
    assert len(fields.search_hashes("email", "jane@example.org")) == len(tried)


def test_without_a_former_key_a_lookup_fails_instead_of_finding_less() -> None:
    missing = CountingSource(TWO)
    missing.failure = AccessDenied("no")
    as_reading_key = PhiFields(CachedKey(CountingSource(ONE), reading_keys=[missing]))
    as_hash_key = PhiFields(pinned(ONE), former_hash_keys=[CachedKey(missing)])
    for fields in (as_reading_key, as_hash_key):
        with pytest.raises(AccessDenied):
            fields.search_values(EMAIL, "jane@example.org")
        with pytest.raises(UnwrapError):
            fields.search_groups(WORDS, "jane")
        assert fields.search_value(EMAIL, "jane@example.org"), "rows are still written"
    missing.failure = None
    as_hash_key.forget()
    assert len(as_hash_key.search_values(EMAIL, "jane@example.org")) == 2


def test_a_search_key_ends_with_the_key_that_it_is_of() -> None:
    """It is kept for the next lookup: never longer than its key, and never under a key that KMS refuses."""
    clock, data, own, former = Clock(), CountingSource(ONE), CountingSource(OWN), CountingSource(NEXT)
    key, hash_key = CachedKey(data, clock=clock), CachedKey(own, clock=clock)
    fields = PhiFields(
        key, hash_key=hash_key, former_hash_keys=[CachedKey(former, clock=clock)], derived_hash_keys=True
    )

    def values_under(*keys: bytes) -> list[str | None]:
        return [ExactKey(each, EMAIL, "7").value("a@b.org") for each in keys]

    for _ in range(2):
        assert fields.search_values(EMAIL, "a@b.org", 7) == values_under(OWN, derived_hash_key(ONE), NEXT)
    assert (data.unwraps, own.unwraps, former.unwraps) == (1, 1, 1)
    data.key, own.key = TWO, NEXT
    fields.forget()
    for _ in range(2):
        assert fields.search_values(EMAIL, "a@b.org", 7) == values_under(NEXT, derived_hash_key(TWO))
        assert fields.search_value(EMAIL, "a@b.org", 7) == values_under(NEXT)[0]
    own.key = OWN
    clock.now += 301  # past the TTL, after idle minutes: asked again before the next use
    assert fields.search_value(EMAIL, "a@b.org", 7) == values_under(OWN)[0]
    own.failure = AccessDenied("no")
    clock.now += 301
    with pytest.raises(AccessDenied):
        fields.search_value(EMAIL, "a@b.org", 7)
    with pytest.raises(AccessDenied):
        fields.search_tokens(WORDS, ["Jane"], 7)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copy.copy(WordKey(ONE, WORDS))
    assert ONE.hex() not in repr(WordKey(ONE, WORDS))


ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_KMS_KEY_ID": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "ENCRYPTED_PHI_KEY": "AQ==",
}


def test_the_former_hash_keys_come_from_a_variable() -> None:
    def read(value: str, **others: str) -> tuple[list[bytes], bool]:
        keys = WrappedKeys.from_environment({**ENVIRONMENT, **others, "ENCRYPTED_PHI_HASH_KEYS_FOR_READING": value})
        return [key.blob for key in keys.former_hash_keys], keys.derived_hash_keys

    assert read("") == ([], False) and read(" \n Ag==\tAw== Ag== ") == ([b"\2", b"\3"], False)
    assert read("Ag== Aw==", ENCRYPTED_PHI_HASH_KEY="Ag==") == ([b"\3"], False), "the current one is not a former one"
    assert read("derived Aw==", ENCRYPTED_PHI_HASH_KEY="Ag==") == ([b"\3"], True)
    with pytest.raises(MalformedVariable, match="ENCRYPTED_PHI_HASH_KEYS_FOR_READING: number 2 is not the base64"):
        read("Ag== 'Aw=='")


NODE = """
const { createHmac, hkdfSync } = require("node:crypto");
const [hashKey, indexes] = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const parts = (texts) => Buffer.concat(texts.flatMap((text) => {
  const bytes = Buffer.from(text), length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}));
console.log(JSON.stringify(indexes.map(([purpose, text]) => {
  const key = Buffer.from(hkdfSync("sha256", Buffer.from(hashKey, "hex"), "", parts(purpose), 32));
  return createHmac("sha256", key).update(text).digest("hex");
})));
"""


@pytest.mark.needs("node")
def test_node_makes_the_same_values_and_tokens() -> None:
    cases: list[tuple[list[str], str, Any, Any]] = []
    for clinic in ("", "7", "Köln 患者"):
        for rule, text in (("email", "a@b.org"), ("id", "mrn1"), ("text", "doe, jane"), ("phone", "5550102345")):
            index = ExactIndex(table='Pa"tient', column="é", rule=rule, bits=256)
            purpose = ["eonpro-phi-search-v1", "exact", rule, index.table, index.column, clinic]
            cases.append((purpose, text, ExactKey(HASH_KEY, index, clinic).value(text), lambda hex_: hex_))
        purpose = ["eonpro-phi-search-v1", "words", "words", WORDS.table, WORDS.column, clinic]
        for term in ("p:j", "e:2345", "p:患"):
            (ours,) = WordKey(HASH_KEY, WORDS, clinic).tokens([term])
            cases.append((purpose, term, ours, lambda hex_: int(hex_[:4], 16)))
    program = ["node", "-e", NODE]
    asked = json.dumps([HASH_KEY.hex(), [[purpose, text] for purpose, text, *_ in cases]])
    done = subprocess.run(program, input=asked, capture_output=True, text=True, check=True, timeout=60)
    assert [ours for *_, ours, _ in cases] == [
        read(answer) for (*_, read), answer in zip(cases, json.loads(done.stdout), strict=True)
    ]


def test_a_query_of_several_words_needs_a_token_of_each() -> None:
    groups = token_groups([WordKey(ONE, WORDS), WordKey(TWO, WORDS)], "Jane 2345 jane")
    assert [len(group) for group in groups] == [2, 4]
    row = set(WordKey(TWO, WORDS).row_tokens(["Jane Doe", "(555) 010-2345"]))
    assert all(row & set(group) for group in groups)
    assert token_groups([WordKey(ONE, WORDS)], " .-' ") == [] and not WORDS.matches(" .-' ", ["Jane"])
