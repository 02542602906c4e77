"""Encryption and decryption of PHI fields under one data key, with AES-256-GCM.

Touches the operating system's random source, and nothing else.
"""

import os
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import repeat
from os import urandom
from struct import Struct
from typing import Any, NoReturn

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode

from eonpro_phi.batches import PHI_FIELDS, listed, map_fields
from eonpro_phi.binary.cipher import BinaryCipher, binary_keys
from eonpro_phi.binary.record import RECORD, header
from eonpro_phi.errors import (
    AlreadyEncrypted,
    CipherUnsupported,
    DecryptionError,
    InvalidDataKey,
    InvalidText,
    NotBound,
    NotText,
    PhiError,
    UnwrapError,
)
from eonpro_phi.raw_record import (
    CIPHERTEXT,
    DECRYPTION_FAILURES,
    RAW_CIPHERTEXT,
    RAW_IV,
    RAW_TAG,
    TAG,
    is_whole,
    join_parts,
    split_record,
)
from eonpro_phi.record import (
    BEFORE_ONE_PAD,
    BEFORE_TWO_PADS,
    IV_BYTES,
    V2,
    V2_IV_BYTES,
    RecordV2,
    key_id,
    looks_like_a_record,
)
from eonpro_phi.tenants import TenantFields, tenant_key

DATA_KEY_BYTES = 32
"""Length of an AES-256 data key."""

_CHUNK = 256
"""Values of a chunk of `encrypt_many` and `decrypt_many`: large enough that one system call a chunk costs nothing, and
small enough that a chunk stays in the processor's caches."""

_MOST_TENANTS = 1000
"""Tenants whose ciphers are kept, some 2 kB each."""

# Both read the operating system's random source at each call. getrandom is the system call itself, so it is a little
# faster; a signal can cut it short only above 256 bytes. urandom continues after a signal, so it reads the IVs of many.
random_bytes: Callable[[int], bytes] = getattr(os, "getrandom", urandom)  # Linux only

_split_ivs = Struct(f"{IV_BYTES}s").iter_unpack
# Not a method of the value: it raises TypeError for other types, and ignores what a subclass of str overrides.
utf8 = str.encode


