"""Django's system checks for encrypted fields: declarations that would mislead, and texts that the admin keeps.

Reads the registries of models and of admin sites; `manage.py check` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Q
from django.db.models.fields import AutoFieldMixin

INDEX = "Equal texts are different records: {what} has no effect on the encrypted field {field}."
INDEX_HINT = "Remove it. To find equal texts, add an ExactSearchField, and index that."
DEFAULT = "{what} would write a plain text into the encrypted field {field}."
DEFAULT_HINT = "Use default= instead: it is encrypted."
KEYS = (
    *("SmallIntegerField", "IntegerField", "BigIntegerField", "PositiveSmallIntegerField", "PositiveIntegerField"),
    *("PositiveBigIntegerField", "SmallAutoField", "AutoField", "BigAutoField"),
    *("CharField", "SlugField", "TextField", "UUIDField"),
)
"""Types whose values have one text in every database."""
KEY_HINT = (
    "{hint} of the same model that the application sets before it saves, that is never NULL, and that holds a whole "
    "number, a text or a UUID."
)
ROW_KEY = "A primary key such as id = models.UUIDField(primary_key=True, default=uuid.uuid4): one"
TENANT_KEY = "Name a field"
SHOWN = (
    "str() of {model} reads {fields}: the admin's log, django_admin_log.object_repr, keeps it in plain text for every "
    "change, and messages show it."
)
SHOWN_HINT = (
    'Name the row otherwise, as in f"{model} {{self.pk}}", and clear what was kept: '
    'LogEntry.objects.filter(content_type=ContentType.objects.get_for_model({model})).update(object_repr="").'
)


def encrypted_in(model: Any, path: str) -> Any | None:
    """The encrypted field that a path of names (`patient__email`) leads to; None for another one."""
    for name in path.lstrip("-").split("__"):
        try:
            field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        if getattr(field, "encrypted_text", False):
            return field
        model = getattr(field, "related_model", None)
        if model is None:
            return None
    return None


def check_field(field: Any) -> list[CheckMessage]:
    """The declarations of one field: E001 an index or uniqueness, E002 a default of the database, E010 a primary key
    that its records cannot be bound to, E011 a tenant that cannot have a key.
    """
    options = ("primary_key", "unique", "db_index", "unique_for_date", "unique_for_month", "unique_for_year")
    found = [
        _error("E001", INDEX, INDEX_HINT, what=f"{name}=…" if name.startswith("unique_for") else name, field=field)
        for name in options
        if getattr(field, name, None)
    ]
    # Without one it is the class NOT_PROVIDED.
    if not isinstance(getattr(field, "db_default", type), type):
        found.append(_error("E002", DEFAULT, DEFAULT_HINT, what="db_default", field=field))
    if field.bound == "row" and (fault := _key_fault(field, field.model._meta.pk)):
        text = 'bound="row" of the encrypted field {field} needs another primary key: {what} ' + fault
        hint = KEY_HINT.format(hint=ROW_KEY)
        found.append(_error("E010", text, hint, what=field.model._meta.pk.name, field=field))
    if field.tenant and (fault := _tenant_fault(field)):
        text = 'tenant="{what}" of the encrypted field {field} ' + fault
        found.append(_error("E011", text, KEY_HINT.format(hint=TENANT_KEY), what=field.tenant, field=field))
    return found


def _tenant_fault(field: Any) -> str:
    try:
        return _key_fault(field, field.model._meta.get_field(field.tenant))
    except FieldDoesNotExist:
        return "is no field of the model."


def _key_fault(field: Any, key: Any) -> str:
    """Why a field cannot name the row or the tenant of an encrypted field's records; empty if it can."""
    if key not in field.model._meta.local_concrete_fields:
        return "is no column of the same table."
    if getattr(key, "encrypted_text", False):
        return "is encrypted itself."
    if key.null:
        return "may be NULL."
    is_default = not isinstance(getattr(key, "db_default", type), type)
    if is_default or getattr(key, "generated", False) or isinstance(key, AutoFieldMixin):
        return "is made by the database, so it is not known before the row is inserted."
    while key.remote_field is not None and not isinstance(key.remote_field.model, str):
        key = key.target_field
    has_text = key.get_internal_type() in KEYS and not hasattr(key, "from_db_value")
    return "" if has_text else "is of a type without one text in every database."


@register(Tags.models)  # type: ignore[untyped-decorator]  # Django comes without types
def check_models(app_configs: Iterable[Any] | None = None, **_: Any) -> list[CheckMessage]:
    """E004 uniqueness and indexes of Meta, E005 constraints."""
    chosen = apps.get_app_configs() if app_configs is None else app_configs
    models = [model for config in chosen for model in config.get_models()]
    return [message for model in models for message in check_model(model)]


