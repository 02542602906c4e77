"""Classifies a database's types by the content of their columns: texts, records inside a value, bytes, or none.

Touches PostgreSQL's catalog, through a Database. Domains, arrays, ranges and composite types count as their base types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from eonpro_phi.reencryption.database import Database


class Contents(StrEnum):
    """The possible content of a column."""

    TEXT = "text"
    """Text of any kind: text, varchar, and domains over them."""
    DOCUMENT = "document"
    """A value whose text form can hold records: JSON, XML, hstore, arrays, composite types and others."""
    BYTES = "bytes"
    """bytea, and domains over it."""
    HIDDEN = "hidden"
    """A value whose text form shows bytes as digits, such as an array of bytea."""
    NEITHER = "neither"
    """A value that is too small or of another kind, such as a number, a date or a UUID."""


_OTHERS = frozenset("NBDTIGVZ")
"""PostgreSQL's categories of its own types without texts: numbers, booleans, dates, intervals, addresses, shapes, bits,
and those for internal use."""
_OTHER_NAMES = frozenset("uuid macaddr macaddr8 pg_lsn tid xid xid8 cid txid_snapshot pg_snapshot oid".split())

_TYPES = """
select t.oid, t.typname, t.typtype::text, t.typcategory::text, t.typbasetype, t.typelem, t.typrelid, t.typlen,
       t.typnamespace = 'pg_catalog'::regnamespace, coalesce(r.rngsubtype, m.rngsubtype)
  from pg_type t left join pg_range r on r.rngtypid = t.oid left join pg_range m on m.rngmultitypid = t.oid
"""
_WITHOUT_MULTIRANGES = _TYPES.replace(", m.rngsubtype", "").replace(
    " left join pg_range m on m.rngmultitypid = t.oid", ""
)

_ATTRIBUTES = """
select a.attrelid, a.atttypid from pg_attribute a join pg_class c on c.oid = a.attrelid
 where c.relkind = 'c' and a.attnum > 0 and not a.attisdropped
"""


@dataclass(frozen=True, kw_only=True)
class _Type:
    name: str
    kind: str
    category: str
    is_array: bool
    is_builtin: bool
    parts: tuple[int, ...]
    """The base types."""


@dataclass(frozen=True, kw_only=True)
class ColumnTypes:
    """The types of one database."""

    _types: Mapping[int, _Type] = field(repr=False)

    def contents(self, oid: int) -> Contents:
        """The possible content of a column of this type."""
        return self._contents(oid, frozenset())

    def base(self, oid: int) -> str:
        """The name of the type, below its domains."""
        found = self._types[oid]
        return self.base(found.parts[0]) if found.kind == "d" else found.name

    def is_text(self, oid: int) -> bool:
        """Whether a column of this type holds texts: text, varchar, or citext, which ignores case."""
        return self.contents(oid) is Contents.TEXT or self.base(oid) == "citext"

    def is_array_of_texts(self, oid: int) -> bool:
        """Whether a column of this type holds arrays of texts, or a domain over such an array."""
        found = self._types[oid]
        if found.kind == "d":
            return self.is_array_of_texts(found.parts[0])
        return found.is_array and self.is_text(found.parts[0])

    def _contents(self, oid: int, above: frozenset[int]) -> Contents:
        found = self._types.get(oid)
        if found is None or oid in above:
            return Contents.DOCUMENT
        if not found.parts:
            return _own(found)
        parts = {self._contents(part, above | {oid}) for part in found.parts}
        if found.kind == "d":
            return parts.pop()
        if parts & {Contents.BYTES, Contents.HIDDEN}:
            return Contents.HIDDEN
        return Contents.NEITHER if parts == {Contents.NEITHER} else Contents.DOCUMENT


def _own(found: _Type) -> Contents:
    if found.is_builtin and found.name in ("text", "varchar"):
        return Contents.TEXT
    if found.is_builtin and found.name == "bytea":
        return Contents.BYTES
    if found.is_builtin and (found.category in _OTHERS or found.name in _OTHER_NAMES):
        return Contents.NEITHER
    return Contents.DOCUMENT


def read_types(database: Database) -> ColumnTypes:
    """All types of the database."""
    has_multiranges = database.query("select current_setting('server_version_num')::int >= 140000")[0][0]
    attributes: dict[int, list[int]] = {}
    for relation, oid in database.query(_ATTRIBUTES):
        attributes.setdefault(relation, []).append(oid)
    types = {}
    for row in database.query(_TYPES if has_multiranges else _WITHOUT_MULTIRANGES):
        oid, name, kind, category, base, element, relation, length, is_builtin, subtype = row
        # Some fixed-length types, such as point, have elements and are no arrays.
        is_array = category == "A" and element != 0 and length == -1
        parts = tuple(_parts(kind, base, element if is_array else 0, attributes.get(relation, ()), subtype))
        types[oid] = _Type(
            name=name, kind=kind, category=category, is_array=is_array, is_builtin=is_builtin, parts=parts
        )
    return ColumnTypes(_types=types)


def _parts(kind: str, base: int, element: int, attributes: Sequence[int], subtype: int | None) -> Iterator[int]:
    if kind == "d":
        yield base
    elif element:
        yield element
    elif subtype:
        yield subtype
    else:
        yield from attributes
