"""The parts of a record, slow and simple where the cipher is fast: both have to accept the same texts."""

import base64
from dataclasses import dataclass

from eonpro_phi import DecryptionError
from eonpro_phi.record import IV_BYTES, TAG_BYTES, strict_base64


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The parts of one encrypted field. Slow and simple, where the cipher is fast; both accept the same texts.

    >>> str(Record(iv=b"1234567890123456", tag=bytes(16), ciphertext=b"four"))
    'MTIzNDU2Nzg5MDEyMzQ1Ng==:AAAAAAAAAAAAAAAAAAAAAA==:Zm91cg=='
    """

    iv: bytes
    tag: bytes
    ciphertext: bytes

    def __str__(self) -> str:
        """The text as the database stores it."""
        return ":".join(base64.b64encode(part).decode() for part in (self.iv, self.tag, self.ciphertext))

    @classmethod
    def parse(cls, text: str) -> "Record":
        """Split a stored text; raises DecryptionError unless it is the canonical form of a record."""
        parts = [strict_base64(part) for part in text.split(":")]
        if len(parts) == 3:
            iv, tag, ciphertext = parts
            # An empty text is stored as NULL, so no record has an empty ciphertext.
            if iv and tag and ciphertext and len(iv) == IV_BYTES and len(tag) == TAG_BYTES:
                return cls(iv=iv, tag=tag, ciphertext=ciphertext)
        raise DecryptionError
