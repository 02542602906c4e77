"""Encryption and decryption of PHI fields under one data key, with AES-256-GCM.

Touches the operating system's random source and the count of `phi.usage`, and nothing else.
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import urandom
from struct import Struct
from typing import Any, NoReturn, TypeVar, overload

from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode

from phi.batches import PHI_FIELDS, Column, in_fields, in_its_form
from phi.errors import AlreadyEncrypted, CipherUnsupported, KeyRefused, NotText, RecordRefused, TextRefused
from phi.record import BEFORE_ONE_PAD, BEFORE_TWO_PADS, IV_BYTES, looks_like_a_record
from phi.usage import KeyUsage, Tally, usage_of

DATA_KEY_BYTES = 32
"""Length of an AES-256 data key."""

Name = TypeVar("Name")

_AT_ONCE = 256
"""Values of a step of `encrypt_many` and `decrypt_many`: so many that a system call for each step costs nothing, so few
that what lies between two steps stays small."""

# What AESGCM gives: the ciphertext, and the tag behind it.
CIPHERTEXT = slice(None, -16)
TAG = slice(-16, None)

# What the text of a record decodes to at once: see PhiCipher.decrypt.
_RAW_IV = slice(None, 16)
_RAW_TAG = slice(18, 34)
_RAW_CIPHERTEXT = slice(36, None)

# Both draw from the operating system, at each call. getrandom is the system call itself, and so a little faster; for
# 256 bytes at the most it is whole. urandom goes on where a signal cut it short, and so is for the IVs of many.
draw: Callable[[int], bytes] = getattr(os, "getrandom", urandom)  # which Linux alone has

_each_iv = Struct(f"{IV_BYTES}s").iter_unpack
parted = b":".join
# Not a method of the value: for what is no text this raises TypeError, and of a kind of text it takes the text itself.
utf8 = str.encode

_NOT_OPENED = (InvalidTag, ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""All that the libraries raise on what is no record of a key: ValueError has base64's and UTF-8's errors among it."""


