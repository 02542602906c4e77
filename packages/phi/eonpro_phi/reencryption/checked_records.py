"""Encrypts the texts of a column, and checks each new record before it is written.

Touches the operating system's random source.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from os import urandom
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode

from eonpro_phi.raw_record import CIPHERTEXT, TAG, join_parts
from eonpro_phi.record import IV_BYTES
from eonpro_phi.reencryption.binary import FAULTY
from eonpro_phi.reencryption.errors import ReencryptionError

_split_ivs = Struct(f"{IV_BYTES}s").iter_unpack
_ZEROS = (b"", b"\0", b"\0\0")
_PAD_AS_ZERO = bytes.maketrans(b"=", b"A")


def checked_records(key: AESGCM, texts: Sequence[bytes]) -> list[str]:
    """The records of texts. Each record is decoded, compared and decrypted again as a check."""
    # Read in the frame that uses them, as in PhiCipher.
    ivs = [iv for (iv,) in _split_ivs(urandom(IV_BYTES * len(texts)))]
    seal, unseal = key.encrypt, key.decrypt
    sealed = [seal(iv, text, None) for iv, text in zip(ivs, texts, strict=True)]
    split = [(iv, value[TAG], value[CIPHERTEXT]) for iv, value in zip(ivs, sealed, strict=True)]
    records = [
        join_parts(
            (
                b2a_base64(iv, newline=False),
                b2a_base64(tag, newline=False),
                b2a_base64(ciphertext, newline=False),
            )
        ).decode()
        for iv, tag, ciphertext in split
    ]
    two = _ZEROS[2]
    try:
        # Each part padded with zeros to a multiple of three bytes, as it is in base64.
        parts = [
            part
            for iv, tag, ciphertext in split
            for part in (iv, two, tag, two, ciphertext, _ZEROS[-len(ciphertext) % 3])
        ]
        correct = _decode_all(records) == b"".join(parts)
        correct = correct and [unseal(iv, value, None) for iv, value in zip(ivs, sealed, strict=True)] == texts
    except (ValueError, InvalidTag):
        correct = False
    if not correct:
        raise ReencryptionError(FAULTY)
    return records


def _decode_all(records: Sequence[str]) -> bytes:
    """The bytes of all records, by one decoding: with "A" for "=" each part ends in zeros."""
    return b64decode("".join(records).encode().translate(_PAD_AS_ZERO, b":"), None, True)
