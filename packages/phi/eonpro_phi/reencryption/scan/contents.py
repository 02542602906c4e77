"""Reads the values of a table and counts them: records by their key, hashes, bytes, and texts that look like PHI.

Touches PostgreSQL through a Database, read only. A value stays in memory for as long as its row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from psycopg import sql

from eonpro_phi.batches import PHI_FIELDS
from eonpro_phi.binary.record import MAGIC, looks_binary
from eonpro_phi.binding import ROW, Binding, Form, may_be_bound
from eonpro_phi.cipher import PhiCipher
from eonpro_phi.errors import DecryptionError
from eonpro_phi.hashes import IS_HASH
from eonpro_phi.record import looks_like_a_record, place
from eonpro_phi.reencryption.column_types import Contents
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.embedded import embedded_records, is_damaged, replaced
from eonpro_phi.reencryption.errors import ReencryptionError
from eonpro_phi.reencryption.scan.models import ScannedColumn, ScannedTable, TableKind

_PATTERNS = {
    "e-mail addresses": re.compile(r"(?<=[A-Za-z0-9._%+-])@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    "telephone numbers": re.compile(
        r"(?<![\w+])\+[0-9][0-9 .()-]{8,16}[0-9](?![0-9])|\([0-9]{3}\) ?[0-9]{3}[ .-][0-9]{4}(?![0-9])"
        r"|(?<![0-9.-])[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{4}(?![0-9])"
    ),
    "social security numbers": re.compile(r"(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])"),
}
COPIED = "texts of the row's records"
"""Plain texts with one of those inside."""
_FIELDS = frozenset(name.lower() for name in PHI_FIELDS if name != "state") | frozenset(
    "middlename fullname patientname dateofbirth birthdate birthday phonenumber mobile address street postalcode "
    "zipcode ssn socialsecuritynumber mrn medicalrecordnumber diagnosis allergies medications searchindex".split()
)
"""Names of columns whose texts are PHI, in lower case and without underscores. `state` is too often a status."""

_JSON_FIELD = re.compile(r'"(\w++)"\s*:\s*"((?:[^"\\]++|\\.)++)"')
_SHORTEST = 4
"""Characters of a text that is looked for in the other columns of its row: shorter ones are there by chance."""
_SHORTEST_INSIDE = 8
"""The same for a text inside a document, where most are answers to a choice."""

_MOST_TEXTS = 100
"""Most texts of a row's records that are searched in its other columns: a document can have thousands."""
_NO_DIGITS = re.compile("[^0-9]+")

_HEAD_BYTES = 2**16
"""Bytes that are read of a value without records."""
_DOCUMENTS_AT_A_TIME = 20

# For bytes that hold nothing like a record PostgreSQL sends the beginning alone: see `may_hold_records`.
_BYTES = (
    f"case when substring({{0}} from 1 for {len(MAGIC)}) = '\\x{MAGIC.hex()}'::bytea"
    " or position('\\x3d3a'::bytea in {0}) > 0 or position('\\x76323a'::bytea in {0}) > 0 "
    f"or position('\\x75303033'::bytea in {{0}}) > 0 then {{0}} else substring({{0}} from 1 for {_HEAD_BYTES}) end"
)
_FORMS = {Contents.BYTES: _BYTES, Contents.HIDDEN: "case when {0} is not null then ''::bytea end"}

Value = str | bytes | None


def scan_table(database: Database, table: ScannedTable, ciphers: Mapping[str, PhiCipher], *, rows: int) -> None:
    """Read about so many rows of a table, from all over it, or all rows for 0, and count their values.

    `ciphers` are by the fingerprint of their wrapped key. A failed read becomes the table's `problem`.
    """
    if table.problem or not table.readable:
        return
    try:
        count_rows(table, _counted(table, _rows(database, table, rows)), ciphers)
        if table.rows < 0:
            table.rows = table.sampled
    except ReencryptionError as error:
        table.problem = str(error)


def count_rows(
    table: ScannedTable,
    rows: Iterable[Sequence[Value]],
    ciphers: Mapping[str, PhiCipher],
    beside: Sequence[ScannedColumn] = (),
) -> None:
    """Count rows of what is `selected` of a table. With columns of another table `beside`, whose values
    come first, those alone are counted.
    """
    opener = _Opener(ciphers)
    own = [replace(each, keys=Counter(), forms=Counter(), phi=Counter()) if beside else each for each in table.readable]
    columns = [*beside, *own]
    where = [_binding(table, column) for column in columns]
    for row in rows:
        tenant = row[len(where)] if table.tenant_column else None
        key = row[-1] if table.row_column else None
        _count(columns, row[: len(where)], where, opener.of_row(tenant, key))


