"""Fields that are encrypted for their row: bound to its primary key, or under the key of its tenant.

Touches what the field's cipher touches. A query selects such a column together with the keys of its row, a statement
that writes it knows them, and one that would part a record from them is refused. `select_format` and
`get_placeholder` are Django's own hooks, half documented (held for Django 5.2 and 6.1).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db.models import Case, Func, Q, TextField, Value
from django.db.models.expressions import Col, Subquery, When
from django.db.models.functions import Cast, Length
from django.db.models.signals import class_prepared, post_save, pre_save
from django.db.models.sql.query import Query
from django.db.models.sql.subqueries import InsertQuery, UpdateQuery

from eonpro_phi.adapters.injected import opened
from eonpro_phi.adapters.values import BYTES
from eonpro_phi.binding import ROW
from eonpro_phi.errors import DecryptionError
from eonpro_phi.record import key_text

NOT_READ = (
    "{name} is encrypted for its row, and this value came without it: from raw SQL, or an expression. Leave the column "
    "out of the raw SQL: it is then loaded when it is read."
)
NOT_WRITTEN = (
    "{name} is encrypted for its row, which this statement does not name. Read the rows, assign the texts, then save() "
    "or bulk_update()."
)
NO_KEY = "{name} is encrypted for its row, whose {key} is {fault}. Nothing was written: set {key} first."
LEFT = (
    "{names} would stay under the former {key}, and could not be read or found. Write them in the same statement: read "
    "the rows, then save() all of them, or name them and {key} in update_fields or in the list of bulk_update(). To "
    "write others only, leave {key} out."
)
TENANT_TOO = "{name} is under the key of {key}: name {key} too, in update_fields or in the list of bulk_update()."
OTHER_ROW = "{name} is bound to its row: update_conflicts needs unique_fields=[{key!r}], so that the row is the same."


def keys(encrypted: Any) -> list[Any]:
    """The fields that name the row and the tenant that the records of this field are for."""
    meta = encrypted.model._meta
    found = [meta.pk] if encrypted.bound == "row" else []
    return [*found, meta.get_field(encrypted.tenant)] if encrypted.tenant else found


def with_keys(column: Any, compiler: Any, sql: str, parameters: Any) -> tuple[str, list[Any]]:
    """The SQL of a selected column behind its keys: the length of each, a colon, the key; then the record, bytes in hex
    digits. NULL where it is NULL. Nothing that the column itself holds can be taken for a key.
    """
    # A record without a key is an error, where NULL would be read as no text and saved in its place.
    vendor, encrypted = compiler.connection.vendor, column.target
    parts: list[str] = []
    found: list[Any] = []
    for key in keys(encrypted):
        text = Func(
            Cast(Col(column.alias, key), TextField()),
            template="COALESCE(%(expressions)s, '')",
            output_field=TextField(),
        )
        (length, one), (written, two) = compiler.compile(Length(text)), compiler.compile(text)
        parts += [length, "':'", written]
        found += [*one, *two]
    if encrypted.form is BYTES:
        # HEX(NULL) is '' in SQLite.
        sql = f"encode({sql}, 'hex')" if vendor == "postgresql" else f"NULLIF(HEX({sql}), '')"
    parts.append(sql)
    joined = f"CONCAT({', '.join(parts)})" if vendor == "mysql" else f"({' || '.join(parts)})"
    return joined, [*found, *parameters]


def read(encrypted: Any, value: Any, expression: Any) -> Any:
    """The value of what `with_keys` selected. Raises FieldError where it did not, and as `opened`."""
    if not (isinstance(expression, (Subquery, Query)) or getattr(expression, "has_keys", False)):
        raise FieldError(NOT_READ.format(name=encrypted.name))
    if not value:
        return None
    parts = _split(encrypted, value)
    if parts is None:
        raise DecryptionError
    texts, record = parts
    if not record or encrypted.is_plain(record):
        return record or None
    return opened(encrypted._cipher(), record, encrypted.form, encrypted.binding, *_row(encrypted, texts))


def _split(encrypted: Any, value: str) -> tuple[list[str], str | bytes] | None:
    """The texts of the keys, and the record; None for what `with_keys` did not write."""
    texts = []
    try:
        for key in keys(encrypted):
            length, _, value = value.partition(":")
            texts.append(key_text(key.to_python(value[: int(length)])))
            value = value[int(length) :]
        return texts, bytes.fromhex(value) if encrypted.form is BYTES else value
    except (ValidationError, ValueError):
        return None


def _row(encrypted: Any, texts: list[str]) -> tuple[str, str | None]:
    """The text of a row's key, where the records are bound to it, and its tenant; `texts` are those of the `keys`."""
    return texts[0] if encrypted.bound == ROW else "", texts[-1] if encrypted.tenant else None


