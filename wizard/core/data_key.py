"""The wrapped data key as a value: its form, its fingerprint, and how a damaged one is recognized.

Pure. A wrapped key is ciphertext, but no repr shows it.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum

from wizard.core.next_command import Command

FINGERPRINT = re.compile(r"sha256:[0-9a-f]{16}")
"""The form of a fingerprint in a parameter's tag or a variable's comment."""

CHECK_VALUE = re.compile(r"[0-9a-f]{16}")
"""The form of a key check value."""

SHORTEST_BLOB = 64
"""Bytes. KMS wraps 32 bytes into about 184, emulators into fewer; less than twice the key is cut off or no data key."""


class MalformedDataKey(ValueError):
    """The value cannot be a wrapped data key. The message says why and never holds the value."""


@dataclass(frozen=True, kw_only=True)
class WrappedDataKey:
    """The data key as KMS wrapped it, in the base64 the application reads."""

    value: str = field(repr=False)
    check_value: str | None = field(default=None, compare=False)
    """The key check value of the key that it opens to (`eonpro_phi.record.key_id`), 16 hex digits; None: not known."""

    def __post_init__(self) -> None:
        _decode(self.value)

    @classmethod
    def from_blob(cls, blob: bytes) -> "WrappedDataKey":
        return cls(value=base64.b64encode(blob).decode())

    @property
    def blob(self) -> bytes:
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
    # b64decode accepts non-zero pad bits, but one blob must have only one spelling.
    if base64.b64encode(blob).decode() != value:
        raise MalformedDataKey("it is not canonical base64")
    if len(blob) < SHORTEST_BLOB:
        raise MalformedDataKey(f"it is too short ({len(blob)} bytes) to be a key wrapped by KMS: cut off?")
    return blob


class Damage(StrEnum):
    """Why a value is not a wrapped data key."""

    EMPTY = "empty"
    QUOTED = "quoted"
    """The right data key with quotation marks or white space around it."""
    TRUNCATED = "truncated"
    """The beginning of the right data key, or too short for any."""
    MALFORMED = "malformed"


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
AROUND = " \t\r\n\"'`"
"""Characters around a value that was pasted with them; they are no part of it."""
_SHORTEST_BEGINNING = 16
"""Characters, twelve bytes: too many to agree by chance."""


def damage(value: str, *, of: WrappedDataKey | None) -> Damage | None:
    """The fault of a value that should be a wrapped data key; None if it is one."""
    if not value.strip(AROUND):
        return Damage.EMPTY
    try:
        WrappedDataKey(value=value)
    except MalformedDataKey:
        bare = value.strip(AROUND)
        if bare != value and damage(bare, of=of) is None:
            return Damage.QUOTED
        if is_beginning(value, of=of) or len(bare) * 3 // 4 < SHORTEST_BLOB and _BASE64.fullmatch(bare):
            return Damage.TRUNCATED
        return Damage.MALFORMED
    return Damage.TRUNCATED if is_beginning(value, of=of) else None


def is_beginning(value: str, *, of: WrappedDataKey | None) -> bool:
    """Whether the value is a cut-off beginning of that data key."""
    bare = value.strip(AROUND)
    return (
        of is not None
        and len(bare) >= _SHORTEST_BEGINNING
        and bare != of.value
        and of.value.startswith(bare.rstrip("="))
    )


def is_remnant(value: str, *, of: WrappedDataKey) -> bool:
    """Whether the value can be overwritten without a loss: it is empty, or a part of that data key."""
    bare = value.strip(AROUND)
    return not bare or bare == of.value or is_beginning(value, of=of)


def input_variable(variable: str) -> str:
    """The environment variable for a wrapped key of the application, if Vercel does not show it."""
    return f"EONPRO_{variable}"


def read_from_application(variable: str) -> Command:
    """The command that asks for the running application's value, which is then in no command line."""
    name = input_variable(variable)
    return Command(f"printf '{variable}: ' >&2 && read -rs {name} && export {name}")
