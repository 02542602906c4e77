"""The written form of one encrypted PHI field: `base64(iv):base64(tag):base64(ciphertext)`.

Touches nothing: text in, parts out, and back; it knows no key.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from phi.errors import RecordRefused

IV_BYTES = 16
"""Length of a record's IV; the application writes 16 where GCM's usual is 12."""

TAG_BYTES = 16
"""Length of a record's authentication tag."""

BEFORE_ONE_PAD = frozenset("AEIMQUYcgkosw048")
"""What may stand before a final "=": of its six bits two are over, which are 0 in canonical form (RFC 4648, 3.5)."""

BEFORE_TWO_PADS = frozenset("AQgw")
"""What may stand before a final "==": of its six bits four are over, and 0."""

_OPENING = re.compile(r"[A-Za-z0-9+/_-]{22}={0,2}:|.{24}:.{24}:", re.DOTALL)


def strict_base64(text: str) -> bytes | None:
    """Decode canonical standard base64; None for anything that would not re-encode to the same text."""
    try:
        decoded = base64.b64decode(text)
    except ValueError:
        return None
    # A decoder skips what it does not know and ignores pad bits, which would give one record several spellings.
    return decoded if base64.b64encode(decoded).decode() == text else None


def looks_like_a_record(text: str) -> bool:
    """Whether a text begins as a record does: with a base64 of 16 bytes and a colon, or with both colons in place.

    The rest may be spoilt: what was a record once must not be taken for a text that was never encrypted.
    """
    return _OPENING.match(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One encrypted field, taken apart: slow and plain, where the cipher is quick; both accept the same texts.

    >>> str(Record(iv=b"1234567890123456", tag=bytes(16), ciphertext=b"four"))
    'MTIzNDU2Nzg5MDEyMzQ1Ng==:AAAAAAAAAAAAAAAAAAAAAA==:Zm91cg=='
    """

    iv: bytes
    tag: bytes
    ciphertext: bytes

    def __str__(self) -> str:
        """The text that the database stores."""
        return ":".join(base64.b64encode(part).decode() for part in (self.iv, self.tag, self.ciphertext))

    @classmethod
    def parse(cls, text: str) -> Record:
        """Take a stored text apart; raises RecordRefused unless it is the canonical form of a record."""
        parts = [strict_base64(part) for part in text.split(":")]
        if len(parts) == 3:
            iv, tag, ciphertext = parts
            # An empty text is stored as no record at all, so an empty ciphertext was never written.
            if iv and tag and ciphertext and len(iv) == IV_BYTES and len(tag) == TAG_BYTES:
                return cls(iv=iv, tag=tag, ciphertext=ciphertext)
        raise RecordRefused
