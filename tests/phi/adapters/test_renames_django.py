"""Tables and columns that Django renames after their records were bound: an error without their former name.

Touches Django's settings of this process, an SQLite database in memory, and migrations in a folder of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from tests.phi.adapters import django_settings as django_settings  # isort: skip
from django.apps import AppConfig
from django.db import connection, models
from django.test.utils import isolate_apps, override_settings

from eonpro_phi import NotBound
from eonpro_phi.adapters.django import EncryptedTextField, ExactSearchField
from eonpro_phi.adapters.django.renames import check_names
from tests.phi.adapters.row_models import fields

HEADER = """
from uuid import uuid4
from django.db import migrations, models
from eonpro_phi import NotBound
from eonpro_phi.adapters.django import EncryptedTextField, ExactSearchField

class Migration(migrations.Migration):
    dependencies = [{dependencies}]
    operations = [{operations}]
"""
INITIAL = """
    migrations.CreateModel("Patient", [
        ("id", models.UUIDField(primary_key=True, default=uuid4)),
        ("email", EncryptedTextField(null=True, bound="row")),
        ("email_search", ExactSearchField("email", rule="email", bits=128)),
        ("note", EncryptedTextField(null=True)),
    ]),
"""
RENAMES = {
    "model": 'migrations.RenameModel("Patient", "Person")',
    "field": 'migrations.RenameField("Patient", "email", "mail")',
    "table": 'migrations.AlterModelTable("Patient", "people")',
    "state": 'migrations.SeparateDatabaseAndState(state_operations=[migrations.RenameModel("Patient", "Person")])',
    "column": 'migrations.AlterField("Patient", "email", EncryptedTextField(null=True, bound="row", db_column="mail"))',
}


class ClinicApp(AppConfig):  # type: ignore[misc]  # Django comes without types
    name = label = "renaming"
    path = str(Path(__file__).parent)


@pytest.fixture
def migrations_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes the migrations of the application `renaming`, which is installed with the test's models."""
    package = ModuleType("renaming")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "renaming", package)
    (tmp_path / "migrations").mkdir()

    def write(*operations: str) -> None:
        for name in [name for name in sys.modules if name.startswith("renaming.")]:
            del sys.modules[name]
        (tmp_path / "migrations" / "__init__.py").touch()
        for number, text in enumerate((INITIAL, *operations), 1):
            dependencies = f'("renaming", "{number - 1:04}_x")' if number > 1 else ""
            text = HEADER.format(dependencies=dependencies, operations=text)
            (tmp_path / "migrations" / f"{number:04}_x.py").write_text(text)

    with override_settings(INSTALLED_APPS=[f"{__name__}.ClinicApp"]):
        yield write


def model(name: str = "Patient", table: str | None = None, mail: str = "email", **options: Any) -> Any:
    """The model as the code has it after a change."""
    meta = type("Meta", (), {"app_label": "renaming", **({"db_table": table} if table else {})})
    search = options.pop("search", None)
    return type(name, (models.Model,), {
        "__module__": __name__,
        "Meta": meta,
        "id": models.UUIDField(primary_key=True, default=uuid4),
        mail: EncryptedTextField(null=True, bound="row", fields=fields, **options),
        "email_search": ExactSearchField(mail, rule="email", place=search),
        "note": EncryptedTextField(null=True),
    })  # fmt: skip


CHANGED: dict[str, dict[str, Any]] = {
    "model": {"name": "Person"},
    "field": {"mail": "mail"},
    "table": {"table": "people"},
    "state": {"name": "Person"},
    "column": {"db_column": "mail"},
}


def found(kind: str, **options: Any) -> list[tuple[str, str]]:
    with isolate_apps("renaming") as own:
        model(**{**CHANGED.get(kind, {}), **options})
        return [(str(each.id), each.obj.name) for each in check_names([own.get_app_config("renaming")])]


@pytest.mark.parametrize("kind", RENAMES)
def test_a_rename_without_the_former_name_is_an_error_and_with_it_none(kind: str, migrations_of: Any) -> None:
    migrations_of()
    assert found("none") == []
    migrations_of(RENAMES[kind])
    errors = {name for id_, name in found(kind) if id_ == "phi.E012"}
    mail = CHANGED[kind].get("mail", "email")
    assert errors == ({mail} if kind in ("field", "column") else {mail, "email_search"})
    names = {"place": "renaming_patient.email", "search": "renaming_patient.email_search"}
    assert found(kind, **names) == []


def test_a_column_that_was_renamed_before_it_was_bound_needs_no_other_name(migrations_of: Any) -> None:
    bound = 'migrations.AlterField("Patient", "note2", EncryptedTextField(null=True, bound=True))'
    migrations_of('migrations.RenameField("Patient", "note", "note2"), ' + bound)
    with isolate_apps("renaming") as own:
        type("Patient", (models.Model,), {
            "__module__": __name__,
            "Meta": type("Meta", (), {"app_label": "renaming"}),
            "note2": EncryptedTextField(null=True, bound=True),
        })  # fmt: skip
        assert check_names([own.get_app_config("renaming")]) == []


def test_a_chain_of_renames_leads_to_the_first_name(migrations_of: Any) -> None:
    migrations_of(RENAMES["field"], 'migrations.RenameField("Patient", "mail", "contact")', RENAMES["model"])
    with isolate_apps("renaming") as own:
        model("Person", mail="contact")
        messages = check_names([own.get_app_config("renaming")])
    assert {each.obj.name for each in messages} == {"contact", "email_search"}
    assert 'place="renaming_patient.email"' in next(each.hint for each in messages if each.obj.name == "contact")


@isolate_apps()  # type: ignore[untyped-decorator]
def test_with_the_former_names_the_rows_are_read_and_found_after_the_rename() -> None:
    before = model()
    after = model("Person", "people", "mail", place="renaming_patient.email", search="renaming_patient.email_search")
    without = model("Lost", "people", "mail")
    with connection.schema_editor() as editor:
        editor.create_model(before)
    before.objects.create(id=uuid4(), email="jane@example.org")
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE renaming_patient RENAME COLUMN email TO mail")
        editor.alter_db_table(before, "renaming_patient", "people")
    try:
        assert after.objects.get(mail="Jane@Example.org").mail == "jane@example.org"
        after.objects.create(id=uuid4(), mail="joe@example.org")
        assert {row.mail for row in after.objects.all()} == {"jane@example.org", "joe@example.org"}
        assert not without.objects.filter(mail="jane@example.org").exists()
        with pytest.raises(NotBound, match="renamed"):
            [*without.objects.all()]
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(after)
