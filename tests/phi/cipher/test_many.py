"""Several values at once: lists, mappings of texts, columns, and the fields of a patient."""

from __future__ import annotations

import base64
import datetime
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi import (
    PHI_FIELDS,
    AlreadyEncrypted,
    DecryptionError,
    InvalidText,
    InvalidValues,
    NotText,
    PhiCipher,
    PhiError,
)
from tests.phi.cipher.simple_record import Record

TEXTS = [("Jane Roe, 患者 🩺 " * 20)[: number % 300 + 1] for number in range(2600)]
PATIENT = {
    "id": 7,
    "firstName": "Jane",
    "lastName": "Roe",
    "email": "jane@example.org",
    "phone": "+1 555 0100",
    "dob": "1970-01-01",
    "address1": "12 Long Street",
    "address2": None,
    "city": "Springfield",
    "state": "IL",
    "zip": "",
    "notes": "seen",
}


class State(StrEnum):
    """A subclass of str, as programs use them."""

    IL = "IL"
    NONE = ""


class FalsyText(str):
    """A text that is always false."""

    def __bool__(self) -> bool:
        return False


class Ambiguous:
    """A value without a truth value, like an array of NumPy."""

    def __bool__(self) -> bool:
        raise ValueError("ambiguous: secret")


@pytest.fixture
def cipher() -> PhiCipher:
    return PhiCipher(os.urandom(32))


# Lists


@pytest.mark.parametrize("number", [0, 1, 2, 255, 256, 257, 512, 2600])
def test_a_list_comes_back_in_its_order(cipher: PhiCipher, number: int) -> None:
    records = cipher.encrypt_many(TEXTS[:number])
    assert len(records) == number
    assert cipher.decrypt_many(records) == TEXTS[:number]
    assert [cipher.decrypt(record) for record in records] == TEXTS[:number]


def test_records_that_were_encrypted_one_at_a_time_decrypt_as_a_list(cipher: PhiCipher) -> None:
    assert cipher.decrypt_many([cipher.encrypt(text) for text in TEXTS[:300]]) == TEXTS[:300]


def test_each_record_of_a_list_is_canonical(cipher: PhiCipher) -> None:
    for record, text in zip(cipher.encrypt_many(TEXTS[:300]), TEXTS, strict=False):
        assert record is not None
        parsed = Record.parse(record)
        assert str(parsed) == record and len(parsed.ciphertext) == len(text.encode())


def test_none_keeps_its_place(cipher: PhiCipher) -> None:
    texts: list[str | None] = [None, "a", "", "b", None, *TEXTS[:1100], None, "c", ""]
    records = cipher.encrypt_many(texts)
    assert [record is None for record in records] == [not text for text in texts]
    assert cipher.decrypt_many(records) == [text or None for text in texts]
    assert cipher.encrypt_many([None, ""]) == [None, None] == cipher.decrypt_many([None, None])


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda texts: dict.fromkeys(texts).keys()])
def test_every_iterable_of_texts_gives_a_list(cipher: PhiCipher, kind: Callable[[list[str]], Any]) -> None:
    records = cipher.encrypt_many(kind(["a", "b"]))
    assert type(records) is list
    assert cipher.decrypt_many(tuple(records)) == ["a", "b"]


def test_the_list_is_not_changed(cipher: PhiCipher) -> None:
    texts = ["a", None, "b"]
    records = cipher.encrypt_many(texts)
    cipher.decrypt_many(records)
    assert texts == ["a", None, "b"] and None not in (records[0], records[2])


def test_a_subclass_of_str_is_encrypted_as_text(cipher: PhiCipher) -> None:
    texts = [State.IL, State.NONE, FalsyText("no"), FalsyText(""), "plain"]
    expected = ["IL", None, "no", None, "plain"]
    assert cipher.decrypt_many(cipher.encrypt_many(texts)) == expected
    assert [cipher.decrypt(cipher.encrypt(text)) for text in texts] == expected
    assert {type(text) for text in cipher.decrypt_many(cipher.encrypt_many(texts))} == {str, type(None)}


# Errors


@pytest.mark.parametrize(
    "values", ["Jane", b"Jane", bytearray(b"Jane"), memoryview(b"Jane"), None, 5, 0, True, State.IL, {"a": "b"}]
)
def test_a_single_value_is_refused_where_several_are_expected(cipher: PhiCipher, values: Any) -> None:
    for work in (cipher.encrypt_many, cipher.decrypt_many):
        with pytest.raises(InvalidValues, match=r"^A list or another iterable of values is expected, ") as caught:
            work(values)
        assert isinstance(caught.value, TypeError) and isinstance(caught.value, PhiError)
        assert caught.value.__context__ is None


