"""The wrapped data key as a value: what it must look like, and the fingerprint it is known by.

Pure. A wrapped key is ciphertext, but it is kept out of every repr all the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

FINGERPRINT = re.compile(r"sha256:[0-9a-f]{16}")
"""What a fingerprint looks like wherever it is written: a parameter's tag, a variable's comment."""

SHORTEST_BLOB = 64
"""Octets. KMS wraps 32 octets into about 184, emulators into fewer; less than twice the key is a cut-off or another
thing altogether."""


class MalformedDataKey(ValueError):
    """The value cannot be a wrapped data key. The message says why and never holds the value."""


@dataclass(frozen=True, kw_only=True)
class WrappedDataKey:
    """The data key as KMS wrapped it, in the base64 the application reads."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        _decode(self.value)

    @classmethod
    def from_blob(cls, blob: bytes) -> WrappedDataKey:
        """The wrapped key of KMS's CiphertextBlob."""
        return cls(value=base64.b64encode(blob).decode())

    @property
    def blob(self) -> bytes:
        """What KMS takes as CiphertextBlob."""
        return _decode(self.value)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the first 16 hex digits of the digest of the decoded blob."""
        return "sha256:" + hashlib.sha256(self.blob).hexdigest()[:16]


def _decode(value: str) -> bytes:
    if not value:
        raise MalformedDataKey("it is empty")
    if value.strip() != value or value[:1] in "'\"":
        raise MalformedDataKey("it has white space or quotation marks around it")
    try:
        blob = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedDataKey("it is not base64") from None
    # b64decode lets non-zero pad bits pass; one blob must have one spelling.
    if base64.b64encode(blob).decode() != value:
        raise MalformedDataKey("it is not canonical base64")
    if len(blob) < SHORTEST_BLOB:
        raise MalformedDataKey(f"it is too short ({len(blob)} octets) to be a key wrapped by KMS: cut off?")
    return blob
