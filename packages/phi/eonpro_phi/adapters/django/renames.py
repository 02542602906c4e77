"""Django's system check for columns that were renamed after their records or search values were bound to their names.

Reads the migrations of the applications on the disk, and no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection
from django.db.backends.utils import truncate_name
from django.db.migrations import operations as migrations
from django.db.migrations.exceptions import BadMigrationError, CircularDependencyError, NodeNotFoundError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from eonpro_phi.adapters.django.search import SearchField
from eonpro_phi.record import place

RENAMED = "{field} has keys of the name {former}, and would have those of {now}: nothing of its column would be found."
RENAMED_HINT = 'Its table or column was renamed. Declare the former name: {name} = …(…, place="{former}").'
READS = (
    "{field} still reads records of an earlier form: {reads}. Whoever can write to the database can put one anywhere."
)
READS_HINT = "End the move by `phi reencrypt --reads`, then remove reads=."

Field = tuple[str, str, str]
"""Application, model in lower case, field."""


@register(Tags.models)  # type: ignore[untyped-decorator]  # Django comes without types
def check_names(app_configs: Iterable[Any] | None = None, **_: Any) -> list[CheckMessage]:
    """E012: a renamed column without the name that its keys have. W003: a column that still reads earlier forms."""
    chosen = apps.get_app_configs() if app_configs is None else app_configs
    models = [model for config in chosen for model in config.get_models() if not model._meta.proxy]
    fields = [
        each for model in models for each in model._meta.local_fields if name_for_keys(each, model._meta.db_table)
    ]
    former = dict(_former_names({each.model._meta.app_label for each in fields})) if fields else {}
    return [message for each in fields for message in _messages(each, former)]


def name_for_keys(field: Any, table: str) -> str | None:
    """The name that the keys of a column's records or search values are of; None for another column."""
    if not (getattr(field, "bound", False) or isinstance(field, SearchField)):
        return None
    return field.place or place(table, field.db_column or field.name)


def _messages(field: Any, former: dict[Field, str]) -> Iterator[CheckMessage]:
    meta = field.model._meta
    now = name_for_keys(field, meta.db_table)
    first = former.get((meta.app_label, meta.model_name, field.name), now)
    if first != now and not field.place:
        text = RENAMED.format(field=field, former=first, now=now)
        yield Error(text, hint=RENAMED_HINT.format(name=field.name, former=first), obj=field, id="phi.E012")
    if getattr(field, "reads", ()):
        text = READS.format(field=field, reads=", ".join(field.binding.reads))
        yield Warning(text, hint=READS_HINT, obj=field, id="phi.W003")


def _former_names(labels: set[str]) -> Iterator[tuple[Field, str]]:
    """Yields each field of these applications with the name for keys that its column had first."""
    try:
        graph = MigrationLoader(None).graph
        nodes = graph._generate_plan([node for node in graph.leaf_nodes() if node[0] in labels], at_end=True)
    except (BadMigrationError, CircularDependencyError, NodeNotFoundError):
        return  # `migrate` says so
    state, first = ProjectState(), dict[Field, str]()
    for label, name in nodes:
        for operation in _state_operations(graph.nodes[label, name].operations) if label in labels else ():
            operation.state_forwards(label, state)
            before = {_renamed(operation, label, field): value for field, value in first.items()}
            found = _names(state, label)
            first = {field: before.get(field, now) for field, now in found.items()} | {
                field: value for field, value in before.items() if field[0] != label
            }
    yield from first.items()


def _names(state: ProjectState, label: str) -> dict[Field, str]:
    found = {}
    for (app, model), options in state.models.items():
        table = options.options.get("db_table") or truncate_name(f"{app}_{model}", connection.ops.max_name_length())
        for name, field in options.fields.items() if app == label else ():
            field.name = name
            if (key := name_for_keys(field, table)) is not None:
                found[app, model, name] = key
    return found


def _state_operations(operations: Iterable[Any]) -> Iterator[Any]:
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from _state_operations(operation.state_operations)
        else:
            yield operation


def _renamed(operation: Any, label: str, field: Field) -> Field:
    """The field after an operation."""
    app, model, name = field
    if isinstance(operation, migrations.RenameModel) and (app, model) == (label, operation.old_name_lower):
        return app, operation.new_name_lower, name
    is_field = isinstance(operation, migrations.RenameField)
    if is_field and field == (label, operation.model_name_lower, operation.old_name):
        return app, model, operation.new_name
    return field
