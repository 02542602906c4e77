"""Encryption and decryption of PHI fields under one data key, with AES-256-GCM.

Touches the operating system's random source and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from os import urandom
from struct import Struct
from typing import Any, NoReturn, TypeVar, overload

from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode, b64encode_as_string

from phi.batches import PHI_FIELDS, Column, in_fields, in_its_form
from phi.errors import CipherUnsupported, KeyRefused, NotText, RecordRefused, TextRefused
from phi.record import IV_BYTES, TAG_BYTES, ends_canonically, looks_like_a_record
from phi.usage import KeyUsage, usage_of

DATA_KEY_BYTES = 32
"""Length of an AES-256 data key."""

Name = TypeVar("Name")

_IVS_AT_ONCE = 1024  # 16 KiB of random bytes: what a system call costs is spread over, and memory stays bounded
_iv_of_each = Struct(f"{IV_BYTES}s").iter_unpack


class PhiCipher:
    """Turns texts into records and back; immutable, safe between threads and after a fork, never pickled or copied."""

    __slots__ = ("_aead", "_lenient", "_passed", "_reading", "_usage")
    _aead: AESGCM
    _lenient: bool
    _passed: itertools.count[int]
    _reading: tuple[AESGCM, ...]
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
            "_lenient": lenient,
            "_passed": itertools.count(),
            "_reading": tuple(AESGCM(one) for one in reading),
            "_usage": usage_of(key),
        }.items():
            object.__setattr__(self, name, value)

    def encrypt(self, text: str | None) -> str | None:
        """Encrypt a text under a fresh IV; None and "" give None. Raises NotText, or TextRefused on lone surrogates."""
        if type(text) is not str:
            text = _text(text)
        if not text:
            return None
        try:
            iv = urandom(IV_BYTES)
            sealed = self._aead.encrypt(iv, text.encode(), None)
        except (UnicodeEncodeError, OverflowError):
            sealed = None
        if sealed is None:
            # Raised outside the handler: the encoding error would carry the plaintext along as its context.
            raise TextRefused
        usage = self._usage
        if next(usage.ordinals) >= usage.warn_from:
            usage.warn()
        return (
            f"{b64encode_as_string(iv)}:{b64encode_as_string(sealed[-TAG_BYTES:])}"
            f":{b64encode_as_string(sealed[:-TAG_BYTES])}"
        )

    def decrypt(self, record: str | None) -> str | None:
        """Open a record; None gives None. Raises RecordRefused, always alike, for all else."""
        if record is None:
            return None
        iv = sealed = None
        try:
            # One decoding for the three parts: "==:" ends a part of 16 bytes, and with "AA" in its place the part is
            # 18 bytes, whose last two are 0 unless pad bits are set. A colon that is left is refused by the decoder, so
            # the two that were replaced are the only ones, these two; for it also refuses whatever is not of the
            # alphabet, and "=" anywhere but at the end.
            if type(record) is str and record[24] == ":" == record[49]:
                raw = b64decode(record.replace("==:", "AA", 2), None, True)
                if not raw[16] and not raw[34] and ends_canonically(record):
                    iv, sealed = raw[:16], raw[36:] + raw[18:34]
                    text = self._aead.decrypt(iv, sealed, None).decode()
                    if text:  # the empty text has no record
                        return text
        except (ValueError, IndexError, InvalidTag, OverflowError):
            pass
        if sealed is not None and iv is not None:
            return self._under_another_key(iv, sealed)
        if self._lenient and type(record) is str and not looks_like_a_record(record):
            next(self._passed)
            return record
        raise RecordRefused

    def _under_another_key(self, iv: bytes, sealed: bytes) -> str:
        for aead in self._reading:
            try:
                text = aead.decrypt(iv, sealed, None).decode()
            except (InvalidTag, UnicodeDecodeError, OverflowError):
                continue
            if text:
                return text
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
        """
        return in_its_form(values, self._encrypt_list)

    @overload
    def decrypt_many(self, values: Mapping[Name, Column]) -> dict[Name, list[str | None]]: ...  # type: ignore[overload-overlap]
    @overload
    def decrypt_many(self, values: Mapping[Name, str | None]) -> dict[Name, str | None]: ...  # type: ignore[overload-overlap]
    @overload
    def decrypt_many(self, values: Iterable[str | None]) -> list[str | None]: ...

    def decrypt_many(self, values: Any) -> Any:
        """Open several records, in the forms of `encrypt_many`. Raises RecordRefused if one of them does not open."""
        return in_its_form(values, self._decrypt_list)

    def encrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields encrypted, as far as it has them; the others as they are."""
        return in_fields(patient, fields, self._encrypt_list)

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
        return int(repr(self._passed)[len("count(") : -1])

    def _encrypt_list(self, texts: list[str | None]) -> list[str | None]:
        seal = self._aead.encrypt
        records: list[str | None] = []
        refused = False
        try:
            for start in range(0, len(texts), _IVS_AT_ONCE):
                some = [text if type(text) is str else _text(text) for text in texts[start : start + _IVS_AT_ONCE]]
                # Drawn in the frame that uses them up and kept nowhere, so that no fork can find them: between the
                # drawing and the use runs no code but what stands here.
                for text, (iv,) in zip(some, _iv_of_each(urandom(IV_BYTES * len(some))), strict=True):
                    if text:
                        sealed = seal(iv, text.encode(), None)
                        records.append(
                            f"{b64encode_as_string(iv)}:{b64encode_as_string(sealed[-TAG_BYTES:])}"
                            f":{b64encode_as_string(sealed[:-TAG_BYTES])}"
                        )
                    else:
                        records.append(None)
        except (UnicodeEncodeError, OverflowError):
            refused = True
        self._usage.add(len(records) - records.count(None))
        if refused:
            raise TextRefused
        return records

    def _decrypt_list(self, records: list[str | None]) -> list[str | None]:
        decrypt = self.decrypt
        return [decrypt(record) for record in records]

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


def _text(value: object) -> str | None:
    """The plain text of a kind of text (an enumeration's member, a safe string), and nothing else."""
    if value is None:
        return None
    if isinstance(value, str):
        return str.__str__(value)
    raise NotText
