"""The columns that an application declares as bound: what `phi check --models` says of them, and what `scan` expects.

Touches the modules that it is told to import, or one file.
"""

from __future__ import annotations

import importlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from eonpro_phi.binding import Binding, Form, reads_of
from eonpro_phi.record import names_of


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A column, as its model has it; table and column are those of the database now, the table without its schema."""

    table: str
    column: str
    binding: Binding
    tenant_column: str | None = None

    def as_json(self) -> dict[str, object]:
        """The members of the document, which are those that `@eonpro/phi` writes."""
        return {
            "table": self.table,
            "column": self.column,
            "place": self.binding.place,
            "form": self.binding.form,
            "reads": [*self.binding.reads],
            "tenantColumn": self.tenant_column,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for another document."""
        names_of(document["place"])
        return cls(
            table=document["table"],
            column=document["column"],
            binding=Binding(place=document["place"], form=Form(document["form"]), reads=reads_of(document["reads"])),
            tenant_column=document["tenantColumn"],
        )


_declared: dict[tuple[str, str], Declaration] = {}


def declare(table: str, column: str, binding: Binding, tenant_column: str | None) -> None:
    """Called for each column of records that is declared in this process."""
    if binding.form is not Form.UNBOUND:
        _declared[table, column] = Declaration(table=table, column=column, binding=binding, tenant_column=tenant_column)


def read(source: str) -> list[Declaration]:
    """What a module of the application declares (`clinic.models`; with DJANGO_SETTINGS_MODULE all its applications), or
    what a file has that `phi check --models … --json` wrote, in Python or in Node. Raises ValueError.
    """
    if source.endswith(".json"):
        try:
            return [Declaration.from_json(each) for each in json.loads(Path(source).read_text("utf-8"))["columns"]]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"--models {source}: no columns of `phi check --models MODULE --json`") from error
    try:
        if os.environ.get("DJANGO_SETTINGS_MODULE"):
            importlib.import_module("django").setup()
        importlib.import_module(source)
    except ImportError as error:
        raise ValueError(f"--models {source}: {error}") from error
    return [*_declared.values()]


def notices(declarations: Sequence[Declaration]) -> Iterable[str]:
    """What a person has to know of them: what still reads earlier forms, and names that two columns share."""
    for each in declarations:
        if each.binding.reads:
            yield (
                f"{each.table}.{each.column} still reads records of an earlier form ({', '.join(each.binding.reads)}): "
                "whoever can write to the database can put one into any row. End the move by `phi reencrypt --reads`, "
                "then remove reads."
            )
    places = Counter(each.binding.place for each in declarations if each.binding.form and each.binding.form.bound)
    for place, count in places.items():
        if count > 1:
            names = [f"{each.table}.{each.column}" for each in declarations if each.binding.place == place]
            yield f"{' and '.join(names)} have one name for keys, {place}: the records of one open in the other."