def check_model(model: Any) -> Iterator[CheckMessage]:
    """The messages about one model's Meta."""
    meta, label = model._meta, model._meta.label
    groups = [("unique_together", names) for names in meta.unique_together]
    groups += [("indexes", _declared(index)) for index in meta.indexes]
    for name, names in groups:
        for field in filter(None, (encrypted_in(model, path) for path in names)):
            yield _error("E004", INDEX, INDEX_HINT, what=f"{label}.Meta.{name}", field=field, obj=model)
    for constraint in meta.constraints:
        if getattr(constraint, "for_records", False):
            continue
        for field in filter(None, (encrypted_in(model, path) for path in _declared(constraint))):
            what = f"the constraint {constraint.name}"
            yield _error("E005", INDEX, INDEX_HINT, what=what, field=field, obj=model)


@register(Tags.admin)  # type: ignore[untyped-decorator]
def check_admin(app_configs: Iterable[Any] | None = None, **_: Any) -> list[CheckMessage]:
    """W002 a text of a model that the admin's log keeps."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.sites import all_sites

    chosen = None if app_configs is None else {config.label for config in app_configs}
    return [
        message
        for site in all_sites
        for model in site._registry
        if chosen is None or model._meta.app_label in chosen
        for message in check_shown(model)
    ]


def check_shown(model: Any) -> Iterator[CheckMessage]:
    """The message about `str()` of a model with an admin."""
    if names := sorted(_shown(model)):
        message = SHOWN.format(model=model._meta.label, fields=", ".join(names))
        yield Warning(message, hint=SHOWN_HINT.format(model=model.__name__), obj=model, id="phi.W002")


def _shown(model: Any, seen: frozenset[Any] = frozenset()) -> Iterator[str]:
    """The encrypted fields whose texts `str()` of a row shows: its own, and those of rows that it refers to."""
    read, fields = _read_by(model, model.__str__), {each.name: each for each in model._meta.fields}
    yield from (name for name in read & fields.keys() if getattr(fields[name], "encrypted_text", False))
    for name in read & fields.keys():
        related = fields[name].related_model
        if related is None or related in seen:
            continue
        others = {each.name for each in related._meta.fields} - fields.keys() | {"pk"}
        # Of what it reads some are the related row's; where none is, it shows the row as a whole.
        texts = read & others or _shown(related, seen | {model})
        yield from (f"{name}.{text}" for text in texts if encrypted_in(related, text.replace(".", "__")))


def _read_by(model: Any, member: Any, seen: frozenset[Any] = frozenset()) -> set[str]:
    """The names that a method or a property reads, and those that what it uses reads: the model's others, and functions
    of the application.
    """
    member = getattr(member, "fget", getattr(member, "func", member))
    function = getattr(member, "__wrapped__", member)
    code = getattr(function, "__code__", None)
    if code is None or code in seen:
        return set()
    names = {*_names_of(code)}
    beside = [each for each in map(function.__globals__.get, names) if _package(each) == _package(model)]
    own = [getattr(model, each) for each in names if hasattr(model, each)]
    return names.union(*(_read_by(model, each, seen | {code}) for each in (*own, *beside)))


def _package(member: Any) -> str:
    return str(getattr(member, "__module__", "")).partition(".")[0]


def _names_of(code: Any) -> Iterator[str]:
    """The names that a function's code uses, and those that the functions and comprehensions inside it use."""
    yield from code.co_names
    for inner in code.co_consts:
        if hasattr(inner, "co_names"):
            yield from _names_of(inner)


def _names(expression: Any) -> Iterator[str]:
    """The names of fields in an expression or a condition."""
    if isinstance(expression, F):
        yield expression.name
    elif isinstance(expression, Q):
        for child in expression.children:
            if isinstance(child, tuple):
                name, value = child
                # An empty field is a fact that the database knows.
                is_empty = name.endswith("__isnull") or value is None
                yield from (() if is_empty else (name,))
                yield from _names(value)
            else:
                yield from _names(child)
    elif hasattr(expression, "get_source_expressions"):
        for source in expression.get_source_expressions():
            yield from _names(source)


def _declared(declaration: Any) -> Iterator[str]:
    """The names of fields in an index or a constraint."""
    yield from getattr(declaration, "fields", ()) or ()
    for expression in (*getattr(declaration, "expressions", ()), getattr(declaration, "condition", None)):
        yield from _names(expression)


def _error(id: str, text: str, hint: str, *, what: str, field: Any, obj: Any = None) -> Error:
    return Error(text.format(what=what, field=field), hint=hint, obj=field if obj is None else obj, id=f"phi.{id}")