class PhiCipher(BinaryCipher):
    """Encrypts texts to records and back; immutable, safe between threads and after a fork, never pickled or copied.

    Some code is repeated inline: `make bench` shows what a function call would cost.

    >>> old, new = bytes(32), bytes(range(32))  # keys of a test: a service gets its keys from KMS, through PhiFields
    >>> record = PhiCipher(old).encrypt("Jane")
    >>> PhiCipher(new, reading_keys=[old]).decrypt(record)
    'Jane'
    """

    __slots__ = ("_aead", "_by_id", "_id", "_keys", "_lenient", "_missing", "_reading", "_tenants")
    _aead: AESGCM
    _by_id: Mapping[str, AESGCM]
    _id: str
    _keys: tuple[bytes, ...]
    _lenient: bool
    _missing: UnwrapError | None
    _reading: tuple[Callable[[bytes, bytes, None], bytes], ...]
    _tenants: "dict[str, PhiCipher]"

    def __init__(
        self,
        key: bytes,
        *,
        reading_keys: Sequence[bytes] = (),
        lenient: bool = False,
        missing: UnwrapError | None = None,
    ) -> None:
        """Encrypt with `key`; decrypt with it, then with each of `reading_keys`: keys still in use during a rotation.

        A `lenient` cipher returns a text that does not look like a record unchanged: for columns that were stored
        before they were encrypted. Each key is exactly 32 bytes; raises InvalidDataKey otherwise. `missing` is why one
        of the reading keys is not here: it is raised for a well-formed record that no other key opens, which is no
        corrupt one.
        """
        for data_key in (key, *reading_keys):
            if not isinstance(data_key, bytes) or len(data_key) != DATA_KEY_BYTES:
                raise InvalidDataKey
        keys = {data_key: AESGCM(data_key) for data_key in (*reading_keys, key)}
        for name, value in {
            "_aead": keys[key],
            "_reading": tuple(AESGCM(reading_key).decrypt for reading_key in reading_keys),
            "_by_id": {key_id(data_key): aead for data_key, aead in keys.items()},
            "_binary_keys": binary_keys(keys),
            "_binary_id": bytes.fromhex(key_id(key)),
            "_binary_start": header(RECORD, bytes.fromhex(key_id(key))),
            "_id": key_id(key),
            "_keys": (key, *reading_keys),
            "_tenants": {},
            "_lenient": lenient,
            "_missing": missing,
        }.items():
            object.__setattr__(self, name, value)

    def encrypt(self, text: str | None) -> str | None:
        """Encrypt a text with a new IV; None and "" return None. Raises NotText, or InvalidText for lone surrogates.

        >>> cipher = PhiCipher(bytes(32))
        >>> cipher.encrypt("Jane") == cipher.encrypt("Jane")
        False
        >>> cipher.encrypt("") is None
        True
        """
        error: type[InvalidText]
        try:
            if not text:
                return self.encrypt(text) if (text := _as_text(text)) else None
            iv = random_bytes(16)
            sealed = self._aead.encrypt(iv, utf8(text), None)
            return join_parts(
                (
                    b2a_base64(iv, newline=False),
                    b2a_base64(sealed[TAG], newline=False),
                    b2a_base64(sealed[CIPHERTEXT], newline=False),
                )
            ).decode()
        except (UnicodeEncodeError, OverflowError):
            error = InvalidText
        except (TypeError, ValueError):
            error = NotText
        # Raised outside the handlers: the encoding error, which holds the plaintext, would be its context.
        raise error

    def encrypt_v2(self, text: str | None, context: str = "") -> str | None:
        """A record of version 2, which only `decrypt` with the same context opens; else as `encrypt`.

        The context names the record's place, such as `Patient.email`: there and nowhere else it can be decrypted. The
        application cannot read this version. docs/formats.md.

        >>> cipher = PhiCipher(bytes(32))
        >>> cipher.decrypt(cipher.encrypt_v2("Jane", "Patient.firstName"), "Patient.firstName")
        'Jane'
        """
        try:
            if not (text := _as_text(text)):
                return None
            record = RecordV2(key_id=self._id, iv=urandom(V2_IV_BYTES), sealed=b"")
            sealed = self._aead.encrypt(record.iv, utf8(text), record.associated_data(context))
        except (UnicodeEncodeError, OverflowError):
            pass
        else:
            return str(replace(record, sealed=sealed))
        raise InvalidText

    def decrypt(self, record: str | None, context: str = "") -> str | None:
        """Decrypt a record; None returns None. Raises DecryptionError, always the same, for anything else.

        `context` is that of `encrypt_v2`. With one, what is bound to no place raises NotBound: a record of the first
        version is of no place.

        >>> PhiCipher(bytes(32)).decrypt("MTIzNDU2Nzg5MDEyMzQ1Ng==:nIIi7aadRf2gAFnSWQKmNg==:tavicw==")
        'Jane'
        >>> PhiCipher(bytes(32)).decrypt("Jane")
        Traceback (most recent call last):
        eonpro_phi.errors.DecryptionError: The record cannot be decrypted.
        """
        if record is None:
            return None
        try:
            if record[24] == ":" == record[49] and not context:
                # One decoding for the three parts. "==:" ends a part of 16 bytes; with "AA" in its place that part is
                # 18 bytes, and the last two are 0 if its pad bits are 0. The decoder refuses any further colon, other
                # characters outside the alphabet, and "=" anywhere but at the end. It accepts pad bits at the end that
                # are not 0, so those are checked here.
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
                    text = self._aead.decrypt(raw[RAW_IV], raw[RAW_CIPHERTEXT] + raw[RAW_TAG], None).decode()
                    if text:  # the empty text has no record
                        return text
        except DECRYPTION_FAILURES:
            pass
        # Outside the handler: the errors, which hold the record or the plaintext, would be the context.
        return self._decrypt_fallback(record, context)

    def _decrypt_fallback(self, record: str, context: str) -> str:
        if isinstance(record, str) and record.startswith(V2):
            return self._decrypt_v2(record, context)
        if context and isinstance(record, str) and looks_like_a_record(record) and self.holds(record):
            raise NotBound
        for unseal in self._reading if not context else ():
            try:
                return unseal(*split_record(record), None).decode()
            except DECRYPTION_FAILURES:
                continue
        if self._lenient and not context and isinstance(record, str) and not looks_like_a_record(record):
            return record
        raise self._no_such_key() if is_whole(record) else DecryptionError()

    def _decrypt_v2(self, record: str, context: str) -> str:
        parts = RecordV2.parse(record)
        aead = self._by_id.get(parts.key_id)
        if aead is None:
            raise self._no_such_key()
        text = ""
        with suppress(*DECRYPTION_FAILURES):
            text = aead.decrypt(parts.iv, parts.sealed, parts.associated_data(context)).decode()
        if text:
            return text
        raise DecryptionError

    def encrypt_many(self, values: Iterable[str | None]) -> list[str | None]:
        """Encrypt several texts, faster than one at a time. Raises as `encrypt`, and InvalidValues for a single text or
        a mapping; then nothing is returned.

        >>> cipher = PhiCipher(bytes(32))
        >>> cipher.decrypt_many(cipher.encrypt_many(["jane@example.org", None]))
        ['jane@example.org', None]
        """
        return self._encrypt_list(listed(values))

    def decrypt_many(self, values: Iterable[str | None]) -> list[str | None]:
        """Decrypt several records, faster than one at a time.

        Raises DecryptionError if one of them cannot be decrypted, and InvalidValues as `encrypt_many`; then nothing is
        returned.
        """
        return self._decrypt_list(listed(values))

    def encrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields encrypted, where they exist; the others are unchanged.

        Raises as `encrypt_many`, and AlreadyEncrypted for a record that this cipher can decrypt: a mapping that was
        read and never decrypted would be encrypted twice.

        >>> stored = PhiCipher(bytes(32)).encrypt_fields({"id": 7, "firstName": "Jane", "plan": "basic"})
        >>> stored["id"], stored["plan"], len(stored["firstName"])
        (7, 'basic', 58)
        """
        return map_fields(patient, fields, self._encrypt_once)

    def decrypt_fields(self, patient: Mapping[str, Any], fields: Iterable[str] = PHI_FIELDS) -> dict[str, Any]:
        """A copy of the mapping with these fields decrypted, where they exist; the others are unchanged."""
        return map_fields(patient, fields, self._decrypt_list)

    def for_tenant(self, tenant: str) -> TenantFields:
        """Encryption for one tenant, under a key that is derived from the data key. Raises InvalidTenant."""
        return TenantFields(tenant, lambda: self)

    def derived(self, tenant: str) -> "PhiCipher":
        """The cipher of a tenant's keys, for one use; a service calls `for_tenant`."""
        cipher = self._tenants.get(tenant)
        if cipher is None:
            own, *reading_keys = [tenant_key(key, tenant) for key in self._keys]
            cipher = PhiCipher(own, reading_keys=reading_keys, lenient=self._lenient, missing=self._missing)
            if len(self._tenants) >= _MOST_TENANTS:
                self._tenants.clear()
            self._tenants[tenant] = cipher
        return cipher

    def _encrypt_list(self, values: list[str | None]) -> list[str | None]:
        error: type[InvalidText]
        try:
            records: list[str | None] = []
            for start in range(0, len(values), _CHUNK):
                # Chunk by chunk through all steps: a chunk stays in the processor's caches.
                texts = values[start : start + _CHUNK]
                if not all(texts):
                    texts = [text or _as_text(text) for text in texts]
                encoded = list(map(utf8, filter(None, texts)))
                # Read in the frame that uses them, and stored nowhere, so that a forked child never finds unused IVs:
                # no foreign code runs between here and their use, and other threads' frames do not exist in a child.
                ivs = [iv for (iv,) in _split_ivs(urandom(16 * len(encoded)))]
                sealed = list(map(self._aead.encrypt, ivs, encoded, repeat(None)))
                written = [
                    join_parts(
                        (
                            b2a_base64(iv, newline=False),
                            b2a_base64(value[TAG], newline=False),
                            b2a_base64(value[CIPHERTEXT], newline=False),
                        )
                    ).decode()
                    for iv, value in zip(ivs, sealed, strict=True)
                ]
                records += written if len(written) == len(texts) else _restore_gaps(written, texts)
            return records
        except (UnicodeEncodeError, OverflowError):
            error = InvalidText
        except (TypeError, ValueError):
            error = NotText
        raise error

    def _decrypt_list(self, records: list[str | None]) -> list[str | None]:
        texts: list[str | None] = []
        try:
            for start in range(0, len(records), _CHUNK):
                chunk = records[start : start + _CHUNK]
                opened = self._open_all(chunk)
                # If one record of the chunk fails, each is decrypted by itself: reading keys, lenient texts.
                texts += map(self.decrypt, chunk) if opened is None else opened
        except PhiError:
            texts.clear()  # some services report the local variables of an error's frames
            raise
        return texts

    def _open_all(self, records: list[str | None]) -> Sequence[str | None] | None:
        try:
            parts = [split_record(record) for record in records if record is not None]
            unseal = self._aead.decrypt
            opened = [unseal(iv, sealed, None) for iv, sealed in parts]
            texts = [text.decode() for text in opened]
        except DECRYPTION_FAILURES:
            return None
        return texts if len(texts) == len(records) else _restore_gaps(texts, records)

    def _encrypt_once(self, values: list[str | None]) -> list[str | None]:
        for value in values:
            if isinstance(value, str) and looks_like_a_record(value) and self.holds(value):
                raise AlreadyEncrypted
        return self._encrypt_list(values)

    def holds(self, record: Any) -> bool:
        """Whether it is a record of one of these keys; the context of version 2 is not known here, the key is."""
        if not isinstance(record, str):
            return super().holds(record)
        try:
            if record.startswith(V2):
                return RecordV2.parse(record).key_id in self._by_id
            return self.decrypt(record) is not None
        except DecryptionError:
            return False

    def __repr__(self) -> str:
        return "PhiCipher(AES-256-GCM)"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A PhiCipher is immutable.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A PhiCipher is immutable.")

    def __reduce__(self) -> NoReturn:
        raise TypeError("A PhiCipher cannot be copied or pickled: it holds a data key.")


def require_sixteen_byte_ivs() -> None:
    """Encrypt once with a 16-byte IV and a random key; raises CipherUnsupported when this build refuses it."""
    try:
        AESGCM(urandom(DATA_KEY_BYTES)).encrypt(urandom(IV_BYTES), b"probe", None)
    except (InternalError, UnsupportedAlgorithm, ValueError) as error:
        raise CipherUnsupported from error


def _as_text(value: object) -> str | None:
    """The text of a falsy value or a subclass of str: None for None; raises NotText for other types."""
    if value is None or isinstance(value, str):
        return None if value is None else str.__str__(value)
    raise NotText


def _restore_gaps(results: Iterable[str], values: Iterable[str | None]) -> list[str | None]:
    """The result for each value that is not empty, and None in the place of the others."""
    remaining = iter(results)
    return [next(remaining) if value else None for value in values]