class PhiCipher:
    """Turns texts into records and back; immutable, safe between threads and after a fork, never pickled or copied.

    The calls stand written out where a function of their own would cost what `make bench` shows.

    >>> former, new = bytes(32), bytes(range(32))  # of a test: a service has its keys from KMS, by PhiFields
    >>> record = PhiCipher(former).encrypt("Jane")
    >>> PhiCipher(new, reading=[former]).decrypt(record)
    'Jane'
    """

    __slots__ = ("_aead", "_lenient", "_passed", "_reading", "_usage")
    _aead: AESGCM
    _lenient: bool
    _passed: Tally
    _reading: tuple[Callable[[bytes, bytes, None], bytes], ...]
    _usage: KeyUsage

    def __init__(self, key: bytes, *, reading: Sequence[bytes] = (), lenient: bool = False) -> None:
        """Write under `key`; read under it, then under each of `reading`: the keys that a rotation leaves in use.

        A `lenient` cipher gives back a text that has not the shape of a record as it is, and counts it: for columns
        that were stored before they were encrypted. Each key is exactly 32 bytes; raises KeyRefused otherwise.
        """
        for one in (key, *reading):
            if not isinstance(one, bytes) or len(one) != DATA_KEY_BYTES:
                raise KeyRefused
        for name, value in {
            "_aead": AESGCM(key),
            "_reading": tuple(AESGCM(one).decrypt for one in reading),
            "_usage": usage_of(key),
            "_lenient": lenient,
            "_passed": Tally(),
        }.items():
            object.__setattr__(self, name, value)

    def encrypt(self, text: str | None) -> str | None:
        """Encrypt a text under a fresh IV; None and "" give None. Raises NotText, or TextRefused on lone surrogates.

        >>> cipher = PhiCipher(bytes(32))
        >>> cipher.encrypt("Jane") == cipher.encrypt("Jane")
        False
        >>> cipher.encrypt("") is None
        True
        """
        refusal: type[TextRefused]
        try:
            if not text:
                return self.encrypt(text) if (text := _plain(text)) else None
            iv = draw(16)
            sealed = self._aead.encrypt(iv, utf8(text), None)
            for _ in self._usage.left:  # a step of it, for half of what next() costs
                break
            else:
                self._usage.add(1)
            return parted(
                (
                    b2a_base64(iv, newline=False),
                    b2a_base64(sealed[TAG], newline=False),
                    b2a_base64(sealed[CIPHERTEXT], newline=False),
                )
            ).decode()
        except (UnicodeEncodeError, OverflowError):
            refusal = TextRefused
        except (TypeError, ValueError):
            refusal = NotText
        # Raised outside the handlers: the encoding error would carry the plaintext along as its context.
        raise refusal

    def decrypt(self, record: str | None) -> str | None:
        """Open a record; None gives None. Raises RecordRefused, always alike, for all else.

        >>> PhiCipher(bytes(32)).decrypt("MTIzNDU2Nzg5MDEyMzQ1Ng==:nIIi7aadRf2gAFnSWQKmNg==:tavicw==")
        'Jane'
        >>> PhiCipher(bytes(32)).decrypt("Jane")
        Traceback (most recent call last):
        phi.errors.RecordRefused: The record was refused.
        """
        if record is None:
            return None
        try:
            if record[24] == ":" == record[49]:
                # One decoding for the three parts. "==:" ends a part of 16 bytes; with "AA" in its place that part is
                # 18 bytes, the last two of them 0 if its pad bits are. The decoder refuses a colon that is left, so
                # these two were the only ones; and whatever else is not of the alphabet, and "=" but at the end. What
                # it does let pass are pad bits at the end that are not 0.
                raw = b64decode(record.replace("==:", "AA", 2), None, True)
                if (
                    not raw[16]
                    and not raw[34]
                    and (
                        record[-1] != "="
                        or record[-2] in BEFORE_ONE_PAD
                        or (record[-2] == "=" and record[-3] in BEFORE_TWO_PADS)
                    )
                ):
                    text = self._aead.decrypt(raw[_RAW_IV], raw[_RAW_CIPHERTEXT] + raw[_RAW_TAG], None).decode()
                    if text:  # the empty text has no record
                        return text
        except _NOT_OPENED:
            pass
        # Outside the handler, because the errors would carry the record or the plaintext along as their context.
        return self._decrypt_otherwise(record)

    def _decrypt_otherwise(self, record: str) -> str:
        for unseal in self._reading:
            try:
                return unseal(*_taken_apart(record), None).decode()
            except _NOT_OPENED:
                continue
        if self._lenient and isinstance(record, str) and not looks_like_a_record(record):
            next(self._passed.left)
            return record
        raise RecordRefused

    # A mapping is an iterable of its names, too: the first that fits counts, for mypy as at run time.
    @overload
    def encrypt_many(self, values: Mapping[Name, Column]) -> dict[Name, list[str | None]]: ...  # type: ignore[overload-overlap]
    @overload
    def encrypt_many(self, values: Mapping[Name, str | None]) -> dict[Name, str | None]: ...  # type: ignore[overload-overlap]
    @overload
    def encrypt_many(self, values: Iterable[str | None]) -> list[str | None]: ...

    def encrypt_many(self, values: Any) -> Any:
        """Encrypt several texts: an iterable gives a list; a mapping of texts, or of columns, a dict of the same names.

        Faster than one at a time. Raises as `encrypt` does, and ValuesRefused for a single text; then nothing is given.

        >>> cipher = PhiCipher(bytes(32))
        >>> cipher.decrypt_many(cipher.encrypt_many({"email": ["jane@example.org", None], "city": ["Oslo", "Lima"]}))
        {'email': ['jane@example.org', None], 'city': ['Oslo', 'Lima']}
        """
        return in_its_form(values, self._encrypt_list)

    @overload
    def decrypt_many(self, values: Mapping[Name, Column]) -> dict[Name, list[str | None]]: ...  # type: ignore[overload-overlap]
    @overload
    def decrypt_many(self, values: Mapping[Name, str | None]) -> dict[Name, str | None]: ...  # type: ignore[overload-overlap]
    @overload
    def decrypt_many(self, values: Iterable[str | None]) -> list[str | None]: ...

    def decrypt_many(self, values: Any) -> Any:
        """Open several records, in the forms of `encrypt_many`; faster than one at a time.

        Raises RecordRefused if one of them does not open, and ValuesRefused for a single record; then nothing is given.
        """
        return in_its_form(values, self._decrypt_list)

    def encrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields encrypted, as far as it has them; the others as they are.

        Raises as `encrypt_many` does, and AlreadyEncrypted for a record that this cipher opens: a mapping that was read
        and never decrypted would else be encrypted twice.

        >>> stored = PhiCipher(bytes(32)).encrypt_fields({"id": 7, "firstName": "Jane", "plan": "basic"})
        >>> stored["id"], stored["plan"], len(stored["firstName"])
        (7, 'basic', 58)
        """
        return in_fields(patient, fields, self._encrypt_once)

    def decrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields opened, as far as it has them; the others as they are."""
        return in_fields(patient, fields, self._decrypt_list)

    @property
    def encryptions(self) -> int:
        """How many texts this process has encrypted under the key it writes under, by this cipher or another."""
        return self._usage.encryptions

    @property
    def passed_through(self) -> int:
        """How many texts a lenient cipher has given back as they were."""
        return self._passed.drawn

    def _encrypt_list(self, values: list[str | None]) -> list[str | None]:
        refusal: type[TextRefused]
        try:
            records: list[str | None] = []
            for start in range(0, len(values), _AT_ONCE):
                # A step of all before the next of any: each stays in the processor's caches.
                texts = values[start : start + _AT_ONCE]
                if not all(texts):
                    texts = [text or _plain(text) for text in texts]
                encoded = [utf8(text) for text in texts if text]
                self._usage.add(len(encoded))
                # Drawn in the frame that uses them up and kept nowhere, so that no fork finds any: from here to their
                # use runs no code of anybody else's, and another thread's frames do not live on in a child process.
                ivs = [iv for (iv,) in _each_iv(urandom(16 * len(encoded)))]
                seal = self._aead.encrypt
                sealed = [seal(iv, text, None) for iv, text in zip(ivs, encoded, strict=True)]
                written = [
                    parted(
                        (
                            b2a_base64(iv, newline=False),
                            b2a_base64(one[TAG], newline=False),
                            b2a_base64(one[CIPHERTEXT], newline=False),
                        )
                    ).decode()
                    for iv, one in zip(ivs, sealed, strict=True)
                ]
                records += written if len(written) == len(texts) else _in_place(written, texts)
            return records
        except (UnicodeEncodeError, OverflowError):
            refusal = TextRefused
        except (TypeError, ValueError):
            refusal = NotText
        raise refusal

    def _decrypt_list(self, records: list[str | None]) -> list[str | None]:
        texts: list[str | None] = []
        try:
            for start in range(0, len(records), _AT_ONCE):
                some = records[start : start + _AT_ONCE]
                opened = self._open_all(some)
                # One that does not open at once sends all of its step the long way, where each is judged by itself.
                texts += map(self.decrypt, some) if opened is None else opened
        except RecordRefused:
            texts.clear()  # some services report the frames of an error with what is in them
            raise
        return texts

    def _open_all(self, records: list[str | None]) -> Sequence[str | None] | None:
        try:
            parts = [_taken_apart(record) for record in records if record is not None]
            unseal = self._aead.decrypt
            opened = [unseal(iv, sealed, None) for iv, sealed in parts]
            texts = [text.decode() for text in opened]
        except _NOT_OPENED:
            return None
        return texts if len(texts) == len(records) else _in_place(texts, records)

    def _encrypt_once(self, values: list[str | None]) -> list[str | None]:
        for value in values:
            if isinstance(value, str) and looks_like_a_record(value) and self._opens(value):
                raise AlreadyEncrypted
        return self._encrypt_list(values)

    def _opens(self, record: str) -> bool:
        try:
            return self.decrypt(record) is not None
        except RecordRefused:
            return False

    def __repr__(self) -> str:
        return "PhiCipher(AES-256-GCM)"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A PhiCipher does not change.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A PhiCipher does not change.")

    def __reduce__(self) -> NoReturn:
        raise TypeError("A PhiCipher is not copied or pickled: it holds a data key.")


