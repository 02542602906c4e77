"""The wrapped data key as a value: what it must look like, and the fingerprint it is known by.

Pure. A wrapped key is ciphertext, but it is kept out of every repr all the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum

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


class Damage(StrEnum):
    """How a value came to be no wrapped data key."""

    EMPTY = "empty"
    QUOTED = "quoted"
    """The data key that it should be, with quotation marks or white space around it."""
    TRUNCATED = "truncated"
    """The beginning of the data key that it should be, or too short for any."""
    MALFORMED = "malformed"


_AROUND = " \t\r\n\"'`"
_TELLING = 16
"""Characters of a beginning that are no chance: twelve octets."""


def damage(value: str, *, of: WrappedDataKey | None) -> Damage | None:
    """What is wrong with a value that should be a wrapped data key; None where it is one, whichever."""
    if not value.strip(_AROUND):
        return Damage.EMPTY
    try:
        WrappedDataKey(value=value)
    except MalformedDataKey:
        bare = value.strip(_AROUND)
        if bare != value and damage(bare, of=of) is None:
            return Damage.QUOTED
        if is_beginning(value, of=of) or len(bare) * 3 // 4 < SHORTEST_BLOB and _is_base64(bare):
            return Damage.TRUNCATED
        return Damage.MALFORMED
    return Damage.TRUNCATED if is_beginning(value, of=of) else None


def is_beginning(value: str, *, of: WrappedDataKey | None) -> bool:
    """Whether the value is a beginning of that data key, cut off."""
    bare = value.strip(_AROUND)
    return of is not None and len(bare) >= _TELLING and bare != of.value and of.value.startswith(bare.rstrip("="))


def is_remnant(value: str, *, of: WrappedDataKey) -> bool:
    """Whether nothing is lost with the value: it is empty, or all it holds is in that data key too."""
    bare = value.strip(_AROUND)
    return not bare or bare == of.value or is_beginning(value, of=of)


def _is_base64(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text) is not None
