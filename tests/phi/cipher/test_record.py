"""The record format of PHI fields: parsed and written; other texts are refused."""

from __future__ import annotations

import base64
import itertools
import sys
from collections.abc import Callable

import pytest

from eonpro_phi import DecryptionError, PhiCipher, PhiError
from tests.phi.cipher.simple_record import Record

KEY = bytes(range(32))
TEXT = "Ärztin 患者 🩺"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@pytest.fixture(scope="module")
def cipher() -> PhiCipher:
    return PhiCipher(KEY)


@pytest.fixture(scope="module")
def record(cipher: PhiCipher) -> str:
    encrypted = cipher.encrypt(TEXT)
    assert encrypted is not None
    return encrypted


def error_of(cipher: PhiCipher, record: str) -> DecryptionError:
    with pytest.raises(DecryptionError) as caught:
        cipher.decrypt(record)
    return caught.value


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
            error_of(cipher, ":".join(base64.b64encode(part).decode() for part in changed))
            flips += 1
    assert flips == 8 * (16 + 16 + len(TEXT.encode("utf-8")))


def test_every_other_character_in_any_place_of_the_text_is_refused(cipher: PhiCipher, record: str) -> None:
    for place, character in enumerate(record):
        for other in ALPHABET + "=:- \n\u00a0":
            if other != character:
                error_of(cipher, record[:place] + other + record[place + 1 :])


def test_every_flipped_bit_of_every_character_is_refused(cipher: PhiCipher, record: str) -> None:
    for place, character in enumerate(record):
        for bit in range(21):
            if ord(character) ^ 1 << bit <= sys.maxunicode:
                error_of(cipher, record[:place] + chr(ord(character) ^ 1 << bit) + record[place + 1 :])


def test_every_other_order_and_repetition_of_the_parts_is_refused(cipher: PhiCipher) -> None:
    record = cipher.encrypt("sixteen bytes...") or ""
    parts = record.split(":")
    assert {len(part) for part in parts} == {24}
    for order in itertools.product(parts, repeat=3):
        if order != tuple(parts):
            error_of(cipher, ":".join(order))
    assert cipher.decrypt(":".join(parts)) == "sixteen bytes..."


def test_every_swap_of_two_characters_is_refused(cipher: PhiCipher, record: str) -> None:
    for first, second in itertools.combinations(range(len(record)), 2):
        swapped = list(record)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        if "".join(swapped) != record:
            error_of(cipher, "".join(swapped))


def test_every_rotation_and_the_reverse_of_the_characters_is_refused(cipher: PhiCipher, record: str) -> None:
    error_of(cipher, record[::-1])
    for length in range(1, len(record)):
        error_of(cipher, record[length:] + record[:length])


def test_blocks_of_the_ciphertext_in_another_order_are_refused(cipher: PhiCipher) -> None:
    text = "".join(f"{number:016}" for number in range(4))
    parts = Record.parse(cipher.encrypt(text) or "")
    blocks = [parts.ciphertext[at : at + 16] for at in range(0, 64, 16)]
    for order in itertools.permutations(blocks):
        if order != tuple(blocks):
            error_of(cipher, str(Record(iv=parts.iv, tag=parts.tag, ciphertext=b"".join(order))))


def test_parts_of_two_records_do_not_combine_to_a_third(cipher: PhiCipher) -> None:
    first, second = ((cipher.encrypt(text) or "").split(":") for text in ("sixteen bytes...", "SIXTEEN BYTES..."))
    for mixed in itertools.product(*zip(first, second, strict=True)):
        if list(mixed) not in (first, second):
            error_of(cipher, ":".join(mixed))


def test_every_truncation_is_refused_from_either_end(cipher: PhiCipher, record: str) -> None:
    for length in range(len(record)):
        error_of(cipher, record[:length])
        error_of(cipher, record[len(record) - length :])


def test_truncated_parts_are_refused_though_each_is_good_base64(cipher: PhiCipher, record: str) -> None:
    parts = [base64.b64decode(part) for part in record.split(":")]
    for index, part in enumerate(parts):
        for length in range(len(part)):
            cut = [*parts[:index], part[:length], *parts[index + 1 :]]
            error_of(cipher, ":".join(base64.b64encode(part).decode() for part in cut))


def test_pad_bits_that_a_strict_decoder_ignores_are_refused(cipher: PhiCipher, record: str) -> None:
    iv, rest = record.split(":", 1)
    assert iv.endswith("==")
    variant = iv[:-3] + ALPHABET[ALPHABET.index(iv[-3]) + 1] + "=="
    assert base64.b64decode(variant, validate=True) == base64.b64decode(iv)
    error_of(cipher, f"{variant}:{rest}")


@pytest.mark.parametrize(
    "damage",
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
def test_other_notations_are_refused(cipher: PhiCipher, record: str, damage: Callable[[str], str]) -> None:
    error_of(cipher, damage(record))


def test_url_safe_base64_is_refused(cipher: PhiCipher) -> None:
    records = (cipher.encrypt(f"{TEXT} {number}") or "" for number in range(1000))
    record = next(each for each in records if "+" in each and "/" in each)
    error_of(cipher, record.replace("+", "-").replace("/", "_"))


def test_an_authentic_record_of_bytes_that_are_not_text_is_refused(cipher: PhiCipher) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = AESGCM(KEY).encrypt(bytes(16), b"\xff\xfe secret", None)
    error = error_of(cipher, str(Record(iv=bytes(16), tag=sealed[-16:], ciphertext=sealed[:-16])))
    assert error.__context__ is None and error.__cause__ is None


def test_associated_data_is_not_part_of_the_format(cipher: PhiCipher) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = AESGCM(KEY).encrypt(bytes(16), b"text", b"patient 1")
    error_of(cipher, str(Record(iv=bytes(16), tag=sealed[-16:], ciphertext=sealed[:-16])))


def test_the_error_is_the_same_for_every_reason(cipher: PhiCipher, record: str) -> None:
    iv, tag, ciphertext = record.split(":")
    other = PhiCipher(bytes(32)).encrypt(TEXT) or ""
    errors = [error_of(cipher, bad) for bad in ("", "x", f"{iv}:{tag}", f"{tag}:{iv}:{ciphertext}", other)]
    assert {(type(error), str(error), error.__context__, error.__cause__) for error in errors} == {
        (DecryptionError, "The record cannot be decrypted.", None, None)
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
        error_of(cipher, ":".join(base64.b64encode(part).decode() for part in moved))
