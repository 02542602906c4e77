"""The text form of one encrypted PHI field: `base64(iv):base64(tag):base64(ciphertext)`, or that of version 2.

Touches nothing; it converts between text and parts. Version 2 is `v2:<key id>:base64(iv + ciphertext + tag)`, with an
IV of 12 bytes: docs/formats.md.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from eonpro_phi.errors import DecryptionError

IV_BYTES = 16
"""Length of a record's IV; the application uses 16 where GCM's default is 12."""

TAG_BYTES = 16
"""Length of a record's authentication tag."""

BEFORE_ONE_PAD = frozenset("AEIMQUYcgkosw048")
"""The characters allowed before a final "=": two of the six bits are unused, 0 in canonical form (RFC 4648, 3.5)."""

BEFORE_TWO_PADS = frozenset("AQgw")
"""The characters allowed before a final "==": four of the six bits are unused, and 0."""

V2_IV_BYTES = 12
"""Length of the IV of a record of version 2: the one that GCM is defined for without a hash of the IV."""

V2 = "v2:"
"""Prefix of a record of version 2."""

_PLACE = re.compile(r'([^.:"]+|"(?:[^"]|"")+")\.([^.:"]+|"(?:[^"]|"")+")')
_V2 = re.compile(r"v2:([0-9a-f]{16}):([A-Za-z0-9+/]+={0,2})")
_PREFIX = re.compile(r"[A-Za-z0-9+/_-]{22}={0,2}:|.{24}:.{24}:|v2:[0-9a-f]{16}:", re.DOTALL)


def strict_base64(text: str) -> bytes | None:
    """Decode canonical standard base64; None for anything that would not re-encode to the same text."""
    try:
        decoded = base64.b64decode(text)
    except ValueError:
        return None
    # The decoder skips unknown characters and ignores pad bits, so one record would have several text forms.
    return decoded if base64.b64encode(decoded).decode() == text else None


def looks_like_a_record(text: str) -> bool:
    """Whether a text starts like a record: with the base64 of 16 bytes and a colon, or with both colons in place.

    The rest may be damaged: a damaged record must not be taken for a text that was never encrypted.
    """
    return _PREFIX.match(text) is not None


def key_id(data_key: bytes | bytearray) -> str:
    """16 hex digits that name a data key in records of version 2, whichever KMS key wraps it; they reveal nothing.

    For people it is the key check value, of a hash key too.
    """
    return hmac.digest(data_key, b"eonpro-phi-record-v2 key id", "sha256")[:8].hex()


_COLUMN = object()


def quoted(name: str) -> str:
    """A name of the database in double quotes, those in it doubled."""
    return '"' + name.replace('"', '""') + '"'


def place(table: str, column: str, row: object = _COLUMN) -> str:
    """The context that binds a record to a column, or to one row of it: no two places have the same one.

    The names are those of the database, a table's without its schema; one with a dot, a colon or a quote is in quotes.
    The row is named by the text of its key. Raises ValueError for a key that is None, as that of an unsaved row, or of
    a type without one text.

    >>> place("PatientDocument", "data"), place("PatientDocument", "data", 7)
    ('PatientDocument.data', 'PatientDocument.data:7')
    """
    parts = [quoted(name) if set(name) & set('.:"') else name for name in (table, column)]
    return ".".join(parts) + ("" if row is _COLUMN else f":{key_text(row)}")


def names_of(text: str) -> tuple[str, str]:
    """The table and the column of a place without a row. Raises ValueError for another text.

    >>> names_of("Patient.email")
    ('Patient', 'email')
    """
    if parts := _PLACE.fullmatch(text):
        table, column = (name[1:-1].replace('""', '"') if name[0] == '"' else name for name in parts.groups())
        if place(table, column) == text:
            return table, column
    raise ValueError(f"{text} is no name for keys: TABLE.COLUMN, a name with a dot, a colon or a quote in quotes")


def key_text(value: object) -> str:
    """The text of a primary key or a tenant, as PostgreSQL and `phi reencrypt` write it. Raises ValueError for anything
    but a whole number, a text and a UUID: the texts of other types depend on the database.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value) if isinstance(value, UUID) else str(int(value))
    raise ValueError("a key is a whole number, a text or a UUID")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordV2:
    """The parts of a record of version 2."""

    key_id: str
    iv: bytes
    sealed: bytes
    """Ciphertext and tag."""

    def __str__(self) -> str:
        """The text as the database stores it."""
        return f"{V2}{self.key_id}:{base64.b64encode(self.iv + self.sealed).decode()}"

    @classmethod
    def parse(cls, text: str) -> "RecordV2":
        """Split a stored text; raises DecryptionError unless it is the canonical form of a record of version 2."""
        if parts := _V2.fullmatch(text):
            raw = strict_base64(parts[2])
            # No record has an empty ciphertext.
            if raw is not None and len(raw) > V2_IV_BYTES + TAG_BYTES:
                return cls(key_id=parts[1], iv=raw[:V2_IV_BYTES], sealed=raw[V2_IV_BYTES:])
        raise DecryptionError

    def associated_data(self, context: str) -> bytes:
        """The associated data that the tag covers: the version, the key and the record's place, such as
        `Patient.email`.
        """
        return f"{V2}{self.key_id}:{context}".encode()
