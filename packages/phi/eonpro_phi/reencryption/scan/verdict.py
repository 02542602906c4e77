"""The verdict of a scan: whether all PHI in it is under the current key, and the next step if not.

Touches nothing.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from eonpro_phi.record import place, quoted
from eonpro_phi.reencryption.column_types import Contents
from eonpro_phi.reencryption.inspection import HASH_ENDINGS
from eonpro_phi.reencryption.scan.models import ScannedColumn, ScannedTable, TableKind

_SHOWN = 12
"""Columns in one line; the JSON document has all."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a scan."""

    succeeded: bool
    """Whether nothing is in the clear, every record is under the current key, and every column was looked into."""
    lines: tuple[str, ...]
    """To print."""
    not_looked_into: tuple[tuple[str, str], ...]
    """The columns, with their table, of which it is not known whether they hold records; and why."""


def evaluate(
    tables: Sequence[ScannedTable],
    *,
    current: str,
    every_row: bool = False,
    dsn: str = "",
    program: str = "python -P -m eonpro_phi",
) -> Verdict:
    """Whether all PHI that was seen is under the `current` key, and the lines to print.

    `program` is how a shell starts `phi` in any folder, for the commands among them.
    """
    lines, clear, others, unreadable = [], [], Counter[str](), 0
    for table in tables:
        for column in table.columns:
            if column.keys or column.unreadable or column.hashes or column.phi or column.bytes_:
                lines.append(_line(table, column))
            clear += [f"{table.name}.{column.name}"] if column.state == "clear" else []
            others.update(column.keys)
            unreadable += 0 if column.contents_accepted else column.unreadable
        if table.problem:
            lines.append(f"{table.name} was not read: {table.problem}")
    read = sum(table.sampled for table in tables)
    stored = sum(table.kind is not TableKind.VIEW for table in tables)
    sampled = "" if every_row else "; a sample can miss a value, --rows 0 reads them all"
    lines.append(f"{read:,} rows of {stored:,} tables read{sampled}.")
    del others[current]
    not_looked_into = tuple(entry for table in tables for entry in table.not_looked_into)
    if clear:
        lines.append(
            f"In the clear: {', '.join(clear)}. Encrypt them ({program} encrypt), or remove the copy; for a column "
            "that holds no PHI: --no-phi TABLE.COLUMN"
        )
    if others:
        lines.append(
            f"Records under another key than the current one: {program} reencrypt, with their wrapped key in "
            "ENCRYPTED_PHI_KEY and the current one in NEW_ENCRYPTED_PHI_KEY:"
        )
        lines += [remedy for table in tables if (remedy := _remedy(table, current, dsn, program))]
    if unreadable:
        lines.append(
            "Records that no key of this run decrypts: name the missing key for reading in "
            "ENCRYPTED_PHI_KEYS_FOR_READING, or the "
            "column of their tenants in --tenant-column TABLE.COLUMN, and find out which key they are under before it "
            "is lost. A record of another tenant than its row's is one of them."
        )
    columns = [(table, column) for table in tables for column in table.columns]
    elsewhere = [(t, c) for t, c in columns if c.elsewhere and not c.contents_accepted]
    if elsewhere:
        names = [f"{table.name}.{column.name} ({column.elsewhere:,})" for table, column in elsewhere]
        lines.append(
            f"Not readable at this place, although under a key of this run: {', '.join(names)}. The records are of "
            "another row or column, or damaged: restore those rows from a backup. If all of a column are, it was "
            'renamed: declare its former name, place="TABLE.COLUMN", and name the models in --models.'
        )
    undeclared = [(table, column) for table, column in columns if column.undeclared]
    if undeclared:
        lines.append("Not bound as declared. If the table is being moved, end that; else somebody has put them there:")
        lines += [f"  {program} reencrypt {shlex.join(_binding_words(*each, dsn))}" for each in undeclared]
    if not_looked_into:
        shown = [f"{name} ({why})" for name, why in not_looked_into[:_SHOWN]]
        more = len(not_looked_into) - len(shown)
        lines.append("Not looked into: " + "; ".join([*shown, *([f"and {more:,} more"] if more else [])]) + ".")
        lines.append(
            "Give this role SELECT on them, and BYPASSRLS where row-level security hides rows. Where you know that a "
            "column holds no records: --accept-column TABLE.COLUMN"
        )
    failed = clear or others or unreadable or not_looked_into or elsewhere or undeclared
    return Verdict(succeeded=not failed, lines=tuple(lines), not_looked_into=not_looked_into)


