"""The condition that a stored value is a record, as SQL: the database then refuses plain text, whoever writes it.

Pure. It sees the shape alone: a record of another key or place passes.
"""

import hashlib
from collections.abc import Iterable

from eonpro_phi.binary.record import OVERHEAD_BYTES
from eonpro_phi.record import quoted

# No LIKE: drivers take a percent sign for a placeholder.
_SHAPES = {
    1: "substr({0}, 23, 3) = '==:' and substr({0}, 48, 3) = '==:' and length({0}) > 50",
    2: "substr({0}, 1, 3) = 'v2:' and substr({0}, 20, 1) = ':' and length({0}) > 57",
}
_OTHERS = "[^A-Za-z0-9+/=:]"
"""A character that no record has. A whole pattern costs a row of PostgreSQL ten times what these three tests cost."""
_NONE_OF_THEM = {
    "postgresql": f"{{0}} !~ '{_OTHERS}'",
    "sqlite": f"{{0}} not glob '*{_OTHERS}*'",
}
_BYTES = {
    "postgresql": "octet_length({0}) > {1} and substring({0} from 1 for 4) = '\\xf7706869'::bytea",
    "sqlite": "length({0}) > {1} and substr({0}, 1, 4) = x'f7706869'",
}


def is_record(
    column: str, dialect: str = "postgresql", *, is_binary: bool = False, versions: Iterable[int] = (1, 2)
) -> str:
    """The condition for a column, which is quoted already; NULL passes. Dialects: postgresql, sqlite.

    Raises ValueError for another dialect.
    """
    if dialect not in _BYTES:
        raise ValueError(f"no condition is known for {dialect}")
    if is_binary:
        return _BYTES[dialect].format(column, OVERHEAD_BYTES)
    shapes = " or ".join(_SHAPES[version] for version in sorted(versions))
    # A collation for which two texts are equal that are not the same has no patterns, and would take "V2:" for "v2:".
    value = f'{column} collate "C"' if dialect == "postgresql" else column
    return f"({shapes}) and {_NONE_OF_THEM[dialect]}".format(value)


def constraint_name(table: str, column: str) -> str:
    """The name of a column's check, of at most 63 bytes: PostgreSQL would cut it, and two might be one."""
    name = f"{table}_{column}_is_record"
    if len(name.encode()) <= 63:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name.encode()[:40].decode(errors='ignore')}_{digest}_is_record"


def statements(table: str, columns: Iterable[str]) -> list[str]:
    """PostgreSQL's statements for the columns of a table, `data:bytes` for bytes, `email:v2` for bound records.

    The first of each pair takes a lock for a moment, and new values are checked from then on; the second reads the
    table beside its writers.

    >>> print("\\n".join(statements("Document", ["data:bytes"])))
    alter table "Document" add constraint "Document_data_is_record" check (octet_length("data") > 41 and \
substring("data" from 1 for 4) = '\\xf7706869'::bytea) not valid;
    alter table "Document" validate constraint "Document_data_is_record";
    """
    found = []
    where = ".".join(quoted(part) for part in table.split("."))
    for each in columns:
        column, _, form = each.partition(":")
        if form not in ("", "bytes", "v2"):
            raise ValueError(f"{each}: after the colon stands bytes or v2")
        name = quoted(constraint_name(table.rpartition(".")[2], column))
        condition = is_record(quoted(column), is_binary=form == "bytes", versions=(2,) if form == "v2" else (1, 2))
        found += [
            f"alter table {where} add constraint {name} check ({condition}) not valid;",
            f"alter table {where} validate constraint {name};",
        ]
    return found