def require_sixteen_byte_ivs() -> None:
    """Try the record format's IV on a throw-away key; raises CipherUnsupported when this build refuses it."""
    try:
        AESGCM(urandom(DATA_KEY_BYTES)).encrypt(urandom(IV_BYTES), b"probe", None)
    except (InternalError, UnsupportedAlgorithm, ValueError) as error:
        raise CipherUnsupported from error


def _taken_apart(record: str) -> tuple[bytes, bytes]:
    """The IV, and ciphertext and tag in one, as AESGCM wants them; raises one of _NOT_OPENED for what is no record.

    How it does is told in PhiCipher.decrypt.
    """
    if record[24] == ":" == record[49] and record[50]:
        raw = b64decode(record.replace("==:", "AA", 2), None, True)
        if (
            not raw[16]
            and not raw[34]
            and (
                record[-1] != "="
                or record[-2] in BEFORE_ONE_PAD
                or (record[-2] == "=" and record[-3] in BEFORE_TWO_PADS)
            )
        ):
            return raw[_RAW_IV], raw[_RAW_CIPHERTEXT] + raw[_RAW_TAG]
    raise ValueError


def _plain(value: object) -> str | None:
    """The text of what is falsy or a kind of text: None of nothing; raises NotText for all else."""
    if value is None or isinstance(value, str):
        return None if value is None else str.__str__(value)
    raise NotText


def _in_place(done: Iterable[str], given: Iterable[str | None]) -> list[str | None]:
    """What was done to each value that is there, with None in the places of the others."""
    following = iter(done)
    return [next(following) if value else None for value in given]
