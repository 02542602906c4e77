"""Records of version 2: read wherever records are read, written only where they are asked for, bound to their place."""

from __future__ import annotations

import base64
import pickle
from datetime import date
from uuid import UUID

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as some

from eonpro_phi import (
    AlreadyEncrypted,
    CachedKey,
    DecryptionError,
    InvalidText,
    NotBound,
    NotText,
    PhiCipher,
    PhiFields,
    place,
)
from eonpro_phi.errors import Unreachable
from eonpro_phi.record import RecordV2, key_id, looks_like_a_record, names_of
from eonpro_phi.reencryption.reencryptor import RecordReencryptor

KEY, OTHER = bytes(range(32)), bytes(32)
CIPHER = PhiCipher(KEY)
PLACE = "Patient.firstName"

# Made with Node's crypto: IV 100 to 111, associated data `v2:<key id>:Patient.firstName`.
VECTOR = "v2:c33bd82718f07f55:ZGVmZ2hpamtsbW5vAthoDhfJsBydit9tBGyOqggb9QDV6zRY4BwzvA=="
TEXT = "Jöhn 患者"


def test_a_record_of_another_program_is_read() -> None:
    assert CIPHER.decrypt(VECTOR, PLACE) == TEXT
    fields = PhiFields(CachedKey(type("Pinned", (), {"data_key": lambda self: KEY})()))
    assert fields.decrypt(VECTOR, PLACE) == fields.decrypt(VECTOR, PLACE) == TEXT
    assert CIPHER.decrypt(fields.encrypt_v2("Jane", PLACE), PLACE) == "Jane"


def test_another_program_reads_what_is_written() -> None:
    record = RecordV2.parse(CIPHER.encrypt_v2(TEXT, PLACE) or "")
    assert (len(record.iv), record.key_id) == (12, key_id(KEY))
    other = AES.new(KEY, AES.MODE_GCM, nonce=record.iv)
    other.update(f"v2:{record.key_id}:{PLACE}".encode())
    assert other.decrypt_and_verify(record.sealed[:-16], record.sealed[-16:]).decode() == TEXT


@pytest.mark.parametrize(
    ("record", "context"),
    [
        (VECTOR, "Patient.lastName"),
        (VECTOR, ""),
        (VECTOR.replace("c33bd82718f07f55", key_id(OTHER)), PLACE),
        (VECTOR.replace("ZGVm", "ZGVn"), PLACE),
        (VECTOR[:-1], PLACE),
        (VECTOR[:-3] + "x==", PLACE),  # the same bytes, spelled with pad bits that are not 0
        (VECTOR + "\n", PLACE),
        ("v2:c33bd82718f07f55:", PLACE),
        ("v2:c33bd82718f07f55:" + base64.b64encode(bytes(28)).decode(), PLACE),
        ("v2:" + "\ud800", PLACE),
        (VECTOR.replace("v2:", "v3:"), PLACE),
    ],
)
def test_a_record_that_was_moved_or_changed_is_not_decrypted(record: str, context: str) -> None:
    for decrypt in (CIPHER.decrypt, PhiCipher(KEY, lenient=not record.startswith("v3")).decrypt):
        with pytest.raises(DecryptionError) as caught:
            decrypt(record, context)
        assert caught.value.__context__ is None


@pytest.mark.parametrize("record", [CIPHER.encrypt("Jane"), CIPHER.encrypt_v2("Jane"), "Jane"], ids=[1, 2, "text"])
def test_what_is_bound_to_no_place_opens_in_none(record: str) -> None:
    """A record of version 1 was one of any place; a lenient cipher took any text for one."""
    fields = PhiFields(CachedKey(type("Pinned", (), {"data_key": lambda self: KEY})()))
    assert fields.decrypt(fields.encrypt("Jane")) == "Jane"
    partial = PhiCipher(KEY, missing=Unreachable("KMS did not answer"))
    ciphers = (CIPHER, PhiCipher(KEY, lenient=True), PhiCipher(OTHER, reading_keys=[KEY]), fields, partial)
    for cipher in ciphers:
        with pytest.raises(DecryptionError) as caught:
            cipher.decrypt(record, PLACE)
        assert isinstance(caught.value, NotBound) is (record.count(":") == 2 and not record.startswith("v2:"))
        assert caught.value.__context__ is None
    assert "without a context" in str(NotBound())


