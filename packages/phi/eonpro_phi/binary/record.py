"""The binary form of an encrypted value: magic, form, key id, IV, ciphertext and tag. docs/formats.md.

Touches nothing.
"""

from eonpro_phi.record import TAG_BYTES, V2_IV_BYTES

MAGIC = b"\xf7phi"
"""The first bytes of a record and of a stream. No text in UTF-8 has the byte F7; no usual kind of file begins so."""

Bytes = bytes | bytearray | memoryview
"""What can be encrypted as bytes, and what a database driver returns."""

RECORD, STREAM = 1, 2
"""The forms, in the byte after the magic."""

KEY_ID_BYTES = 8
"""Length of the key id: the bytes that a text record of version 2 has in hex."""

HEADER_BYTES = len(MAGIC) + 1 + KEY_ID_BYTES
"""Length of what is before the IV."""

IV_END = HEADER_BYTES + V2_IV_BYTES
"""Where ciphertext and tag begin."""

OVERHEAD_BYTES = IV_END + TAG_BYTES
"""A record has so many bytes more than its content."""


def as_view(data: Bytes) -> memoryview:
    """The bytes of any of the three types, one by one, and copied only where they are not side by side."""
    view = memoryview(data)
    return view.cast("B") if view.contiguous else memoryview(view.tobytes())


def looks_binary(data: bytes) -> bool:
    """Whether bytes begin like a record or a stream; the rest may be damaged."""
    return data.startswith(MAGIC)


def header(form: int, key_id: bytes) -> bytes:
    """The beginning of a record or a stream, which its tags cover."""
    return b"".join((MAGIC, form.to_bytes(), key_id))


def key_id_of(data: bytes) -> bytes | None:
    """The id of the key that a record or a stream is under; None for anything else. Nothing is proved by it."""
    if looks_binary(data) and len(data) > OVERHEAD_BYTES and data[len(MAGIC)] in (RECORD, STREAM):
        return data[len(MAGIC) + 1 : HEADER_BYTES]
    return None
