"""The record format of PHI fields: read and written, and what is no record refused."""

from __future__ import annotations

import base64
import itertools
import sys
from collections.abc import Callable

import pytest

from phi import DecryptionError, PhiCipher, PhiError, Record

KEY = bytes(range(32))
TEXT = "Ärztin 患者 🩺"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@pytest.fixture(scope="module")
def cipher() -> PhiCipher:
    return PhiCipher(KEY)


@pytest.fixture(scope="module")
def record(cipher: PhiCipher) -> str:
    made = cipher.encrypt(TEXT)
    assert made is not None
    return made


def refusal(cipher: PhiCipher, record: str) -> DecryptionError:
    with pytest.raises(DecryptionError) as refused:
        cipher.decrypt(record)
    return refused.value


def test_a_record_is_a_sixteen_byte_iv_a_sixteen_byte_tag_and_the_ciphertext(record: str) -> None:
    parts = [base64.b64decode(part, validate=True) for part in record.split(":")]
    assert [len(part) for part in parts] == [16, 16, len(TEXT.encode("utf-8"))]


def test_parsing_and_writing_a_record_gives_the_same_text(record: str) -> None:
    assert str(Record.parse(record)) == record


def test_every_flipped_bit_of_a_record_is_refused(cipher: PhiCipher, record: str) -> None:
    parts = [base64.b64decode(part) for part in record.split(":")]
    flips = 0
    for index, part in enumerate(parts):
        for bit in range(len(part) * 8):
            flipped = bytearray(part)
            flipped[bit // 8] ^= 1 << bit % 8
            changed = [*parts[:index], bytes(flipped), *parts[index + 1 :]]
            refusal(cipher, ":".join(base64.b64encode(one).decode() for one in changed))
            flips += 1
    assert flips == 8 * (16 + 16 + len(TEXT.encode("utf-8")))


def test_every_other_character_in_any_place_of_the_text_is_refused(cipher: PhiCipher, record: str) -> None:
    for place, character in enumerate(record):
        for other in ALPHABET + "=:- \n\u00a0":
            if other != character:
                refusal(cipher, record[:place] + other + record[place + 1 :])


def test_every_flipped_bit_of_every_character_is_refused(cipher: PhiCipher, record: str) -> None:
    for place, character in enumerate(record):
        for bit in range(21):
            if ord(character) ^ 1 << bit <= sys.maxunicode:
                refusal(cipher, record[:place] + chr(ord(character) ^ 1 << bit) + record[place + 1 :])


def test_every_order_and_repetition_of_the_parts_but_the_one_is_refused(cipher: PhiCipher) -> None:
    record = cipher.encrypt("sixteen bytes...") or ""
    parts = record.split(":")
    assert {len(part) for part in parts} == {24}
    for order in itertools.product(parts, repeat=3):
        if order != tuple(parts):
            refusal(cipher, ":".join(order))
    assert cipher.decrypt(":".join(parts)) == "sixteen bytes..."


def test_every_swap_of_two_characters_is_refused(cipher: PhiCipher, record: str) -> None:
    for one, other in itertools.combinations(range(len(record)), 2):
        swapped = list(record)
        swapped[one], swapped[other] = swapped[other], swapped[one]
        if "".join(swapped) != record:
            refusal(cipher, "".join(swapped))


def test_every_rotation_and_the_reverse_of_the_characters_is_refused(cipher: PhiCipher, record: str) -> None:
    refusal(cipher, record[::-1])
    for length in range(1, len(record)):
        refusal(cipher, record[length:] + record[:length])


def test_blocks_of_the_ciphertext_in_another_order_are_refused(cipher: PhiCipher) -> None:
    text = "".join(f"{number:016}" for number in range(4))
    parts = Record.parse(cipher.encrypt(text) or "")
    blocks = [parts.ciphertext[at : at + 16] for at in range(0, 64, 16)]
    for order in itertools.permutations(blocks):
        if order != tuple(blocks):
            refusal(cipher, str(Record(iv=parts.iv, tag=parts.tag, ciphertext=b"".join(order))))


def test_parts_of_two_records_of_one_key_make_no_third(cipher: PhiCipher) -> None:
    one, other = ((cipher.encrypt(text) or "").split(":") for text in ("sixteen bytes...", "SIXTEEN BYTES..."))
    for mixed in itertools.product(*zip(one, other, strict=True)):
        if list(mixed) not in (one, other):
            refusal(cipher, ":".join(mixed))


def test_every_truncation_is_refused_from_either_end(cipher: PhiCipher, record: str) -> None:
    for length in range(len(record)):
        refusal(cipher, record[:length])
        refusal(cipher, record[len(record) - length :])


def test_truncated_parts_are_refused_though_each_is_good_base64(cipher: PhiCipher, record: str) -> None:
    parts = [base64.b64decode(part) for part in record.split(":")]
    for index, part in enumerate(parts):
        for length in range(len(part)):
            cut = [*parts[:index], part[:length], *parts[index + 1 :]]
            refusal(cipher, ":".join(base64.b64encode(one).decode() for one in cut))


def test_pad_bits_that_a_strict_decoder_ignores_are_refused(cipher: PhiCipher, record: str) -> None:
    iv, rest = record.split(":", 1)
    assert iv.endswith("==")
    spelling = iv[:-3] + ALPHABET[ALPHABET.index(iv[-3]) + 1] + "=="
    assert base64.b64decode(spelling, validate=True) == base64.b64decode(iv)
    refusal(cipher, f"{spelling}:{rest}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.replace("=", ""),
        lambda record: record + "=",
        lambda record: record + "\n",
        lambda record: " " + record,
        lambda record: f'"{record}"',
        lambda record: record + ":",
        lambda record: ":" + record,
        lambda record: record + ":AAAA",
        lambda record: record.replace(":", "."),
        lambda record: record.replace("=:", "=\n:", 1),
        lambda record: ":".join(reversed(record.split(":"))),
        lambda record: ":".join(record.split(":")[:2]) + ":",
        lambda record: ":".join(base64.b64decode(part).hex() for part in record.split(":")),
        lambda record: "::",
        lambda record: "",
        lambda record: "plain text",
        lambda record: "日本:日本:日本",
    ],
)
def test_other_spellings_are_refused(cipher: PhiCipher, record: str, spoil: Callable[[str], str]) -> None:
    refusal(cipher, spoil(record))


