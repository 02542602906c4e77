"""Binary records in a column of bytea: finds the key of each, and encrypts its content with the new one.

Touches the operating system's random source. A value is a text with one character a byte, as the other columns' are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol

from phi.binary.record import HEADER_BYTES, MAGIC, STREAM, looks_binary
from phi.cipher import PhiCipher
from phi.errors import DecryptionError
from phi.record import place
from phi.reencryption.errors import ReencryptionError
from phi.reencryption.models import UNCHANGED, Bind, ColumnCounts, ReencryptedColumn

FAULTY = "A new record cannot be decrypted again: this machine's memory or CPU is faulty."


class Renew(Protocol):
    """A content with the text records inside it under the new key if it may be written, and their counts."""

    def __call__(self, content: str, *, write: bool) -> tuple[str, ColumnCounts]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnPlace:
    """The column of a table, which a record can be bound to, with or without its row."""

    table: str
    column: str
    bind: Bind | None = None
    """What new records are bound to; None keeps the place of each."""

    def contexts(self, row: str) -> tuple[str, ...]:
        """The contexts that a record of the row may have."""
        return "", place(self.table, self.column), place(self.table, self.column, row)

    def context(self, row: str, before: str = "") -> str:
        """The context of the row's new record, which was bound to the one `before`."""
        if self.bind is None:
            return before
        return place(self.table, self.column, row if self.bind is Bind.ROW else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """A record that a key decrypts."""

    content: bytes = field(repr=False)
    context: str


@dataclass(frozen=True, kw_only=True)
class BinaryReencryptor:
    """Re-encrypts binary records and streams; what is neither it leaves to the caller."""

    old: PhiCipher | None
    """None for a first encryption, of values that were never encrypted."""
    new: PhiCipher
    renew: Renew
    """For the records of text inside a content."""

    def takes(self, value: str, *, has_records: Callable[[str], bool]) -> bool:
        """Whether a value is a binary record, damaged or not, or is to become one."""
        return is_binary(value) or (self.old is None and bool(value) and not has_records(value))

    def reencrypt(
        self, values: Sequence[str], keys: Sequence[str], where: ColumnPlace, *, write: bool
    ) -> ReencryptedColumn:
        """The values that `takes` accepts. A record keeps its form and its context."""
        records = [UNCHANGED] * len(values)
        counts = ColumnCounts()
        texts: list[str | None] = []
        for at, (value, key) in enumerate(zip(values, keys, strict=True)):
            data, opened, is_new = value.encode("latin-1"), None, False
            if not looks_binary(data):
                opened = _Opened(content=data, context="")
            elif opened := _open(self.new, data, where.contexts(key)):
                is_new = True
            elif self.old is not None:
                opened = _open(self.old, data, where.contexts(key))
            if opened is None:
                counts += ColumnCounts(foreign=1, example_rows=(key,))
                texts.append(None)
                continue
            content, inside = opened.content, ColumnCounts()
            if self.old is not None:
                text, inside = self.renew(content.decode("latin-1"), write=write)
                content = text.encode("latin-1")
            context = where.context(key, opened.context)
            is_new = is_new and not inside.old and context == opened.context
            counts += ColumnCounts(
                new=int(is_new),
                old=int(not is_new),
                foreign=inside.foreign,
                example_rows=(key,) if inside.foreign else (),
            )
            texts.append(_text(content))
            if not is_new and write:
                records[at] = self._sealed(data, content, context).decode("latin-1")
        return ReencryptedColumn(records=records, counts=counts, texts=texts)

    def _sealed(self, before: bytes, content: bytes, context: str) -> bytes:
        """A new record, or a stream in the place of one; it is decrypted again and compared."""
        if _is_stream(before):
            target = BytesIO()
            self.new.encrypt_stream(BytesIO(content), target, context, chunk_bytes=2 ** before[HEADER_BYTES])
            sealed: bytes | None = target.getvalue()
        else:
            sealed = self.new.encrypt_bytes(content, context)
        if not sealed or (opened := _open(self.new, sealed, (context,))) is None or opened.content != content:
            raise ReencryptionError(FAULTY)
        return sealed


def is_binary(value: str) -> bool:
    """Whether a value with one character a byte begins like a binary record or a stream."""
    return value.startswith(MAGIC.decode("latin-1"))


def _is_stream(data: bytes) -> bool:
    return looks_binary(data) and data[len(MAGIC)] == STREAM


def _open(cipher: PhiCipher, data: bytes, contexts: Sequence[str]) -> _Opened | None:
    if not cipher.holds_bytes(data):
        return None
    for context in contexts:
        try:
            content = cipher.decrypt_bytes(data, context)
        except DecryptionError:
            continue
        return _Opened(content=content or b"", context=context)
    return None


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