def _text(encrypted: Any, key: Any, value: Any) -> str:
    """The text of a key. Raises FieldError for None, an expression, and what is no value of the field."""
    fault = "None"
    if value is not None:
        fault = "not known before it is written"
        if not hasattr(value, "resolve_expression"):
            fault = "no whole number, text or UUID"
            try:
                return key_text(key.to_python(value))
            except (ValidationError, ValueError):
                pass
    raise FieldError(NO_KEY.format(name=encrypted.name, key=key.attname, fault=fault))


@dataclass(frozen=True, eq=False)
class RowRecord:
    """A record for one row, on its way into a statement: an expression of SQL, as far as a compiler asks."""

    encrypted: Any
    value: Any = field(repr=False)
    tenant: Any
    record: str | bytes = field(repr=False)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The record. Raises FieldError where the statement could put it into another row, or under another tenant; an
        update that does not write the tenant is of a row that still has it.
        """
        encrypted, query = self.encrypted, compiler.query
        if in_step := vars(encrypted).get("get_placeholder"):
            in_step(self.record, compiler, connection)
        tenant = encrypted.tenant and encrypted.model._meta.get_field(encrypted.tenant)
        written = written_by(query)
        if isinstance(query, UpdateQuery):
            if tenant and tenant.name not in written:
                query.add_q(Q(**{tenant.attname: self.tenant}))
        elif encrypted.name in written:
            if tenant and tenant.name not in written:
                raise FieldError(TENANT_TOO.format(name=encrypted.name, key=tenant.attname))
            pk = encrypted.model._meta.pk
            unique = [getattr(each, "name", each) for each in query.unique_fields or ()]
            if encrypted.bound == "row" and unique not in ([pk.name], [pk.column]):
                raise FieldError(OTHER_ROW.format(name=encrypted.name, key=pk.name))
        return "%s", [self.record]


def sealed_for(encrypted: Any, value: Any, key_values: list[Any]) -> RowRecord | None:
    """The record of a value for the row with these keys; None for nothing to encrypt."""
    if value is None or (encrypted.form is None and value == ""):
        return None
    texts = [_text(encrypted, *each) for each in zip(keys(encrypted), key_values, strict=True)]
    record = encrypted.sealed(value, *_row(encrypted, texts))
    return None if record is None else RowRecord(encrypted, value, key_values[-1], record)


def of_instance(encrypted: Any, instance: Any, value: Any) -> RowRecord | None:
    """The record of a value for this instance."""
    return sealed_for(encrypted, value, [getattr(instance, key.attname) for key in keys(encrypted)])


def written_by(query: Any) -> set[str]:
    """The names of the fields that a statement writes into rows that exist."""
    if isinstance(query, UpdateQuery):
        return {each.name for each, _, _ in query.values}
    names = (query.update_fields or ()) if isinstance(query, InsertQuery) else ()
    return {getattr(each, "name", each) for each in names}


@dataclass(frozen=True, eq=False)
class ChosenByRow:
    """The texts of `bulk_update()`, `CASE WHEN pk = … THEN …`, which become the records of those rows."""

    encrypted: Any
    expression: Any

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Raises FieldError where a text is for no row."""
        meta, found = self.encrypted.model._meta, {}
        if self.encrypted.tenant:
            tenant = meta.get_field(self.encrypted.tenant)
            values = [value for each, _, value in compiler.query.values if each == tenant]
            if not values:
                raise FieldError(TENANT_TOO.format(name=self.encrypted.name, key=tenant.attname))
            if hasattr(value := values[0], "resolve_expression"):
                value = value.resolve_expression(compiler.query, allow_joins=False, for_save=True)
            found = dict(_by_row(value, meta.pk))
        return compiler.compile(self._records(self.expression, None, found))

    def _records(self, node: Any, row: Any, tenants: dict[Any, Any]) -> Any:
        if isinstance(node, Value) and node.value is not None:
            if row is None:
                raise FieldError(NOT_WRITTEN.format(name=self.encrypted.name))
            values = [row] if self.encrypted.bound == "row" else []
            values += [tenants.get(row, tenants.get(None))] if self.encrypted.tenant else []
            return sealed_for(self.encrypted, node.value, values) or Value(None, node.output_field)
        node = copy.copy(node)
        if isinstance(node, When):
            node.result = self._records(node.result, _row_of(node.condition, self.encrypted.model._meta.pk), tenants)
        elif isinstance(node, Case):
            node.cases = [self._records(case, row, tenants) for case in node.cases]
            node.default = self._records(node.default, row, tenants)
        elif isinstance(node, Cast):
            node.set_source_expressions([self._records(each, row, tenants) for each in node.get_source_expressions()])
        return node


def _by_row(node: Any, pk: Any, row: Any = None) -> Iterator[tuple[Any, Any]]:
    """The values that an expression chooses, each with the primary key of its row; None for every other row."""
    if isinstance(node, Cast):
        yield from _by_row(node.get_source_expressions()[0], pk, row)
    elif isinstance(node, Case):
        for case in node.cases:
            yield from _by_row(case.result, pk, _row_of(case.condition, pk))
    elif not hasattr(node, "resolve_expression"):
        yield row, node
    elif isinstance(node, Value):
        yield row, node.value