NOT_TEXTS = [0, 5, 0.0, float("nan"), False, True, b"", b"Jane", bytearray(b"Jane"), [], ["Jane"], {}, {"a": "b"}, ()]
NOT_TEXTS += [datetime.date(1970, 1, 1), object(), Ambiguous(), str, NotImplemented.__class__]


@pytest.mark.parametrize("value", NOT_TEXTS, ids=lambda value: type(value).__name__)
def test_other_types_are_refused_and_not_shown(cipher: PhiCipher, value: Any) -> None:
    for work in (
        cipher.encrypt,
        lambda value: cipher.encrypt_many(["good", value]),
        lambda value: cipher.encrypt_many([value]),
    ):
        with pytest.raises(NotText) as caught:
            work(value)
        assert str(caught.value) == "Only text can be encrypted. Convert the value to text first."
        assert isinstance(caught.value, TypeError) and isinstance(caught.value, InvalidText)
        assert caught.value.__context__ is None and caught.value.__cause__ is None


@pytest.mark.parametrize("value", [5, b"Jane", {"a": "b"}, {}], ids=repr)
def test_other_types_are_refused_in_a_mapping(cipher: PhiCipher, value: Any) -> None:
    with pytest.raises(NotText):
        cipher.encrypt_fields({"firstName": "text", "dob": value})


@pytest.mark.parametrize("at", [0, 1, 255, 256, 2500])
def test_a_text_that_utf_8_cannot_encode_refuses_the_list_and_is_not_repeated(cipher: PhiCipher, at: int) -> None:
    texts = [*TEXTS[:at], "Jane \ud800", *TEXTS[at : at + 3]]
    with pytest.raises(InvalidText) as caught:
        cipher.encrypt_many(texts)
    assert type(caught.value) is InvalidText
    assert str(caught.value) == "The text cannot be encoded as UTF-8, or exceeds 2 GiB."
    assert caught.value.__context__ is None and caught.value.__cause__ is None


@pytest.mark.parametrize("at", [0, 1, 255, 256, 2500])
def test_one_record_that_cannot_be_decrypted_refuses_the_list(cipher: PhiCipher, at: int) -> None:
    records: list[Any] = list(cipher.encrypt_many(TEXTS))
    good = records[at]
    for bad in (good[:-4], good[:-3] + good[-2:], "plain", "", 5, b"x", [good], PhiCipher(bytes(32)).encrypt("x")):
        records[at] = bad
        with pytest.raises(DecryptionError) as caught:
            cipher.decrypt_many(records)
        assert str(caught.value) == "The record cannot be decrypted."
        assert caught.value.__context__ is None and caught.value.__cause__ is None


@pytest.mark.parametrize("message", [b"\xff secret", b""])
def test_an_authentic_record_of_other_bytes_is_refused_and_not_shown(message: bytes) -> None:
    key, iv = os.urandom(32), os.urandom(16)
    sealed = AESGCM(key).encrypt(iv, message, None)
    record = ":".join(base64.b64encode(part).decode() for part in (iv, sealed[-16:], sealed[:-16]))
    for cipher in (PhiCipher(key), PhiCipher(bytes(32), reading_keys=[key]), PhiCipher(key, lenient=True)):
        for work in (cipher.decrypt, lambda value, cipher=cipher: cipher.decrypt_many([cipher.encrypt("good"), value])):
            with pytest.raises(DecryptionError) as caught:
                work(record)
            assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_the_frames_of_an_error_hold_no_decrypted_text(cipher: PhiCipher) -> None:
    records = [*cipher.encrypt_many(["secret"] * 600), "plain"]
    with pytest.raises(DecryptionError) as caught:
        cipher.decrypt_many(records)
    frames = [entry.frame.f_locals for entry in caught.traceback[1:]]
    assert len(frames) >= 3
    assert "secret" not in repr(frames)


