"""Binary records: any bytes come back from their own place, and nothing else is ever taken for a record."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import pytest
from Crypto.Cipher import AES
from hypothesis import given, settings
from hypothesis import strategies as some

from eonpro_phi import CachedKey, DecryptionError, InvalidBytes, NotBytes, PhiCipher, PhiError, PhiFields, place
from eonpro_phi.binary.record import MAGIC, OVERHEAD_BYTES, looks_binary
from eonpro_phi.errors import Unreachable
from eonpro_phi.record import key_id

KEY, OTHER = bytes(range(32)), bytes(32)
CIPHER = PhiCipher(KEY)
PLACE = place("PatientDocument", "data", 7)


def sealed(data: bytes, context: str = "", key: bytes = KEY) -> bytes:
    record = PhiCipher(key).encrypt_bytes(data, context)
    assert record is not None
    return record


@given(some.binary(min_size=1), some.text())
@settings(max_examples=50)
def test_any_bytes_come_back_from_their_own_place(data: bytes, context: str) -> None:
    record = sealed(data, context)
    assert len(record) == len(data) + OVERHEAD_BYTES and looks_binary(record)
    assert CIPHER.decrypt_bytes(record, context) == data


@given(some.binary(min_size=1))
@settings(max_examples=50)
def test_bytes_of_any_driver_are_taken(data: bytes) -> None:
    for same in (data, bytearray(data), memoryview(data), memoryview(data + data)[: len(data)]):
        assert CIPHER.decrypt_bytes(memoryview(sealed(bytes(same)))) == data
        record = CIPHER.encrypt_bytes(same)
        assert record is not None and CIPHER.decrypt_bytes(bytearray(record)) == data
    spread = memoryview(data + data)[::2]
    record = CIPHER.encrypt_bytes(spread)
    assert record is not None and CIPHER.decrypt_bytes(record) == spread.tobytes()


def test_the_service_s_fields_write_and_read_what_the_cipher_does() -> None:
    fields = PhiFields(CachedKey(type("Pinned", (), {"data_key": lambda self: KEY})()))
    record = fields.encrypt_bytes(b"%PDF", PLACE)
    assert record is not None and CIPHER.decrypt_bytes(record, PLACE) == b"%PDF"
    assert fields.decrypt_bytes(sealed(b"%PDF")) == b"%PDF"


def test_nothing_is_no_record_as_for_a_text() -> None:
    for nothing in (None, b"", bytearray(), memoryview(b"")):
        assert CIPHER.encrypt_bytes(nothing) is None
    assert CIPHER.decrypt_bytes(None) is None
    empty = AES.new(KEY, AES.MODE_GCM, nonce=bytes(12))
    start = MAGIC + b"\x01" + bytes.fromhex(key_id(KEY))
    empty.update(start)
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_bytes(start + bytes(12) + b"".join(empty.encrypt_and_digest(b"")))


@pytest.mark.parametrize("value", ["text", 7, [b"a"], 0, ""])
def test_what_is_not_bytes_is_refused(value: Any) -> None:
    with pytest.raises(NotBytes):
        CIPHER.encrypt_bytes(value)
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_bytes(value)


def test_a_place_that_is_not_utf_8_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidBytes) as caught:
        CIPHER.encrypt_bytes(b"a", "\ud800")
    assert caught.value.__context__ is None
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_bytes(sealed(b"a"), "\ud800")


def test_a_record_opens_in_its_own_row_of_its_own_column_alone() -> None:
    record = sealed(b"%PDF", PLACE)
    for elsewhere in ("", place("PatientDocument", "data"), place("PatientDocument", "data", 8), place("P", "data", 7)):
        with pytest.raises(DecryptionError):
            CIPHER.decrypt_bytes(record, elsewhere)
    with pytest.raises(DecryptionError):
        CIPHER.decrypt_bytes(sealed(b"%PDF"), PLACE)


names = some.text(min_size=1)


@given(*[some.tuples(names, names) | some.tuples(names, names, some.text())] * 2)
@settings(max_examples=50)
def test_two_places_never_have_the_same_name(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (place(*one) == place(*other)) == (one == other)
    assert place("a.b", "c") != place("a", "b.c") and place("a", "b:1") != place("a", "b", 1)


def test_former_keys_read_by_the_key_id() -> None:
    both = PhiCipher(OTHER, reading_keys=[KEY])
    assert both.decrypt_bytes(sealed(b"old")) == b"old"
    assert PhiCipher(OTHER).decrypt_bytes(sealed(b"new", key=OTHER)) == b"new"
    with pytest.raises(DecryptionError):
        PhiCipher(OTHER).decrypt_bytes(sealed(b"old"))
    with pytest.raises(Unreachable):
        PhiCipher(OTHER, missing=Unreachable("KMS did not answer")).decrypt_bytes(sealed(b"old"))


def test_a_lenient_cipher_returns_bytes_that_were_never_encrypted_and_no_damaged_record() -> None:
    lenient = PhiCipher(KEY, lenient=True)
    assert lenient.decrypt_bytes(memoryview(b"%PDF")) == b"%PDF"
    with pytest.raises(DecryptionError):
        lenient.decrypt_bytes(sealed(b"%PDF")[:-1])


def test_every_change_of_a_single_bit_is_refused() -> None:
    record = sealed(b"%PDF-1.7", PLACE)
    for bit in range(8 * len(record)):
        changed = bytearray(record)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionError):
            CIPHER.decrypt_bytes(changed, PLACE)


def test_thirty_thousand_damaged_records_are_refused_with_the_documented_error() -> None:
    chance = random.Random(20261129)
    stream = BytesIO()
    CIPHER.encrypt_stream(BytesIO(b"stream"), stream)
    originals = [sealed(b"%PDF" * 9), sealed(b"x"), stream.getvalue()]
    for _ in range(30_000):
        original = chance.choice(originals)
        changed = bytearray(original)
        kind = chance.randrange(5)
        if kind == 0:
            del changed[chance.randrange(len(changed)) :]
        elif kind == 1:
            changed += chance.randbytes(chance.randrange(1, 40))
        elif kind == 2:
            at = chance.randrange(len(changed))
            changed[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 3:
            for _ in range(chance.randrange(1, 6)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        else:
            changed = bytearray(
                MAGIC + bytes([chance.randrange(4)]) + original[5:13] + chance.randbytes(chance.randrange(99))
            )
        if changed == original:
            continue
        with pytest.raises(DecryptionError) as caught:
            CIPHER.decrypt_bytes(changed)
        assert caught.value.__context__ is None


def test_every_error_is_one_of_this_package() -> None:
    assert issubclass(NotBytes, InvalidBytes) and issubclass(NotBytes, TypeError) and issubclass(InvalidBytes, PhiError)


def test_another_program_reads_what_is_written() -> None:
    record = sealed(b"%PDF", PLACE)
    start, iv, rest = record[:13], record[13:25], record[25:]
    assert start == b"\xf7phi\x01" + bytes.fromhex(key_id(KEY))
    other = AES.new(KEY, AES.MODE_GCM, nonce=iv)
    other.update(start + PLACE.encode())
    assert other.decrypt_and_verify(rest[:-16], rest[-16:]) == b"%PDF"
