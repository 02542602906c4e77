"""Compares a plain column with its encrypted one, row by row, and makes the records that are missing.

Touches the operating system's random source. Texts stay in local variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eonpro_phi.binding import Binding, Form
from eonpro_phi.cipher import PhiCipher
from eonpro_phi.record import looks_like_a_record
from eonpro_phi.reencryption.binary import FAULTY, Keys
from eonpro_phi.reencryption.errors import ReencryptionError
from eonpro_phi.reencryption.models import MAX_LISTED_ROWS, UNCHANGED, ColumnCounts, ReencryptedColumn
from eonpro_phi.reencryption.statements import Rows
from eonpro_phi.reencryption.worker import BatchWorker


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
        where = self._table.selection.binding(self._table.name, name)
        records, counts = [], ColumnCounts()
        for at, (text, record) in enumerate(zip(plain, stored, strict=True)):
            key = rows.keys[at]
            ciphers = Keys(new=self.cipher, old=None)
            if self._table.selection.tenant_column and (text or record):
                tenant = rows.tenants[at]
                if not tenant:
                    counts += ColumnCounts(without_tenant=1, example_rows=(key,))
                    records.append(UNCHANGED)
                    continue
                ciphers = Keys(new=self.cipher.derived(tenant), old=None, base=self.cipher)
            of_row, made = self._value(ciphers, text, record, where, key)
            listed = of_row.undecryptable or of_row.without_records
            if listed and len(counts.example_rows) < MAX_LISTED_ROWS:
                counts += ColumnCounts(example_rows=(key,))
            counts += of_row
            records.append(made if self.write else UNCHANGED)
        return ReencryptedColumn(records=records, counts=counts)

    def _value(
        self, keys: Keys, plain: str | None, record: str | None, where: Binding, key: str
    ) -> tuple[ColumnCounts, str]:
        """The counts of one row, and its new record or UNCHANGED."""
        if plain and looks_like_a_record(plain):
            unbound = Binding(place="", form=Form.of(False, tenant=keys.of_tenant), reads=(Form.UNBOUND,))
            if (opened := keys.opened(plain, unbound, key)) is None:
                return ColumnCounts(foreign=1), UNCHANGED
            plain = opened.text
        if not record:
            return (ColumnCounts(old=1), self._made(keys, plain, where, key)) if plain else (_EMPTY, UNCHANGED)
        opened = keys.opened(record, Binding(place=where.place), key)
        is_as_declared = opened is not None and where.form in (None, opened.form)
        if opened is None or not (plain or is_as_declared):
            is_record, known = looks_like_a_record(record), keys.holds(record)
            return ColumnCounts(foreign=is_record and not known, no_record=not is_record, elsewhere=known), UNCHANGED
        if not plain:
            return ColumnCounts(documents=1), UNCHANGED
        if plain == opened.text and is_as_declared:
            return ColumnCounts(new=1), UNCHANGED
        if plain == opened.text or self.plain_wins:
            return ColumnCounts(old=1), self._made(keys, plain, where, key)
        return ColumnCounts(without_records=1), UNCHANGED

    def _made(self, keys: Keys, text: str, where: Binding, key: str) -> str:
        """The record of a text, decrypted again and compared."""
        if not self.write:
            return UNCHANGED
        form = keys.written(where, Form.UNBOUND)
        context = where.context(form, key)
        record = keys.new.encrypt(text) if form is Form.UNBOUND else keys.new.encrypt_v2(text, context)
        if record is None or keys.new.decrypt(record, context) != text:
            raise ReencryptionError(FAULTY)
        return record


_EMPTY = ColumnCounts(empty=1)
