"""The fast parser of the cipher and the simple one, `Record.parse`, accept the same texts."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given, settings
from hypothesis import strategies as st

import eonpro_phi.raw_record
from eonpro_phi import DecryptionError, PhiCipher
from tests.phi.cipher.simple_record import Record

KEY = bytes(range(32))
CIPHER = PhiCipher(KEY)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
CHARACTERS = ALPHABET + "=:-_.,;!\"' \t\n\r\x00\x7f\x80\u00a0\u00e9\u0131\uff1a\uff21\u200b\ud800\U0001f600"


def parse_simple(text: Any) -> tuple[bytes, bytes] | None:
    """The IV, and ciphertext and tag together; None for another text."""
    try:
        record = Record.parse(text)
    except DecryptionError:
        return None
    return record.iv, record.ciphertext + record.tag


def parse_fast(text: Any) -> tuple[bytes, bytes] | None:
    """The same by the fast parser; an error that the cipher does not handle fails the test."""
    try:
        return eonpro_phi.raw_record.split_record(text)
    except eonpro_phi.raw_record.DECRYPTION_FAILURES:
        return None


def decrypt_simple(text: str) -> str | None:
    """The text of a record, by the simple parser."""
    parts = parse_simple(text)
    try:
        return AESGCM(KEY).decrypt(*parts, None).decode() if parts else None
    except (InvalidTag, UnicodeDecodeError):
        return None


def check(text: str) -> bool:
    """Whether it is a record; both parsers and all ways to decrypt must agree."""
    expected = parse_simple(text)
    assert parse_fast(text) == expected, ascii(text)
    plain = decrypt_simple(text)
    for decrypt in (CIPHER.decrypt, lambda record: CIPHER.decrypt_many([record])[0]):
        try:
            assert decrypt(text) == plain
        except DecryptionError as error:
            assert plain is None, ascii(text)
            assert error.__context__ is None and error.__cause__ is None
    return expected is not None


def record_of(message: bytes, iv: bytes = bytes(range(100, 116))) -> str:
    sealed = AESGCM(KEY).encrypt(iv, message, None)
    return str(Record(iv=iv, tag=sealed[-16:], ciphertext=sealed[:-16]))


RECORDS = [record_of(b"x" * number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("record", RECORDS, ids=len)
def test_with_any_character_in_any_place(record: str) -> None:
    accepted = 0
    for place in range(len(record)):
        for character in CHARACTERS:
            text = record[:place] + character + record[place + 1 :]
            expected = parse_simple(text)
            assert parse_fast(text) == expected, ascii(text)
            accepted += expected is not None
    assert accepted >= 2 * (21 * 64 + 4)  # the 22nd character of IV and tag has four bits that are 0


@pytest.mark.parametrize("record", RECORDS, ids=len)
def test_with_any_character_more_or_less(record: str) -> None:
    for place in range(len(record) + 1):
        for character in CHARACTERS:
            text = record[:place] + character + record[place:]
            assert parse_fast(text) == parse_simple(text), ascii(text)
        for length in range(1, 5):
            text = record[:place] + record[place + length :]
            assert parse_fast(text) == parse_simple(text), ascii(text)


def test_with_any_ending() -> None:
    opening = RECORDS[0][:50]
    accepted = 0
    for first in "AQgwBz=:+":
        for second in ALPHABET + "=:-":
            for third in ALPHABET + "=:-":
                text = f"{opening}A{first}{second}{third}"
                expected = parse_simple(text)
                assert parse_fast(text) == expected, ascii(text)
                accepted += expected is not None
    assert accepted == 7 * 64 * 64 + 7 * 16 + 4


def test_with_any_character_before_the_padding_of_iv_and_tag() -> None:
    record = RECORDS[2]
    accepted = 0
    for before_first in ALPHABET:
        for before_second in ALPHABET:
            text = record[:21] + before_first + record[22:46] + before_second + record[47:]
            expected = parse_simple(text)
            assert parse_fast(text) == expected, ascii(text)
            accepted += expected is not None
    assert accepted == 16


def test_with_colons_and_padding_in_any_two_places() -> None:
    record = RECORDS[1]
    for one in range(len(record)):
        for other in range(one, len(record) + 1):
            for change in ("==:", ":", "=", "AA"):
                text = (
                    record[:one] + change + record[one + len(change) : other] + change + record[other + len(change) :]
                )
                assert parse_fast(text) == parse_simple(text), ascii(text)


PARTS = st.one_of(st.binary(max_size=3), st.binary(min_size=14, max_size=20), st.binary(max_size=60))


@given(st.lists(PARTS, min_size=1, max_size=5), st.sampled_from([":", "=:", "==:", ": ", "::"]))
@settings(max_examples=150)
def test_with_any_parts(parts: list[bytes], separator: str) -> None:
    check(separator.join(base64.b64encode(part).decode() for part in parts))


PIECES = (*CHARACTERS, "", "==", "=:", "==:", "AA", "AAAA", "::")
EDITS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 4), st.sampled_from(PIECES)), min_size=1, max_size=4)


@given(st.text(min_size=1, max_size=40), EDITS)
@example(text="Jane", edits=[(0, 0, "")])
@example(text="Jane", edits=[(22, 3, ""), (44, 3, "==:"), (10, 0, "==:")])
@settings(max_examples=250)
def test_with_any_few_edits(text: str, edits: list[tuple[int, int, str]]) -> None:
    try:
        record = record_of(text.encode())
    except UnicodeEncodeError:
        record = record_of(b"Jane")
    for place, length, put in edits:
        record = record[:place] + put + record[place + length :]
    check(record)


@given(st.binary(max_size=40), st.binary(min_size=16, max_size=16))
@settings(max_examples=150)
def test_with_any_message_under_any_iv(message: bytes, iv: bytes) -> None:
    assert check(record_of(message, iv)) is bool(message)


@given(st.text(max_size=80))
@settings(max_examples=100)
def test_with_any_text(text: str) -> None:
    check(text)


@pytest.mark.parametrize("length", [1, 2, 4, 5])
def test_an_authentic_record_with_other_pad_bits_is_refused(length: int) -> None:
    record = record_of(b"x" * length)
    pads = record.count("=") - 4
    last = len(record) - pads - 1
    variants = {record[:last] + other + record[last + 1 :] for other in ALPHABET} - {record}
    same = {each for each in variants if base64.b64decode(each[50:]) == base64.b64decode(record[50:])}
    assert len(same) == {2: 15, 1: 3}[pads]
    assert check(record)
    assert not any(check(each) for each in same)
    for place in (21, 46):
        for other in ALPHABET:
            if other != record[place]:
                check(record[:place] + other + record[place + 1 :])


def test_an_authentic_record_with_a_separator_where_its_ciphertext_has_a_double_a_is_refused() -> None:
    replaced = 0
    for number in range(2000):
        record = record_of(b"x" * 60, number.to_bytes(16, "little"))
        iv, tag, ciphertext = record.split(":")
        if "AA" in ciphertext:
            assert check(record)
            assert not check(f"{iv}:{tag}:{ciphertext.replace('AA', '==:')}")
            assert not check(f"{iv}:{tag}:{ciphertext.replace('AA', '==:', 1)}")
            replaced += 1
    assert replaced > 10


class AllColons:
    """An object with a colon at every index."""

    def __getitem__(self, _: object) -> str:
        return ":"


LETTERS: list[str] = list(RECORDS[0])
OTHER_TYPES: list[Any] = [
    5,
    2.5,
    True,
    False,
    b"",
    RECORDS[0].encode(),
    bytearray(60),
    LETTERS,
    tuple(LETTERS),
    {},
    object(),
]
OTHER_TYPES += [
    {24: ":", 49: ":"},
    AllColons(),
    str,
    [],
    [RECORDS[0]],
    memoryview(RECORDS[0].encode()),
    {RECORDS[0]},
    Ellipsis,
]


@pytest.mark.parametrize("value", OTHER_TYPES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "cipher", [CIPHER, PhiCipher(os.urandom(32), reading_keys=[KEY]), PhiCipher(KEY, lenient=True)]
)
def test_other_types_raise_the_same_error_as_a_bad_record(cipher: PhiCipher, value: Any) -> None:
    for decrypt in (cipher.decrypt, lambda other: cipher.decrypt_many([RECORDS[0], other])):
        with pytest.raises(DecryptionError) as caught:
            decrypt(value)
        assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_a_subclass_of_str_is_read_as_text() -> None:
    class Name(str):
        pass

    assert CIPHER.decrypt(Name(RECORDS[0])) == "x"
    assert CIPHER.decrypt_many([Name(RECORDS[1])]) == ["xx"]
