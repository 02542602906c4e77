"""Binary records in a column of bytea: finds the key of each, and encrypts its content with the new one.

Touches the operating system's random source. A value is a text with one character a byte, as the other columns' are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol

from eonpro_phi.binary.record import MAGIC, STREAM, looks_binary
from eonpro_phi.binding import Binding, Form, may_be_bound
from eonpro_phi.cipher import PhiCipher
from eonpro_phi.errors import DecryptionError
from eonpro_phi.reencryption.errors import ReencryptionError
from eonpro_phi.reencryption.models import UNCHANGED, ColumnCounts, ReencryptedColumn

FAULTY = "A new record cannot be decrypted again: this machine's memory or CPU is faulty."


class Renew(Protocol):
    """A content with the text records inside it under the new key if it may be written, and their counts."""

    def __call__(self, content: str, *, write: bool) -> tuple[str, ColumnCounts]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedText:
    """The text of a whole value, and how its record is bound."""

    text: str = field(repr=False)
    form: Form = Form.UNBOUND
    is_new: bool = False
    """Whether the record is under the new key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The ciphers of a run, or of one tenant in it."""

    new: PhiCipher
    old: PhiCipher | None
    """None for a first encryption, of values that were never encrypted."""
    base: PhiCipher | None = None
    """Of a tenant: the data keys themselves, for records from before there were tenants."""

    @property
    def of_tenant(self) -> bool:
        """Whether they are a tenant's."""
        return self.base is not None

    def ways(self, of: Binding, row: str, *, is_bound: bool) -> Iterator[tuple[PhiCipher, Form, str, bool]]:
        """Each way in which a record of the row may be read: the cipher, the form, its context, and whether the key is
        the new one. What cannot be bound, as version 1, is of no tenant either.
        """
        for form in of.forms(tenant=self.of_tenant):
            if form is not Form.UNBOUND and not is_bound:
                continue
            is_before = form.of_tenant < self.of_tenant
            for cipher, is_new in [(self.base, False)] if is_before else [(self.new, True), (self.old, False)]:
                if cipher is not None:
                    yield cipher, form, of.context(form, row), is_new

    def opened(self, record: str, of: Binding, row: str) -> OpenedText | None:
        """A record of text in the first form that fits; None where it opens in none."""
        for cipher, form, context, is_new in self.ways(of, row, is_bound=may_be_bound(record)):
            try:
                text = cipher.decrypt(record, context)
            except DecryptionError:
                continue
            if text is not None:
                return OpenedText(text=text, form=form, is_new=is_new)
        return None

    def written(self, of: Binding, before: Form) -> Form:
        """The form of a new record, in the place of one of the form `before`."""
        return of.form or Form.of(before.bound, tenant=self.of_tenant or before.of_tenant)

    def holds(self, record: str | bytes) -> bool:
        """Whether a record is under one of the keys, wherever it is bound to."""
        return any(cipher.holds(record) for cipher in (self.new, self.old, self.base) if cipher)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """A record that a key decrypts."""

    content: bytes = field(repr=False)
    form: Form
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class BinaryReencryptor:
    """Re-encrypts binary records and streams; what is neither it leaves to the caller."""

    keys: Keys
    renew: Renew
    """For the records of text inside a content."""

    def takes(self, value: str, *, has_records: Callable[[str], bool]) -> bool:
        """Whether a value is a binary record, damaged or not, or is to become one."""
        return is_binary(value) or (self.keys.old is None and bool(value) and not has_records(value))

    def reencrypt(
        self, values: Sequence[str], keys: Sequence[str], where: Binding, *, write: bool
    ) -> ReencryptedColumn:
        """The values that `takes` accepts. A record keeps its form, and its place unless `where` has another."""
        records = [UNCHANGED] * len(values)
        counts = ColumnCounts()
        texts: list[str | None] = []
        for at, (value, key) in enumerate(zip(values, keys, strict=True)):
            data = value.encode("latin-1")
            opened = self._open(data, where, key)
            if opened is None:
                known = self.keys.holds(data)
                counts += ColumnCounts(foreign=not known, elsewhere=known, example_rows=(key,))
                texts.append(None)
                continue
            content, inside = opened.content, ColumnCounts()
            if self.keys.old is not None:
                text, inside = self.renew(content.decode("latin-1"), write=write)
                content = text.encode("latin-1")
            form = self.keys.written(where, opened.form)
            is_new = opened.is_new and not inside.old and form is opened.form
            counts += ColumnCounts(
                new=int(is_new),
                old=int(not is_new),
                foreign=inside.foreign,
                example_rows=(key,) if inside.foreign else (),
            )
            texts.append(_text(content))
            if not is_new and write:
                records[at] = self._sealed(data, content, where.context(form, key)).decode("latin-1")
        return ReencryptedColumn(records=records, counts=counts, texts=texts)

    def _open(self, data: bytes, where: Binding, key: str) -> _Opened | None:
        if not looks_binary(data):
            return _Opened(content=data, form=Form.UNBOUND, is_new=False)
        for cipher, form, context, is_new in self.keys.ways(where, key, is_bound=True):
            if (content := _decrypted(cipher, data, context)) is not None:
                return _Opened(content=content, form=form, is_new=is_new)
        return None

    def _sealed(self, before: bytes, content: bytes, context: str) -> bytes:
        """A new record, or a stream in the place of one; it is decrypted again and compared."""
        new = self.keys.new
        if _is_stream(before):
            target = BytesIO()
            new.encrypt_stream(BytesIO(content), target, context)
            sealed: bytes | None = target.getvalue()
        else:
            sealed = new.encrypt_bytes(content, context)
        if not sealed or _decrypted(new, sealed, context) != content:
            raise ReencryptionError(FAULTY)
        return sealed


def is_binary(value: str) -> bool:
    """Whether a value with one character a byte begins like a binary record or a stream."""
    return value.startswith(MAGIC.decode("latin-1"))


def _is_stream(data: bytes) -> bool:
    return looks_binary(data) and data[len(MAGIC)] == STREAM


def _decrypted(cipher: PhiCipher, data: bytes, context: str) -> bytes | None:
    if not cipher.holds(data):
        return None
    try:
        return cipher.decrypt_bytes(data, context) or b""
    except DecryptionError:
        return None


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
