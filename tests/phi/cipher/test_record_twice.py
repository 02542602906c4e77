"""The quick reading of a record and the plain one accept the same texts: the plain one is `Record.parse`."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given, settings
from hypothesis import strategies as st

import phi.cipher
from phi import DecryptionError, PhiCipher, Record

KEY = bytes(range(32))
CIPHER = PhiCipher(KEY)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
CHARACTERS = ALPHABET + "=:-_.,;!\"' \t\n\r\x00\x7f\x80\u00a0\u00e9\u0131\uff1a\uff21\u200b\ud800\U0001f600"


def plainly(text: Any) -> tuple[bytes, bytes] | None:
    """What the plain reading finds: the IV, and ciphertext and tag in one; None for what is no record."""
    try:
        record = Record.parse(text)
    except DecryptionError:
        return None
    return record.iv, record.ciphertext + record.tag


def quickly(text: Any) -> tuple[bytes, bytes] | None:
    """What the quick reading finds; any error but those that the cipher takes for a refusal fails the test."""
    try:
        return phi.cipher._split_record(text)
    except phi.cipher._DECRYPTION_FAILURES:
        return None


def opened(text: str) -> str | None:
    """What a record holds, by the plain reading."""
    parts = plainly(text)
    try:
        return AESGCM(KEY).decrypt(*parts, None).decode() if parts else None
    except (InvalidTag, UnicodeDecodeError):
        return None


def check(text: str) -> bool:
    """Whether it is a record, on which both readings and all ways to decrypt agree."""
    expected = plainly(text)
    assert quickly(text) == expected, ascii(text)
    plain = opened(text)
    for decrypt in (CIPHER.decrypt, lambda one: CIPHER.decrypt_many([one])[0]):
        try:
            assert decrypt(text) == plain
        except DecryptionError as refusal:
            assert plain is None, ascii(text)
            assert refusal.__context__ is None and refusal.__cause__ is None
    return expected is not None


def written(message: bytes, iv: bytes = bytes(range(100, 116))) -> str:
    sealed = AESGCM(KEY).encrypt(iv, message, None)
    return str(Record(iv=iv, tag=sealed[-16:], ciphertext=sealed[:-16]))


RECORDS = [written(b"x" * number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("record", RECORDS, ids=len)
def test_with_any_character_in_any_place(record: str) -> None:
    accepted = 0
    for place in range(len(record)):
        for character in CHARACTERS:
            text = record[:place] + character + record[place + 1 :]
            expected = plainly(text)
            assert quickly(text) == expected, ascii(text)
            accepted += expected is not None
    assert accepted >= 2 * (21 * 64 + 4)  # the 22nd character of IV and tag has four bits that are 0


@pytest.mark.parametrize("record", RECORDS, ids=len)
def test_with_any_character_more_or_less(record: str) -> None:
    for place in range(len(record) + 1):
        for character in CHARACTERS:
            text = record[:place] + character + record[place:]
            assert quickly(text) == plainly(text), ascii(text)
        for length in range(1, 5):
            text = record[:place] + record[place + length :]
            assert quickly(text) == plainly(text), ascii(text)


def test_with_any_ending() -> None:
    opening = RECORDS[0][:50]
    accepted = 0
    for first in "AQgwBz=:+":
        for second in ALPHABET + "=:-":
            for third in ALPHABET + "=:-":
                text = f"{opening}A{first}{second}{third}"
                expected = plainly(text)
                assert quickly(text) == expected, ascii(text)
                accepted += expected is not None
    assert accepted == 7 * 64 * 64 + 7 * 16 + 4


def test_with_any_character_before_the_padding_of_iv_and_tag() -> None:
    record = RECORDS[2]
    accepted = 0
    for before_first in ALPHABET:
        for before_second in ALPHABET:
            text = record[:21] + before_first + record[22:46] + before_second + record[47:]
            expected = plainly(text)
            assert quickly(text) == expected, ascii(text)
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
                assert quickly(text) == plainly(text), ascii(text)


PARTS = st.one_of(st.binary(max_size=3), st.binary(min_size=14, max_size=20), st.binary(max_size=60))


@given(st.lists(PARTS, min_size=1, max_size=5), st.sampled_from([":", "=:", "==:", ": ", "::"]))
@settings(max_examples=150, deadline=None)
def test_with_any_parts(parts: list[bytes], separator: str) -> None:
    check(separator.join(base64.b64encode(part).decode() for part in parts))


PIECES = (*CHARACTERS, "", "==", "=:", "==:", "AA", "AAAA", "::")
EDITS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 4), st.sampled_from(PIECES)), min_size=1, max_size=4)


@given(st.text(min_size=1, max_size=40), EDITS)
@example(text="Jane", edits=[(0, 0, "")])
@example(text="Jane", edits=[(22, 3, ""), (44, 3, "==:"), (10, 0, "==:")])
@settings(max_examples=250, deadline=None)
def test_with_any_few_edits(text: str, edits: list[tuple[int, int, str]]) -> None:
    try:
        record = written(text.encode())
    except UnicodeEncodeError:
        record = written(b"Jane")
    for place, length, put in edits:
        record = record[:place] + put + record[place + length :]
    check(record)


@given(st.binary(max_size=40), st.binary(min_size=16, max_size=16))
@settings(max_examples=150, deadline=None)
def test_with_any_message_under_any_iv(message: bytes, iv: bytes) -> None:
    assert check(written(message, iv)) is bool(message)


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_with_any_text(text: str) -> None:
    check(text)


@pytest.mark.parametrize("length", [1, 2, 4, 5])
def test_an_authentic_record_in_another_spelling_of_its_padding_is_refused(length: int) -> None:
    record = written(b"x" * length)
    pads = record.count("=") - 4
    last = len(record) - pads - 1
    spellings = {record[:last] + other + record[last + 1 :] for other in ALPHABET} - {record}
    same = {one for one in spellings if base64.b64decode(one[50:]) == base64.b64decode(record[50:])}
    assert len(same) == {2: 15, 1: 3}[pads]
    assert check(record)
    assert not any(check(one) for one in same)
    for place in (21, 46):
        for other in ALPHABET:
            if other != record[place]:
                check(record[:place] + other + record[place + 1 :])


def test_an_authentic_record_with_a_separator_where_its_ciphertext_has_a_double_a_is_refused() -> None:
    spelt = 0
    for number in range(2000):
        record = written(b"x" * 60, number.to_bytes(16, "little"))
        iv, tag, ciphertext = record.split(":")
        if "AA" in ciphertext:
            assert check(record)
            assert not check(f"{iv}:{tag}:{ciphertext.replace('AA', '==:')}")
            assert not check(f"{iv}:{tag}:{ciphertext.replace('AA', '==:', 1)}")
            spelt += 1
    assert spelt > 10


class Yes:
    """Something with a colon wherever one looks."""

    def __getitem__(self, _: object) -> str:
        return ":"


LETTERS: list[str] = list(RECORDS[0])
THINGS: list[Any] = [
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
THINGS += [{24: ":", 49: ":"}, Yes(), str, [], [RECORDS[0]], memoryview(RECORDS[0].encode()), {RECORDS[0]}, Ellipsis]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize("cipher", [CIPHER, PhiCipher(os.urandom(32), reading=[KEY]), PhiCipher(KEY, lenient=True)])
def test_what_is_no_text_is_refused_as_a_record_that_does_not_open_is(cipher: PhiCipher, thing: Any) -> None:
    for decrypt in (cipher.decrypt, lambda one: cipher.decrypt_many([RECORDS[0], one])):
        with pytest.raises(DecryptionError) as refused:
            decrypt(thing)
        assert refused.value.__context__ is None and refused.value.__cause__ is None
    assert cipher.passed_through == 0


def test_a_kind_of_text_is_read_as_the_text_it_is() -> None:
    class Name(str):
        pass

    assert CIPHER.decrypt(Name(RECORDS[0])) == "x"
    assert CIPHER.decrypt_many([Name(RECORDS[1])]) == ["xx"]