def _line(table: ScannedTable, column: ScannedColumn) -> str:
    counts = [f"{count:,} records under {key}" for key, count in column.keys.items()]
    own = column.declared and column.declared.binding.form
    counts += [f"{count:,} {form}" for form, count in column.forms.items() if {*column.forms} != {"unbound"} or own]
    counts += [f"declared {own}"] if own else []
    counts += [f"{column.elsewhere:,} of another place"] if column.elsewhere else []
    counts += [f"{column.unreadable:,} under no key of this run"] if column.unreadable else []
    counts += [f"inside {column.documents:,} values"] if column.documents else []
    counts += [f"{column.bytes_:,} values of bytes without records"] if column.bytes_ else []
    counts += [f"{column.hashes:,} hashes"] if column.hashes else []
    counts += [f"{column.plain:,} in the clear"] if column.plain else []
    why = f" (like PHI: {', '.join(column.phi)})" if column.phi else ""
    accepted = ", accepted" if column.is_accepted or column.contents_accepted else ""
    return f"{table.name}.{column.name}: {', '.join(counts)}{why}{accepted}"


def _remedy(table: ScannedTable, current: str, dsn: str, program: str) -> str | None:
    """The command that re-encrypts a table's records of another key; None without such records."""
    columns = [column.name for column in table.columns if column.keys.keys() - {current}]
    if not columns:
        return None
    if table.kind is TableKind.MATERIALIZED_VIEW:
        return f"  {table.name} is a copy: refresh materialized view {_quoted(table)}, after its tables"
    if table.kind is TableKind.FOREIGN:
        return f"  {table.name} is stored elsewhere: run reencrypt on that server"
    hashes = [
        f"{source}:{column.name}"
        for source in columns
        for column in table.columns
        if column.contents is Contents.TEXT and column.name.lower() in [source.lower() + end for end in HASH_ENDINGS]
    ]
    words = [*("--dsn", dsn or "postgresql://HOST/DATABASE"), "--table", _quoted(table), "--columns", ",".join(columns)]
    words += [
        "--key-column",
        table.key_column or "UNIQUE_COLUMN",
        *(["--hash-columns", ",".join(hashes)] if hashes else []),
        *(["--tenant-column", table.tenant_column] if table.tenant_column else []),
    ]
    return f"  {program} reencrypt {shlex.join(words)}"


def _binding_words(table: ScannedTable, column: ScannedColumn, dsn: str) -> list[str]:
    """The options that bind a column's records as its model says."""
    assert column.declared is not None
    binding = column.declared.binding
    assert binding.form is not None
    words = ["--to", "ENCRYPTED_PHI_KEY", "--dsn", dsn or "postgresql://HOST/DATABASE", "--table", _quoted(table)]
    words += ["--columns", column.name, "--key-column", table.key_column or "UNIQUE_COLUMN"]
    words += ["--bind", binding.form.bound] if binding.form.bound else []
    words += ["--tenant-column", table.tenant_column] if table.tenant_column and binding.form.of_tenant else []
    words += [word for form in column.undeclared for word in ("--reads", form)]
    return words + (
        ["--place", f"{column.name}={binding.place}"] if binding.place != place(table.table, column.name) else []
    )


def _quoted(table: ScannedTable) -> str:
    parts = (table.schema, table.table)
    return ".".join(quoted(part) if set(part) & {".", '"'} else part for part in parts)