def test_a_list_of_good_records_is_decrypted_in_chunks(cipher: PhiCipher, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [None, *cipher.encrypt_many(TEXTS)]

    def decrypt(*_: object) -> None:
        raise AssertionError("one at a time")

    monkeypatch.setattr(PhiCipher, "decrypt", decrypt)
    assert cipher.decrypt_many(records) == [None, *TEXTS]
    with pytest.raises(AssertionError, match="one at a time"):
        cipher.decrypt_many([*records, "plain"])


def test_an_error_of_the_iterable_is_passed_on(cipher: PhiCipher) -> None:
    def texts() -> Iterator[str]:
        yield "a"
        raise KeyError("the database went away")

    with pytest.raises(KeyError, match="the database went away"):
        cipher.encrypt_many(texts())


# A patient's fields


def test_the_fields_are_the_applications() -> None:
    assert tuple("firstName lastName email phone dob address1 address2 city state zip".split()) == PHI_FIELDS


def test_only_the_phi_fields_of_a_patient_are_encrypted(cipher: PhiCipher) -> None:
    stored = cipher.encrypt_fields(PATIENT)
    assert list(stored) == list(PATIENT)
    assert stored["id"] == 7 and stored["notes"] == "seen"
    assert stored["address2"] is None and stored["zip"] is None
    for name in PHI_FIELDS:
        assert cipher.decrypt(stored[name]) == (PATIENT[name] or None)
        assert stored[name] != PATIENT[name] or stored[name] is None
    assert cipher.decrypt_fields(stored) == {**PATIENT, "zip": None}


def test_the_mapping_is_not_changed(cipher: PhiCipher) -> None:
    values = MappingProxyType(dict(PATIENT))
    stored = cipher.encrypt_fields(values)
    assert values == PATIENT and type(stored) is dict
    before = dict(stored)
    cipher.decrypt_fields(stored)
    assert stored == before


def test_fields_that_do_not_exist_are_not_added(cipher: PhiCipher) -> None:
    assert cipher.encrypt_fields({"id": 7}) == {"id": 7}
    assert list(cipher.decrypt_fields(cipher.encrypt_fields({"city": "Springfield"}))) == ["city"]
    assert cipher.encrypt_fields({}) == {}


def test_other_fields_may_be_named(cipher: PhiCipher) -> None:
    stored = cipher.encrypt_fields(PATIENT, fields=iter(["notes", "absent"]))
    assert {name for name in PATIENT if stored[name] != PATIENT[name]} == {"notes"}
    assert cipher.decrypt_fields(stored, ["notes"]) == PATIENT
    assert cipher.encrypt_fields(PATIENT, ()) == PATIENT


def test_a_field_named_twice_is_encrypted_once(cipher: PhiCipher) -> None:
    stored = cipher.encrypt_fields({"city": "Springfield"}, ["city", "city"])
    assert cipher.decrypt(stored["city"]) == "Springfield"


@pytest.mark.parametrize("fields", ["city", State.IL])
def test_a_single_name_is_not_a_list_of_fields(cipher: PhiCipher, fields: str) -> None:
    for work in (cipher.encrypt_fields, cipher.decrypt_fields):
        with pytest.raises(InvalidValues):
            work({"city": "Springfield", "I": "x"}, fields)


@pytest.mark.parametrize("patient", [[("city", "Springfield")], "city", None, 5])
def test_other_types_than_mappings_are_refused(cipher: PhiCipher, patient: Any) -> None:
    for work in (cipher.encrypt_fields, cipher.decrypt_fields):
        with pytest.raises(InvalidValues):
            work(patient)


def test_a_patient_is_not_encrypted_twice(cipher: PhiCipher) -> None:
    stored = cipher.encrypt_fields(PATIENT)
    with pytest.raises(
        AlreadyEncrypted, match=r"^A field is encrypted already\. It would be encrypted twice\.$"
    ) as caught:
        cipher.encrypt_fields({**PATIENT, "zip": stored["city"]})
    assert caught.value.__context__ is None and isinstance(caught.value, InvalidText)


def test_a_record_of_a_reading_key_is_not_encrypted_again(cipher: PhiCipher) -> None:
    old, new = os.urandom(32), os.urandom(32)
    stored = PhiCipher(old).encrypt_fields(PATIENT)
    with pytest.raises(AlreadyEncrypted):
        PhiCipher(new, reading_keys=[old]).encrypt_fields(stored)


def test_a_text_that_only_looks_like_a_record_is_a_text(cipher: PhiCipher) -> None:
    looks = f"{'A' * 22}==:{'A' * 22}==:AAAA"
    theirs = PhiCipher(os.urandom(32)).encrypt("text")
    stored = cipher.encrypt_fields({"city": looks, "state": theirs})
    assert cipher.decrypt_fields(stored) == {"city": looks, "state": theirs}