def _row_of(condition: Any, pk: Any) -> Any:
    """The primary key that a condition asks for; None for another one."""
    children = getattr(condition, "children", [condition])
    if len(children) != 1 or getattr(condition, "negated", False):
        return None
    [child] = children
    is_key = getattr(child, "lookup_name", "") == "exact" and getattr(child.lhs, "target", None) == pk
    return child.rhs if is_key and not hasattr(child.rhs, "as_sql") else None


@dataclass(frozen=True, eq=False)
class _Key:
    """The hooks of a primary key, a tenant or a clinic: a statement that writes it writes the fields that are encrypted
    or searched for it, or is refused.
    """

    key: Any
    sources: list[str] = field(default_factory=list)

    def __call__(self, value: Any, compiler: Any, connection: Any) -> str:
        """The placeholder."""
        written = written_by(compiler.query)
        left = [name for name in self.sources if name not in written]
        if self.key.name in written and left:
            if not isinstance(value, _Unchanged):
                raise FieldError(LEFT.format(names=", ".join(left), key=self.key.attname))
            compiler.query.add_q(Q(**{self.key.attname: value.value}))
        return "%s"

    def with_parameters(self, value: Any, compiler: Any, connection: Any) -> tuple[str, Any]:
        """The placeholder with its parameters, as Django 6.1 asks for it."""
        return with_parameters(self(value, compiler, connection), value, compiler)

    def pre_save(self, instance: Any, add: bool) -> Any:
        """The value. A row that was read without a field is saved without it, while it keeps its tenant."""
        value = type(self.key).pre_save(self.key, instance, add)
        is_partial = not add and not instance.get_deferred_fields().isdisjoint(
            instance._meta.get_field(name).attname for name in self.sources
        )
        return _Unchanged(self.key, value) if is_partial and not hasattr(value, "as_sql") else value


@dataclass(frozen=True, eq=False)
class _Unchanged:
    """A tenant that is written as it is: only a row that has it already is updated."""

    key: Any
    value: Any

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self.key.get_db_prep_save(self.value, connection)]


def with_parameters(placeholder: str, value: Any, compiler: Any) -> tuple[str, Any]:
    """The SQL of a value or an expression in this placeholder, and its parameters."""
    if hasattr(value, "as_sql"):
        sql, parameters = compiler.compile(value)
        return placeholder % sql, parameters
    return placeholder, (value,)


def watch_key(key: Any, names: Iterable[str]) -> None:
    """Have a key ask, at each write, for the fields of these names, which depend on it."""
    hook = vars(key).get("get_placeholder")
    if not isinstance(hook, _Key) or hook.key is not key:
        hook = key.get_placeholder = _Key(key)
        key.get_placeholder_sql = hook.with_parameters
    hook.sources.extend(name for name in names if name not in hook.sources)
    if not key.primary_key:
        key.pre_save = hook.pre_save


def _watch_keys(sender: Any, **_: Any) -> None:
    """Have the keys of encrypted fields ask at each write. A migration's model may lack one for a moment."""
    for encrypted in sender._meta.local_fields:
        if not getattr(encrypted, "for_row", False):
            continue
        # Not a method of the class: update_or_create() writes all fields whose class has one of its own.
        encrypted.pre_save = encrypted.record_of
        try:
            found = keys(encrypted)
        except FieldDoesNotExist:
            continue
        for key in found:
            if key not in sender._meta.local_fields or getattr(key, "encrypted_text", False):
                continue  # phi.E011
            watch_key(key, [encrypted.name])


def _saved_raw(instance: Any) -> list[Any]:
    """The fields of its own table that are encrypted for their row: `loaddata` saves no parent's."""
    own = instance._meta.concrete_model._meta.local_concrete_fields
    return [each for each in own if getattr(each, "for_row", False)]


def _seal_raw(sender: Any, instance: Any, raw: bool = False, **_: Any) -> None:
    """`loaddata` asks no field for what it saves: it takes the attributes."""
    for encrypted in _saved_raw(instance) if raw else ():
        value = getattr(instance, encrypted.attname)
        instance.__dict__[encrypted.attname] = of_instance(encrypted, instance, value)


def _unseal_raw(sender: Any, instance: Any, raw: bool = False, **_: Any) -> None:
    """The attributes as they were."""
    for encrypted in _saved_raw(instance) if raw else ():
        if isinstance(sealed := instance.__dict__.get(encrypted.attname), RowRecord):
            instance.__dict__[encrypted.attname] = sealed.value


class_prepared.connect(_watch_keys)
pre_save.connect(_seal_raw)
post_save.connect(_unseal_raw)
