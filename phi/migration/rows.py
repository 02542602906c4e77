"""Compares a plain column with its encrypted one, row by row, and makes the records that are missing.

Touches the operating system's random source. Texts stay in local variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from phi.cipher import PhiCipher
from phi.errors import DecryptionError
from phi.record import looks_like_a_record
from phi.reencryption.binary import FAULTY, ColumnPlace
from phi.reencryption.errors import ReencryptionError
from phi.reencryption.models import MAX_LISTED_ROWS, UNCHANGED, ColumnCounts, ReencryptedColumn
from phi.reencryption.statements import Rows
from phi.reencryption.worker import BatchWorker


@dataclass(frozen=True)
class MigrationWorker(BatchWorker):
    """Reads both columns of a batch, and writes the records that are missing."""

    cipher: PhiCipher = field(kw_only=True)
    plain_wins: bool = field(kw_only=True)

    def columns(self, rows: Rows) -> dict[str, ReencryptedColumn]:
        """`old`: to be written; `new`: both are equal; `documents`: encrypted only; `without_records`: they differ."""
        selection = self._table.selection
        values = dict(zip(selection.read_names, rows.values, strict=True))
        return {
            name: self._column(rows, values[plain], values[name], name)
            for plain, name in zip(selection.sources, selection.columns, strict=True)
        }

    def _column(
        self, rows: Rows, plain: Sequence[str | None], stored: Sequence[str | None], name: str
    ) -> ReencryptedColumn:
        where = ColumnPlace(table=self._table.name, column=name, bind=self._table.selection.bind)
        records, counts = [], ColumnCounts()
        for at, (text, record) in enumerate(zip(plain, stored, strict=True)):
            key = rows.keys[at]
            cipher = self.cipher
            if self._table.selection.tenant_column and (text or record):
                tenant = rows.tenants[at]
                if not tenant:
                    counts += ColumnCounts(foreign=1, example_rows=(key,))
                    records.append(UNCHANGED)
                    continue
                cipher = cipher.derived(tenant)
            of_row, made = self._value(cipher, text, record, where, key)
            listed = of_row.undecryptable or of_row.without_records
            if listed and len(counts.example_rows) < MAX_LISTED_ROWS:
                counts += ColumnCounts(example_rows=(key,))
            counts += of_row
            records.append(made if self.write else UNCHANGED)
        return ReencryptedColumn(records=records, counts=counts)

    def _value(
        self, cipher: PhiCipher, plain: str | None, record: str | None, where: ColumnPlace, key: str
    ) -> tuple[ColumnCounts, str]:
        """The counts of one row, and its new record or UNCHANGED."""
        if plain and looks_like_a_record(plain):
            plain = _opened(cipher, plain, ("",)) or _opened(self.cipher, plain, ("",))
            if plain is None:
                return ColumnCounts(foreign=1), UNCHANGED
        if not record:
            return (ColumnCounts(old=1), self._made(cipher, plain, where, key)) if plain else (_EMPTY, UNCHANGED)
        text = _opened(cipher, record, where.contexts(key))
        if text is None:
            is_record = looks_like_a_record(record)
            return ColumnCounts(foreign=is_record, no_record=not is_record), UNCHANGED
        if not plain:
            return ColumnCounts(documents=1), UNCHANGED
        if plain == text:
            return ColumnCounts(new=1), UNCHANGED
        if self.plain_wins:
            return ColumnCounts(old=1), self._made(cipher, plain, where, key)
        return ColumnCounts(without_records=1), UNCHANGED

    def _made(self, cipher: PhiCipher, text: str, where: ColumnPlace, key: str) -> str:
        """The record of a text, decrypted again and compared."""
        if not self.write:
            return UNCHANGED
        context = where.context(key)
        is_v2 = context or cipher is not self.cipher
        record = cipher.encrypt_v2(text, context) if is_v2 else cipher.encrypt(text)
        if record is None or cipher.decrypt(record, context) != text:
            raise ReencryptionError(FAULTY)
        return record


_EMPTY = ColumnCounts(empty=1)


def _opened(cipher: PhiCipher, record: str, contexts: tuple[str, ...]) -> str | None:
    for context in contexts:
        try:
            return cipher.decrypt(record, context)
        except DecryptionError:
            continue
    return None