def test_url_safe_base64_is_refused(cipher: PhiCipher) -> None:
    records = (cipher.encrypt(f"{TEXT} {number}") or "" for number in range(1000))
    record = next(one for one in records if "+" in one and "/" in one)
    refusal(cipher, record.replace("+", "-").replace("/", "_"))


def test_an_authentic_record_of_bytes_that_are_no_text_is_refused(cipher: PhiCipher) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = AESGCM(KEY).encrypt(bytes(16), b"\xff\xfe secret", None)
    error = refusal(cipher, str(Record(iv=bytes(16), tag=sealed[-16:], ciphertext=sealed[:-16])))
    assert error.__context__ is None and error.__cause__ is None


def test_associated_data_is_not_part_of_the_format(cipher: PhiCipher) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = AESGCM(KEY).encrypt(bytes(16), b"text", b"patient 1")
    refusal(cipher, str(Record(iv=bytes(16), tag=sealed[-16:], ciphertext=sealed[:-16])))


def test_a_refusal_is_the_same_whatever_the_reason(cipher: PhiCipher, record: str) -> None:
    iv, tag, ciphertext = record.split(":")
    other = PhiCipher(bytes(32)).encrypt(TEXT) or ""
    errors = [refusal(cipher, bad) for bad in ("", "x", f"{iv}:{tag}", f"{tag}:{iv}:{ciphertext}", other)]
    assert {(type(error), str(error), error.__context__, error.__cause__) for error in errors} == {
        (DecryptionError, "The record was refused.", None, None)
    }
    assert issubclass(DecryptionError, PhiError)


def test_a_byte_moved_across_the_parts_is_refused_though_all_bytes_are_there(cipher: PhiCipher, record: str) -> None:
    iv, tag, ciphertext = (base64.b64decode(part) for part in record.split(":"))
    for moved in (
        (iv, tag[1:], ciphertext + tag[:1]),
        (iv, ciphertext[-1:] + tag, ciphertext[:-1]),
        (iv[:-1], iv[-1:] + tag, ciphertext),
        (iv + tag[:1], tag[1:], ciphertext),
    ):
        refusal(cipher, ":".join(base64.b64encode(part).decode() for part in moved))
