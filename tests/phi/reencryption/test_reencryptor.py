"""Records from key to key, without a database: what opens, what is written, and that it agrees with the cipher."""

from __future__ import annotations

import base64
import pickle

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as some
from pybase64 import b64encode_as_string

from phi import DecryptionError, PhiCipher
from phi.reencryption.errors import ReencryptionError
from phi.reencryption.models import MAX_LISTED_ROWS, Done, Tally
from phi.reencryption.reencryptor import UNCHANGED, RecordReencryptor
from tests.phi.reencryption.patients import NEW, OLD, THIRD

TEXTS = ["Jane", "Jöhn Dœ", "患者 0", "🩺", "x" * 5000, "a,b\n{}\\"]


def transcriber() -> RecordReencryptor:
    return RecordReencryptor(old=[OLD, THIRD], new=NEW)


def keys(values: list[str | None]) -> list[str]:
    return [f"key {number}" for number in range(len(values))]


@pytest.mark.parametrize("key", [OLD, THIRD])
def test_records_under_an_old_key_come_out_under_the_new_one(key: bytes) -> None:
    values = PhiCipher(key).encrypt_many(TEXTS)
    made = transcriber().transcribe(values, keys(values))
    assert PhiCipher(NEW).decrypt_many(made.records) == TEXTS
    assert made.tally == Tally(old=len(TEXTS))
    assert len({record[:24] for record in made.records}) == len(TEXTS), "an IV of its own for each"
    assert [len(record) for record in made.records] == [len(value or "") for value in values]


def test_a_mixed_column_is_sorted_out_record_by_record() -> None:
    old, new, other = (PhiCipher(key).encrypt("Jane") for key in (OLD, NEW, bytes(32)))
    values = [old, None, new, "", "plain", other, old]
    made = transcriber().transcribe(values, keys(values))
    assert made.tally == Tally(empty=2, new=1, old=2, foreign=1, no_record=1, named=("key 4", "key 5"))
    assert [bool(record) for record in made.records] == [True, False, False, False, False, False, True]
    assert UNCHANGED == ""


def test_empty_values_among_records_keep_their_places() -> None:
    values = [None, PhiCipher(OLD).encrypt("one"), "", PhiCipher(OLD).encrypt("two"), None]
    made = transcriber().transcribe(values, keys(values))
    assert PhiCipher(NEW).decrypt_many([made.records[1], made.records[3]]) == ["one", "two"]
    assert (made.records[0], made.records[2], made.records[4], made.tally.empty) == ("", "", "", 3)


def test_whichever_key_most_were_under_is_tried_first_and_changes_nothing() -> None:
    mine = transcriber()
    old, new = (PhiCipher(key).encrypt_many(TEXTS) for key in (OLD, NEW))
    for values, tally in ((old, Tally(old=6)), (new, Tally(new=6)), (new, Tally(new=6)), (old, Tally(old=6))):
        assert mine.transcribe(values, keys(values)).tally == tally


def test_a_look_alone_writes_nothing() -> None:
    values = PhiCipher(OLD).encrypt_many(TEXTS)
    before = PhiCipher(NEW).encryptions
    made = transcriber().transcribe(values, keys(values), write=False)
    assert made.records == [UNCHANGED] * 6 and made.tally.old == 6
    assert PhiCipher(NEW).encryptions == before


def test_what_is_written_counts_as_encryptions_of_the_new_key() -> None:
    values, before = PhiCipher(OLD).encrypt_many(TEXTS), PhiCipher(NEW).encryptions
    transcriber().transcribe(values, keys(values))
    assert PhiCipher(NEW).encryptions == before + 6


def test_only_so_many_rows_are_named() -> None:
    values: list[str | None] = ["plain"] * 50
    assert len(transcriber().transcribe(values, keys(values)).tally.named) == MAX_LISTED_ROWS
    half = Done(columns={"a": Tally(no_record=8, named=tuple("12345678"))})
    assert (half + half).columns["a"].named == tuple("1234567812")


def test_the_keys_do_not_leave_it() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(transcriber())
    assert repr(transcriber()) == "RecordReencryptor(AES-256-GCM)"


SPOILT = [
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


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_the_cipher_refuses_is_left_alone_although_all_others_open(spoil) -> None:
    good = PhiCipher(OLD).encrypt("Jane Doe")
    assert good is not None
    bad = spoil(good)
    with pytest.raises(DecryptionError):
        PhiCipher(OLD).decrypt(bad)
    for first in (transcriber(), _expecting_new()):
        made = first.transcribe([good, bad, good], ["1", "2", "3"])
        assert made.tally.neither == 1 and made.tally.named == ("2",) and made.records[1] == UNCHANGED


def _expecting_new() -> RecordReencryptor:
    made = transcriber()
    made.transcribe([PhiCipher(NEW).encrypt("x")], ["0"])
    return made


class FaultyAead:
    """A stand-in for a machine that computes wrongly now and then: one bit of what it seals is another one."""

    def encrypt(self, iv: bytes, text: bytes, _: None) -> bytes:
        sealed = bytearray(AESGCM(NEW).encrypt(iv, text, None))
        sealed[0] ^= 1
        return bytes(sealed)

    decrypt = AESGCM(NEW).decrypt


def test_what_does_not_open_is_never_handed_on() -> None:
    mine = transcriber()
    mine._new_key = FaultyAead()  # type: ignore[assignment]
    with pytest.raises(ReencryptionError, match="does not open"):
        mine.transcribe([PhiCipher(OLD).encrypt("Jane")], ["1"])


def test_what_is_spelt_wrongly_is_never_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    right = b64encode_as_string
    monkeypatch.setattr(transcription, "b64encode_as_string", lambda octets: right(octets).replace("A", "B"))
    values = PhiCipher(OLD).encrypt_many([f"patient {number}" for number in range(20)])
    with pytest.raises(ReencryptionError, match="does not open"):
        transcriber().transcribe(values, keys(values))


def test_a_record_of_no_text_or_of_no_utf8_is_left_alone() -> None:
    for plain in (b"", b"\xff\xfe"):
        sealed = AESGCM(OLD).encrypt(bytes(16), plain, None)
        record = ":".join(base64.b64encode(part).decode() for part in (bytes(16), sealed[-16:], sealed[:-16]))
        assert transcriber().transcribe([record], ["1"]).tally.neither == 1


@settings(max_examples=60, deadline=None)
@given(some.lists(some.one_of(some.none(), some.text(min_size=1, max_size=40).filter(lambda t: t.isprintable()))))
def test_any_texts_come_out_as_they_went_in(texts: list[str | None]) -> None:
    values = PhiCipher(OLD).encrypt_many(texts)
    made = transcriber().transcribe(values, keys(values))
    assert PhiCipher(NEW).decrypt_many([record or None for record in made.records]) == texts