def _counted(table: ScannedTable, rows: Iterable[Sequence[Value]]) -> Iterator[Sequence[Value]]:
    for row in rows:
        table.sampled += 1
        yield row


def _binding(table: ScannedTable, column: ScannedColumn) -> Binding:
    """The place of a column's records; a scan tries every form."""
    declared = column.declared
    return Binding(place=declared.binding.place if declared else place(table.table, column.name))


def _rows(database: Database, table: ScannedTable, rows: int) -> Iterator[Sequence[Value]]:
    name: sql.Composable = sql.Identifier(table.schema, table.table)
    if table.kind is TableKind.TABLE:
        name = sql.SQL("only {}").format(name)
    every = sql.SQL("select {} from {}").format(selected(table), name)
    at_a_time = 200 if all(column.contents is Contents.TEXT for column in table.readable) else _DOCUMENTS_AT_A_TIME
    first = sql.SQL("{} limit {}").format(every, sql.Literal(rows)) if rows else every
    share = 100.0
    if table.takes_samples and table.rows < 0:
        [(table.rows,)] = database.stream(sql.SQL("select count(*) from {}").format(name))
    if table.takes_samples and rows and table.rows:
        share = min(100.0, 100.0 * rows / table.rows)
    # Blocks of the whole table, and not its first rows: those are the oldest patients, stored before or after a change.
    sample = sql.SQL("{} tablesample system ({}) limit {}").format(every, sql.Literal(share), sql.Literal(4 * rows))
    # A small sample of blocks may have none.
    for statement in (sample, first) if share < 100 else (first,):
        before = table.sampled
        yield from database.stream(statement, at_a_time=at_a_time)
        if table.sampled > before:
            return


def selected(table: ScannedTable, alias: str | None = None) -> sql.Composed:
    """What is read of a row: the readable columns, the tenant's and the key's."""
    names = [(column.name, _FORMS.get(column.contents, "{0}::text")) for column in table.readable]
    names += [(name, "{}::text") for name in (table.tenant_column, table.row_column) if name]
    of = (alias,) if alias else ()
    return sql.SQL(", ").join(sql.SQL(form).format(sql.Identifier(*of, name)) for name, form in names)


class _Opener:
    """Tries the keys of a scan on a record of one row."""

    def __init__(self, ciphers: Mapping[str, PhiCipher]) -> None:
        self._ciphers = [(name, cipher, False) for name, cipher in ciphers.items()]
        self._key: str | None = None

    def of_row(self, tenant: Value, key: Value) -> _Opener:
        """The contents of the row with this key, with the keys of its tenant, which count as the data keys that
        they are derived from.
        """
        opener = _Opener({})
        opener._ciphers = self._ciphers
        if isinstance(tenant, str) and tenant:
            own = [(name, cipher.derived(tenant), True) for name, cipher, _ in self._ciphers]
            opener._ciphers = [*own, *self._ciphers]
        opener._key = key if isinstance(key, str) else None
        return opener

    def __call__(self, record: str) -> tuple[str, str] | None:
        """The fingerprint of the wrapped key that decrypts a record inside a value, and its text; None where no key
        does.
        """
        for fingerprint, cipher, _ in self._ciphers:
            with suppress(DecryptionError):
                if text := cipher.decrypt(record):
                    return fingerprint, text
        return None

    def whole(self, column: ScannedColumn, record: str | bytes, where: Binding) -> tuple[str, str | bytes] | None:
        """The content of a value that is a record, or a stream; its form is counted. Without a content where it opens
        nowhere in this row, or where only its beginning was read: then its key id says whose it is.
        """
        is_bound = may_be_bound(record)
        known = None
        for fingerprint, cipher, of_tenant in self._ciphers:
            for form in where.forms(tenant=of_tenant) if is_bound else () if of_tenant else (Form.UNBOUND,):
                if form.bound == ROW and self._key is None:
                    continue
                decrypt: Any = cipher.decrypt_bytes if isinstance(record, bytes) else cipher.decrypt
                with suppress(DecryptionError):
                    if (content := decrypt(record, where.context(form, self._key or ""))) is not None:
                        column.forms[form] += 1
                        return fingerprint, content
            if is_bound and known is None and cipher.holds(record):
                known = fingerprint
        if known is None:
            return None
        # Without a key that names the row, its records are known by the key alone.
        column.elsewhere += self._key is not None
        return known, b"" if isinstance(record, bytes) else ""


