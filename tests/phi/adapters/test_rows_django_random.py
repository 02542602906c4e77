"""Random writes of Django on encrypted rows and on plain ones: the same result, or refused with nothing written.

Touches memory, Django's settings of this process, and a database server of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.core.serializers.base import DeserializedObject
from django.db import DatabaseError, models, transaction

from eonpro_phi.record import place
from tests.phi.adapters.row_models import CIPHER, MODELS, Member, installed, sql
from tests.phi.reencryption.postgres import Server

NAMES = ("clinic_id", "email", "phone", "note", "city", "ssn")


class PlainMember(models.Model):  # type: ignore[misc]  # Django comes without types
    number = models.CharField(primary_key=True, max_length=20)
    clinic_id = models.IntegerField()
    email = models.TextField(null=True)
    phone = models.TextField(null=True)
    note = models.TextField(null=True)
    city = models.TextField(default="Wien")
    ssn = models.IntegerField(null=True, unique=True)

    class Meta:
        app_label = "rows"


@dataclass(frozen=True)
class Write:
    """What an operation writes: the row, a value for every field, and some of the fields."""

    number: str
    other: str
    values: dict[str, Any]
    names: list[str]
    unique: str

    @classmethod
    def chosen(cls, chance: random.Random) -> Write:
        values: dict[str, Any] = {name: chance.choice([None, "a", "b"]) for name in ("email", "phone", "note")}
        values |= {"clinic_id": chance.choice([7, 8]), "city": chance.choice("ab"), "ssn": chance.choice([None, 1, 2])}
        names = [name for name in NAMES if chance.random() < 0.5] or ["city"]
        return cls(chance.choice("123"), chance.choice("123"), values, names, chance.choice(["number", "ssn"]))

    @property
    def some(self) -> dict[str, Any]:
        return {name: self.values[name] for name in self.names}

    def apply(self, row: Any, values: dict[str, Any], **options: Any) -> Any:
        for name, value in values.items():
            setattr(row, name, value)
        row.save(**options)
        return row


def copied(model: Any, write: Write) -> None:
    row = model.objects.get(pk=write.number)
    row.pk, row.ssn = write.other, None
    row.save()


def in_bulk(model: Any, write: Write) -> None:
    rows = [*model.objects.order_by("number")]
    for row in rows:
        row.__dict__.update(write.values)
    model.objects.bulk_update(rows, [name for name in write.names if name != "ssn"] or ["city"])


def upserted(model: Any, write: Write) -> None:
    model.objects.bulk_create(
        [model(number=write.number, **write.values)],
        update_conflicts=True,
        unique_fields=[write.unique],
        update_fields=write.names,
    )


def rekeyed(model: Any, write: Write) -> None:
    model.objects.filter(pk=write.number).update(number=f"{write.other}x")


def save_stale(row: Any, write: Write) -> None:
    write.apply(row, write.some)


WRITES: dict[str, Callable[[Any, Write], object]] = {
    "create": lambda model, it: model.objects.create(number=it.number, **it.values),
    "save": lambda model, it: it.apply(model.objects.get(pk=it.number), it.some),
    "update_fields": lambda model, it: it.apply(model.objects.get(pk=it.number), it.values, update_fields=it.names),
    "defer": lambda model, it: it.apply(
        model.objects.defer(*it.names).get(pk=it.number),
        {name: value for name, value in it.values.items() if name not in it.names},
    ),
    "only": lambda model, it: it.apply(model.objects.only(*it.names).get(pk=it.number), it.some),
    "assigned though deferred": lambda model, it: it.apply(model.objects.defer(*it.names).get(pk=it.number), it.values),
    "bulk_update": in_bulk,
    "upsert": upserted,
    "update": lambda model, it: model.objects.filter(pk=it.number).update(**it.some),
    "update_or_create": lambda model, it: model.objects.update_or_create(
        number=it.number, defaults=it.some, create_defaults=it.values
    ),
    "delete": lambda model, it: model.objects.filter(pk=it.number).delete(),
    "fixture": lambda model, it: DeserializedObject(model(number=it.number, **it.values)).save(),
    "copy": copied,
    "key": rekeyed,
}


def table(model: Any) -> list[tuple[Any, ...]]:
    return [*model.objects.order_by("number").values_list("number", *NAMES)]


def attempted(call: Callable[[], object]) -> str:
    """The name of the error that refused it, or nothing."""
    try:
        with transaction.atomic():
            call()
    except (FieldError, DatabaseError, Member.DoesNotExist, PlainMember.DoesNotExist) as error:
        return type(error).__name__
    return ""


def every_record_is_of_its_row() -> None:
    for number, clinic, email, phone, note in sql("select number, clinic_id, email, phone, note from rows_member"):
        tenant = CIPHER.for_tenant(str(clinic))
        tenant.decrypt(email, place("rows_member", "email", number))
        tenant.decrypt(phone)
        CIPHER.decrypt(note, place("rows_member", "note", number))


def compare(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    stale: list[tuple[Any, Any]] = []
    for _ in range(steps):
        kind, write, before = chance.choice([*WRITES, "stale"]), Write.chosen(chance), table(Member)
        if kind != "stale":
            row, plain_row = Member, PlainMember
            operation = WRITES[kind]
        elif stale:
            row, plain_row = chance.choice(stale)
            operation = save_stale
        else:
            continue
        refused = attempted(partial(operation, row, write))
        every_record_is_of_its_row()
        if refused:
            assert table(Member) == before, kind
            stale = []  # what was assigned to one of two is not in the other
            continue
        assert not attempted(partial(operation, plain_row, write)), kind
        assert table(Member) == table(PlainMember), kind
        stale += [(found, PlainMember.objects.get(pk=found.pk)) for found in Member.objects.all()]
        stale = chance.sample(stale, min(len(stale), 4))


def test_random_writes_keep_every_record_with_its_row() -> None:
    with installed("sqlite", pytest.fail, (*MODELS, PlainMember)):
        compare(0, 80)


@pytest.mark.thorough
@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_many_random_writes_keep_every_record_with_its_row(kind: str, server: Server) -> None:
    for seed in range(10):
        with installed(kind, lambda: server, (*MODELS, PlainMember)):
            compare(100 + seed, 150)
