"""Encryption and decryption of PHI fields under one data key, with AES-256-GCM.

Touches the operating system's random source and nothing else.
"""

from __future__ import annotations

import os
from typing import NoReturn

from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phi.errors import CipherUnsupported, KeyRefused, RecordRefused, TextRefused
from phi.record import IV_BYTES, TAG_BYTES, Record

DATA_KEY_BYTES = 32
"""Length of an AES-256 data key."""


class PhiCipher:
    """Turns texts into records and back; immutable, safe between threads, never pickled or copied."""

    __slots__ = ("_aead",)
    _aead: AESGCM

    def __init__(self, key: bytes) -> None:
        """Take a data key of exactly 32 bytes; raises KeyRefused otherwise."""
        if not isinstance(key, bytes) or len(key) != DATA_KEY_BYTES:
            raise KeyRefused
        object.__setattr__(self, "_aead", AESGCM(key))

    def encrypt(self, text: str | None) -> str | None:
        """Encrypt a text under a fresh IV; None and "" give None. Raises TextRefused on lone surrogates."""
        if text is None or text == "":
            return None
        iv = os.urandom(IV_BYTES)
        sealed = self._aead.encrypt(iv, _utf8(text), None)
        return str(Record(iv=iv, tag=sealed[-TAG_BYTES:], ciphertext=sealed[:-TAG_BYTES]))

    def decrypt(self, record: str | None) -> str | None:
        """Open a record; None gives None. Raises RecordRefused, always alike, for all else."""
        if record is None:
            return None
        parts = Record.parse(record)
        try:
            return self._aead.decrypt(parts.iv, parts.ciphertext + parts.tag, None).decode("utf-8")
        except (InvalidTag, UnicodeDecodeError):
            pass
        # Raised outside the handler: the decoding error would carry the plaintext along as its context.
        raise RecordRefused

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
        AESGCM(os.urandom(DATA_KEY_BYTES)).encrypt(os.urandom(IV_BYTES), b"probe", None)
    except (InternalError, UnsupportedAlgorithm, ValueError) as error:
        raise CipherUnsupported from error


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        pass
    # Raised outside the handler: the encoding error would carry the plaintext along as its context.
    raise TextRefused