def _count(columns: Sequence[ScannedColumn], row: Sequence[Value], places: Sequence[Binding], opener: _Opener) -> None:
    """Count one row. Its plain texts are also compared with the texts of its records, to find copies in the clear."""
    plain: list[tuple[ScannedColumn, str, str]] = []
    texts: list[str] = []
    for column, value, where in zip(columns, row, places, strict=True):
        if column.contents is Contents.HIDDEN:
            column.bytes_ += value is not None
        elif not value:
            continue
        elif isinstance(value, bytes) and looks_binary(value):
            _count_binary(column, value, where, opener, texts)
        elif isinstance(value, bytes):
            # One character a byte: a record is ASCII, whatever the other bytes are.
            rest = _count_inside(column, value.decode("latin-1"), where, opener, texts)
            column.bytes_ += rest is None
            if text := _as_utf8(value if rest is None else rest.encode("latin-1")):
                plain.append((column, "", text))
        elif IS_HASH(value):
            column.hashes += 1
        elif (rest := _count_inside(column, value, where, opener, texts)) is None:
            column.plain += 1
            plain.append((column, column.name, value))
        elif rest:
            # Beside records inside a value the name of the column says nothing of the rest.
            plain.append((column, "", rest))
    wanted = [text for text in texts if len(text) >= _SHORTEST][:_MOST_TEXTS]
    digits = [number for text in wanted if len(number := _digits(text)) >= 7]
    for column, name, value in plain:
        column.phi.update(_reasons(name, value))
        folded, numbers = value.casefold(), _digits(value) if digits else ""
        if any(text in folded for text in wanted) or any(number in numbers for number in digits):
            column.phi[COPIED] += 1


def _count_inside(column: ScannedColumn, value: str, where: Binding, opener: _Opener, texts: list[str]) -> str | None:
    """Count the records of a value, or the one that it is; the value without them, or None where there are none."""
    if looks_like_a_record(value) and (whole := opener.whole(column, value, where)):
        texts += _count_record(column, (whole[0], str(whole[1])), opener, shortest=_SHORTEST)
        return ""
    found = embedded_records(value, opener)
    if is_damaged(value, len(found)):
        column.unreadable += 1
        return ""
    for each in found:
        if each.opened is None:
            column.unreadable += 1
        else:
            texts += _count_record(column, each.opened, opener, shortest=_SHORTEST_INSIDE)
    column.documents += bool(found)
    return replaced(value, [(each.start, each.end, "") for each in found]) if found else None


def _count_binary(column: ScannedColumn, value: bytes, where: Binding, opener: _Opener, texts: list[str]) -> None:
    """Count a binary record or a stream, and the text records inside its content."""
    if opened := opener.whole(column, value, where):
        fingerprint, content = opened
        assert isinstance(content, bytes)
        text = _as_utf8(content)
        # Other bytes are no copy of a text: they are searched for records, and not compared.
        shortest = _SHORTEST if text is not None else len(content) + 1
        found = (fingerprint, content.decode("latin-1") if text is None else text)
        texts += _count_record(column, found, opener, shortest=shortest)
    else:
        column.unreadable += 1


def _count_record(column: ScannedColumn, opened: tuple[str, str], opener: _Opener, *, shortest: int) -> Iterator[str]:
    """Count a record, and those inside its own text, which only its key shows; yields its text for comparisons."""
    fingerprint, text = opened
    column.keys[fingerprint] += 1
    for each in embedded_records(text, opener):
        if each.opened is None:
            column.unreadable += 1
        else:
            yield from _count_record(column, each.opened, opener, shortest=_SHORTEST_INSIDE)
    if len(text) >= shortest:
        yield text.casefold()


def _as_utf8(data: bytes) -> str | None:
    """The text of bytes, whose last character may be cut; None for bytes of another kind."""
    for cut in range(4):
        try:
            text = data[: len(data) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return text if "\0" not in text else None
    return None


def _reasons(column: str, value: str) -> list[str]:
    reasons = [what for what, pattern in _PATTERNS.items() if pattern.search(value)]
    fields = {name for name, text in _JSON_FIELD.findall(value) if not looks_like_a_record(text)}
    if any(_is_field(name) for name in (column, *fields)):
        reasons.append("a field of that name")
    return reasons


def _is_field(name: str) -> bool:
    return name.lower().replace("_", "") in _FIELDS


def _digits(text: str) -> str:
    return _NO_DIGITS.sub("", text)
