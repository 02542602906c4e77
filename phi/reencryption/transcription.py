"""Records from one data key to another: which key opens each, and the same text under the new one.

Touches the operating system's random source. Plaintext lives in one loop, for as long as one record takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import urandom
from struct import Struct
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode, b64encode_as_string

from phi.cipher import PhiCipher
from phi.errors import RecordRefused
from phi.record import BEFORE_ONE_PAD, BEFORE_TWO_PADS, IV_BYTES, TAG_BYTES, looks_like_a_record
from phi.reencryption.facts import NAMED_AT_MOST, Tally
from phi.reencryption.refusals import ReencryptionError
from phi.usage import usage_of

_ivs_in = Struct(f"{IV_BYTES}s").iter_unpack
_ZEROS = (b"", b"\0", b"\0\0")
_PAD_AS_ZERO = bytes.maketrans(b"=", b"A")
_NOT_OPENED = (ValueError, IndexError, InvalidTag, OverflowError)

UNCHANGED = ""
"""Stands for a value that stays as it is; no record is the empty text."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a batch, transcribed: a record for each row, or UNCHANGED."""

    records: list[str]
    tally: Tally


class Transcriber:
    """Opens under the new key or an old one, and writes under the new; agrees with PhiCipher about what opens.

    A column whose records are all under the key that is expected goes the short way, which keeps to octets: no text is
    made of them. Any other goes through PhiCipher, record by record.
    """

    __slots__ = ("_mostly_new", "_new_cipher", "_new_key", "_old_cipher", "_old_key", "_usage")

    def __init__(self, *, old: Sequence[bytes], new: bytes) -> None:
        """Take data keys of 32 bytes, at least one old one; raises KeyRefused for others."""
        self._old_cipher = PhiCipher(old[0], reading=old[1:])
        self._new_cipher = PhiCipher(new)
        self._old_key, self._new_key = AESGCM(old[0]), AESGCM(new)
        self._usage = usage_of(new)
        self._mostly_new = False

    def transcribe(self, values: Sequence[str | None], keys: Sequence[str], *, write: bool = True) -> Column:
        """A column of values, with the key column's value of each row, which is told of values that no key opens.

        What is to be written was opened under the new key again, and compared with the text that the old one gave.
        Without `write` nothing is encrypted: every value is UNCHANGED.
        """
        column = self._all_alike(values, write=write) or self._one_by_one(values, keys, write=write)
        if column.tally.old != column.tally.new:
            self._mostly_new = column.tally.new > column.tally.old
        return column

    def _all_alike(self, values: Sequence[str | None], *, write: bool) -> Column | None:
        """A column whose records are all under the key that most were under before; None for any other."""
        present = [value for value in values if value]
        opened = self._new_key.decrypt if self._mostly_new else self._old_key.decrypt
        try:
            # As in PhiCipher.decrypt, where the reasons are; here step by step, each for all records.
            raws = [b64decode(value.replace("==:", "AA", 2), None, True) for value in present]
            odd = [1 for value in present if value[24] != ":" or value[49] != ":"]
            odd += [1 for raw in raws if raw[16] or raw[34]]
            odd += [1 for value in present if value[-1] == "=" and not _ends_canonically(value)]
            if odd:
                return None
            texts = [opened(raw[:16], raw[36:] + raw[18:34], None) for raw in raws]
            # One decoding for all: between two texts stands an octet that is no part of a longer character.
            b"\n".join(texts).decode()
        except _NOT_OPENED:
            return None
        if not all(texts):  # the empty text has no record
            return None
        empty = len(values) - len(present)
        if self._mostly_new:
            return Column(records=[UNCHANGED] * len(values), tally=Tally(empty=empty, new=len(present)))
        tally = Tally(empty=empty, old=len(present))
        if not write:
            return Column(records=[UNCHANGED] * len(values), tally=tally)
        written = self._written(texts)
        if empty:
            rest = iter(written)
            written = [next(rest) if value else UNCHANGED for value in values]
        return Column(records=written, tally=tally)

    def _one_by_one(self, values: Sequence[str | None], keys: Sequence[str], *, write: bool) -> Column:
        records = [UNCHANGED] * len(values)
        empty = new = foreign = no_record = 0
        named: list[str] = []
        places: list[int] = []
        texts: list[bytes] = []
        for at, value in enumerate(values):
            if not value:
                empty += 1
            elif self._opens(self._new_cipher, value) is not None:
                new += 1
            elif (text := self._opens(self._old_cipher, value)) is not None:
                places.append(at)
                texts.append(text.encode())
            else:
                is_record = looks_like_a_record(value)
                foreign, no_record = foreign + is_record, no_record + (not is_record)
                if len(named) < NAMED_AT_MOST:
                    named.append(keys[at])
        if write:
            for at, record in zip(places, self._written(texts), strict=True):
                records[at] = record
        return Column(
            records=records,
            tally=Tally(
                empty=empty, new=new, old=len(places), foreign=foreign, no_record=no_record, named=tuple(named)
            ),
        )

    def _opens(self, cipher: PhiCipher, value: str) -> str | None:
        try:
            return cipher.decrypt(value)
        except RecordRefused:
            return None

    def _written(self, texts: Sequence[bytes]) -> list[str]:
        """Records of texts. The octets that they stand for are compared with what was made, and opened again."""
        # Drawn in the frame that uses them up, as in PhiCipher.
        ivs = [iv for (iv,) in _ivs_in(urandom(IV_BYTES * len(texts)))]
        seal, unseal = self._new_key.encrypt, self._new_key.decrypt
        self._usage.add(len(texts))
        made = [(iv, seal(iv, text, None)) for iv, text in zip(ivs, texts, strict=True)]
        records = [
            f"{b64encode_as_string(iv)}:{b64encode_as_string(one[-TAG_BYTES:])}:{b64encode_as_string(one[:-TAG_BYTES])}"
            for iv, one in made
        ]
        two = _ZEROS[2]
        try:
            # Each part filled up with zeros to a multiple of three octets, as it is in base64.
            parts = [
                part
                for iv, one in made
                for part in (iv, two, one[-TAG_BYTES:], two, one[:-TAG_BYTES], _ZEROS[(TAG_BYTES - len(one)) % 3])
            ]
            right = _octets(records) == b"".join(parts)
            right = right and [unseal(iv, one, None) for iv, one in made] == texts
        except (ValueError, InvalidTag):
            right = False
        if not right:
            raise ReencryptionError("A record that was just made does not open: this machine's memory or CPU fails.")
        return records

    def __repr__(self) -> str:
        return "Transcriber(AES-256-GCM)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Transcriber is not copied or pickled: it holds data keys.")


def _ends_canonically(record: str) -> bool:
    return record[-2] in BEFORE_ONE_PAD or (record[-2] == "=" and record[-3] in BEFORE_TWO_PADS)


def _octets(records: Sequence[str]) -> bytes:
    """What all records stand for, one after the other, by one decoding: with "A" for "=" each part ends in zeros."""
    return b64decode("".join(records).encode().translate(_PAD_AS_ZERO, b":"), None, True)
