"""Compares the log of Django's admin with the rows that it names: it keeps `str(row)` for every change, for ever.

Touches PostgreSQL through a Database, read only. A value stays in memory for as long as its row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from psycopg import sql

from eonpro_phi.cipher import PhiCipher
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import ReencryptionError
from eonpro_phi.reencryption.scan.contents import COPIED, count_rows, selected
from eonpro_phi.reencryption.scan.models import ScannedColumn, ScannedTable

LOG, TYPES = "django_admin_log", "django_content_type"
TEXTS = ("object_repr", "change_message")

# A model's table may have another name than Django gives it: then every table with that key is compared.
_ROWS = """
select l.object_repr, l.change_message, {columns}
  from {log} l join {types} c on c.id = l.content_type_id
  cross join lateral (select c.app_label || '_' || c.model) n(name)
  join {table} t on t.{key}::text = l.object_id
 where n.name = {name} or n.name <> all({names})
"""


def compare_admin_log(
    database: Database, tables: Sequence[ScannedTable], ciphers: Mapping[str, PhiCipher], *, rows: int
) -> None:
    """Count the entries of the log that hold a text of the records of the row that they are about.

    Compared are tables with records that were scanned before, by their key of one column.
    """
    by_name = {(table.schema, table.table): table for table in tables}
    for log in [table for table in tables if table.table == LOG and (table.schema, TYPES) in by_name]:
        columns = {column.name: column for column in log.readable if column.name in TEXTS}
        for table in tables if len(columns) == len(TEXTS) else ():
            if table.schema != log.schema or not table.row_column or not any(each.keys for each in table.columns):
                continue
            statement = sql.SQL(_ROWS).format(
                columns=selected(table, "t"),
                log=sql.Identifier(log.schema, log.table),
                types=sql.Identifier(log.schema, TYPES),
                table=sql.Identifier(table.schema, table.table),
                key=sql.Identifier(table.row_column),
                name=sql.Literal(table.table),
                names=sql.Literal([name for schema, name in by_name if schema == log.schema]),
            )
            if rows:
                statement = sql.SQL("{} limit {}").format(statement, sql.Literal(rows))
            found = [ScannedColumn(name=name) for name in TEXTS]
            try:
                count_rows(table, _unescaped(database.stream(statement)), ciphers, beside=found)
            except ReencryptionError as error:
                log.problem = str(error)
            for column in found:
                if copies := column.phi[COPIED]:
                    columns[column.name].phi[COPIED] += copies


def _unescaped(rows: Iterator[Sequence[str | bytes | None]]) -> Iterator[Sequence[str | bytes | None]]:
    """The message is JSON, in which a letter beyond ASCII is a number."""
    for shown, message, *more in rows:
        with suppress(ValueError):
            message = json.dumps(json.loads(message or "null"), ensure_ascii=False)
        yield shown, message, *more
