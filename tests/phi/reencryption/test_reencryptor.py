"""Re-encryption of records without a database: it accepts and writes the same records as the cipher."""

from __future__ import annotations

import base64
import pickle
from binascii import b2a_base64

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as some

from eonpro_phi import DecryptionError, PhiCipher
from eonpro_phi.reencryption import checked_records
from eonpro_phi.reencryption.errors import ReencryptionError
from eonpro_phi.reencryption.models import MAX_LISTED_ROWS, UNCHANGED, ColumnCounts, RowCounts
from eonpro_phi.reencryption.reencryptor import RecordReencryptor
from tests.phi.reencryption.patients import NEW, OLD, THIRD

TEXTS = ["Jane", "Jöhn Dœ", "患者 0", "🩺", "x" * 5000, "a,b\n{}\\"]


def reencryptor() -> RecordReencryptor:
    return RecordReencryptor(old=[OLD, THIRD], new=NEW)


def keys(values: list[str | None]) -> list[str]:
    return [f"key {number}" for number in range(len(values))]


@pytest.mark.parametrize("key", [OLD, THIRD])
def test_records_of_an_old_key_are_re_encrypted_with_the_new_one(key: bytes) -> None:
    values = PhiCipher(key).encrypt_many(TEXTS)
    column = reencryptor().reencrypt(values, keys(values))
    assert PhiCipher(NEW).decrypt_many(column.records) == TEXTS
    assert column.counts == ColumnCounts(old=len(TEXTS))
    assert len({record[:24] for record in column.records}) == len(TEXTS), "an IV of its own for each"
    assert [len(record) for record in column.records] == [len(value or "") for value in values]


def test_a_mixed_column_is_processed_record_by_record() -> None:
    old, new, other = (PhiCipher(key).encrypt("Jane") for key in (OLD, NEW, bytes(32)))
    values = [old, None, new, "", "plain", other, old]
    column = reencryptor().reencrypt(values, keys(values))
    assert column.counts == ColumnCounts(empty=2, new=1, old=2, foreign=1, no_record=1, example_rows=("key 4", "key 5"))
    assert [bool(record) for record in column.records] == [True, False, False, False, False, False, True]
    assert UNCHANGED == ""


def test_empty_values_keep_their_places() -> None:
    values = [None, PhiCipher(OLD).encrypt("one"), "", PhiCipher(OLD).encrypt("two"), None]
    column = reencryptor().reencrypt(values, keys(values))
    assert PhiCipher(NEW).decrypt_many([column.records[1], column.records[3]]) == ["one", "two"]
    assert (column.records[0], column.records[2], column.records[4], column.counts.empty) == ("", "", "", 3)


def test_the_key_that_is_tried_first_does_not_change_the_result() -> None:
    faulty = reencryptor()
    old, new = (PhiCipher(key).encrypt_many(TEXTS) for key in (OLD, NEW))
    for values, counts in (
        (old, ColumnCounts(old=6)),
        (new, ColumnCounts(new=6)),
        (new, ColumnCounts(new=6)),
        (old, ColumnCounts(old=6)),
    ):
        assert faulty.reencrypt(values, keys(values)).counts == counts


def test_without_write_nothing_is_encrypted() -> None:
    values = PhiCipher(OLD).encrypt_many(TEXTS)
    column = reencryptor().reencrypt(values, keys(values), write=False)
    assert column.records == [UNCHANGED] * 6 and column.counts.old == 6


def test_the_number_of_listed_rows_is_limited() -> None:
    values: list[str | None] = ["plain"] * 50
    assert len(reencryptor().reencrypt(values, keys(values)).counts.example_rows) == MAX_LISTED_ROWS
    half = RowCounts(columns={"a": ColumnCounts(no_record=8, example_rows=tuple("12345678"))})
    assert (half + half).columns["a"].example_rows == tuple("1234567812")


def test_its_keys_are_not_pickled_or_shown() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(reencryptor())
    assert repr(reencryptor()) == "RecordReencryptor(AES-256-GCM)"


DAMAGES = [
    lambda r: r[:-1],
    lambda r: r + "A",
    lambda r: r.replace("=", "", 1),
    lambda r: r.swapcase(),
    lambda r: r.replace("==:", "AA:", 1),
    lambda r: r[:22] + "==:==:" + r[25:],
    lambda r: ":".join(reversed(r.split(":"))),
    lambda r: r + "\n",
    lambda r: r[:50],
    lambda r: r[:21] + chr(ord(r[21]) + 1) + r[22:],
    lambda r: r[:24] + "\N{FULLWIDTH COLON}" + r[25:],
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_record_that_the_cipher_refuses_is_unchanged_among_good_ones(damage) -> None:
    good = PhiCipher(OLD).encrypt("Jane Doe")
    assert good is not None
    bad = damage(good)
    with pytest.raises(DecryptionError):
        PhiCipher(OLD).decrypt(bad)
    for each in (reencryptor(), _expecting_new()):
        column = each.reencrypt([good, bad, good], ["1", "2", "3"])
        assert (
            column.counts.undecryptable == 1 and column.counts.example_rows == ("2",) and column.records[1] == UNCHANGED
        )


def _expecting_new() -> RecordReencryptor:
    expecting_new = reencryptor()
    expecting_new.reencrypt([PhiCipher(NEW).encrypt("x")], ["0"])
    return expecting_new


class FaultyAead:
    """A fake of faulty hardware: one bit of the ciphertext is wrong."""

    def encrypt(self, iv: bytes, text: bytes, _: None) -> bytes:
        sealed = bytearray(AESGCM(NEW).encrypt(iv, text, None))
        sealed[0] ^= 1
        return bytes(sealed)

    decrypt = AESGCM(NEW).decrypt


def test_a_record_that_cannot_be_decrypted_is_never_returned() -> None:
    faulty = reencryptor()
    faulty._new_key = FaultyAead()  # type: ignore[assignment]
    with pytest.raises(ReencryptionError, match="cannot be decrypted again"):
        faulty.reencrypt([PhiCipher(OLD).encrypt("Jane")], ["1"])


def test_a_wrongly_encoded_record_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = b2a_base64

    def wrong(data: bytes, *, newline: bool) -> bytes:
        return correct(data, newline=newline).replace(b"A", b"B")

    monkeypatch.setattr(checked_records, "b2a_base64", wrong)
    values = PhiCipher(OLD).encrypt_many([f"patient {number}" for number in range(20)])
    with pytest.raises(ReencryptionError, match="cannot be decrypted again"):
        reencryptor().reencrypt(values, keys(values))


def test_an_authentic_record_of_other_bytes_is_unchanged() -> None:
    for plain in (b"", b"\xff\xfe"):
        sealed = AESGCM(OLD).encrypt(bytes(16), plain, None)
        record = ":".join(base64.b64encode(part).decode() for part in (bytes(16), sealed[-16:], sealed[:-16]))
        assert reencryptor().reencrypt([record], ["1"]).counts.undecryptable == 1


@settings(max_examples=60)
@given(some.lists(some.one_of(some.none(), some.text(min_size=1, max_size=40).filter(lambda t: t.isprintable()))))
def test_any_texts_stay_the_same(texts: list[str | None]) -> None:
    values = PhiCipher(OLD).encrypt_many(texts)
    column = reencryptor().reencrypt(values, keys(values))
    assert PhiCipher(NEW).decrypt_many([record or None for record in column.records]) == texts