def test_a_place_has_one_text_and_every_key_of_a_row_is_one() -> None:
    assert [place('a."b', "c:d", key) for key in (1, "x", UUID(int=7))] == [
        f'"a.""b"."c:d":{key}' for key in ("1", "x", UUID(int=7))
    ]
    assert (place("Patient", "email"), names_of("Patient.email")) == ("Patient.email", ("Patient", "email"))
    for table, column in (("a.b", "c"), ('"', "x.y"), ("a", "b:c"), ("患者", "e-mail address")):
        assert names_of(place(table, column)) == (table, column)
    for key in (None, True, 7.0, b"7", date(2026, 12, 1)):
        with pytest.raises(ValueError, match="whole number, a text or a UUID"):
            place("Patient", "email", key)
    for text in ("email", "a.b.c", "a.b:7", 'a"b.c', ".email", "Patient.", '"a.b', "a.b\n.c:d"):
        with pytest.raises(ValueError, match="TABLE.COLUMN"):
            names_of(text)


@given(some.text(min_size=1), some.text())
def test_any_text_comes_back_from_its_own_place(text: str, context: str) -> None:
    record = CIPHER.encrypt_v2(text, context)
    assert CIPHER.decrypt(record, context) == text


def test_nothing_writes_version_2_unless_it_is_asked_to() -> None:
    assert not any((record or "").startswith("v2:") for record in (CIPHER.encrypt("a"), *CIPHER.encrypt_many(["a"])))
    assert (CIPHER.encrypt_v2(None), CIPHER.encrypt_v2("")) == (None, None)
    with pytest.raises(NotText):
        CIPHER.encrypt_v2(7)  # type: ignore[arg-type]
    with pytest.raises(InvalidText) as caught:
        CIPHER.encrypt_v2("\ud800")
    assert caught.value.__context__ is None
    with pytest.raises(TypeError):
        pickle.dumps(CIPHER)


def test_reading_keys_are_found_by_the_key_id() -> None:
    assert PhiCipher(OTHER, reading_keys=[KEY]).decrypt(VECTOR, PLACE) == TEXT
    records = [CIPHER.encrypt("one"), CIPHER.encrypt_v2("two"), None]
    assert CIPHER.decrypt_many(records) == ["one", "two", None]
    partial = PhiCipher(OTHER, missing=Unreachable("KMS did not answer"))
    with pytest.raises(Unreachable):
        partial.decrypt(VECTOR, PLACE)
    with pytest.raises(DecryptionError):
        PhiCipher(KEY, missing=Unreachable("KMS did not answer")).decrypt(VECTOR, "elsewhere")


def test_a_record_of_version_2_is_never_encrypted_again() -> None:
    with pytest.raises(AlreadyEncrypted):
        CIPHER.encrypt_fields({"firstName": VECTOR})
    assert looks_like_a_record(VECTOR)
    column = RecordReencryptor(old=(), new=OTHER).reencrypt([VECTOR], ["7"])
    assert (column.records, column.counts.foreign) == ([""], 1)


def test_a_rotation_keeps_the_version_and_leaves_what_is_bound_to_a_place() -> None:
    values = [CIPHER.encrypt("one"), CIPHER.encrypt_v2("two"), VECTOR]
    column = RecordReencryptor(old=[KEY], new=OTHER).reencrypt(values, ["1", "2", "3"])
    first, second, third = column.records
    assert not first.startswith("v2:") and second.startswith(f"v2:{key_id(OTHER)}:") and third == ""
    assert PhiCipher(OTHER).decrypt_many([first, second]) == ["one", "two"]
    assert (column.counts.old, column.counts.elsewhere, column.counts.example_rows) == (2, 1, ("3",))
