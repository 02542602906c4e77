"""Histories of a session, at random: after each one every row opens with its own key and tenant, and no text is lost.

Touches memory only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from eonpro_phi import place
from tests.phi.adapters.test_rows_sqlalchemy import CIPHER, TABLE, Base, Clinic, Patient

TEXTS = ("mail", "phone", "city", "note")


class History:
    """A session and what its table should hold: texts and the clinic, by the key of the row."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        Base.metadata.create_all(self.engine)
        choices = {name: self.random.random() < 0.5 for name in ("expire_on_commit", "autoflush")}
        self.session = Session(self.engine, **choices)  # type: ignore[arg-type]
        self.session.add_all(Clinic(id=number) for number in range(4))
        self.session.commit()
        self.expected: dict[int, dict[str, Any]] = {}
        self.committed: dict[int, dict[str, Any]] = {}
        self.number = 0

    def step(self) -> None:
        """One operation; those of a row need one."""
        self.number += 1
        operation = self.random.choice([*OF_ROW, *OF_TABLE] if self.expected else [History.add])
        operation(self, *([self.random.choice([*self.expected])] if operation in OF_ROW else []))

    def row(self, key: int) -> Patient:
        return self.session.get_one(Patient, key)

    def text(self) -> str | None:
        return self.random.choice([None, f"text {self.number}"])

    def clinic(self) -> int:
        return self.random.randrange(4)

    def values(self) -> dict[str, Any]:
        return {"clinic_id": self.clinic(), **{name: self.text() for name in TEXTS}}

    def add(self) -> None:
        self.expected[self.number] = self.values()
        self.session.add(Patient(id=self.number, **self.expected[self.number]))
        self.session.flush()

    def insert(self) -> None:
        many = {1000 * self.number + at: self.values() for at in range(3)}
        self.session.execute(sa.insert(Patient), [{"id": key, **values} for key, values in many.items()])
        self.expected |= many

    def commit(self) -> None:
        self.session.commit()
        self.committed = deepcopy(self.expected)

    def roll_back(self) -> None:
        self.session.rollback()
        self.expected = deepcopy(self.committed)

    def forget(self) -> None:
        self.session.flush()
        self.session.expire_all()

    def assign(self, key: int) -> None:
        name, text = self.random.choice(TEXTS), self.text()
        setattr(self.row(key), name, text)
        self.expected[key][name] = text

    def move(self, key: int) -> None:
        self.row(key).clinic_id = self.expected[key]["clinic_id"] = self.clinic()

    def move_by_relationship(self, key: int) -> None:
        self.session.flush()
        clinic = self.expected[key]["clinic_id"] = self.clinic()
        row = self.row(key)
        self.session.refresh(row)  # a clinic that was read earlier may not be that of its clinic_id
        row.clinic = self.session.get_one(Clinic, clinic)
        self.session.flush()

    def move_unread(self, key: int) -> None:
        self.session.flush()
        self.session.expunge_all()
        clinic = self.expected[key]["clinic_id"] = self.clinic()
        statement = sa.select(Patient).where(Patient.id == key).options(load_only(Patient.visits))
        self.session.scalars(statement).one().clinic_id = clinic
        self.session.flush()

    def rename(self, key: int) -> None:
        self.move(key)
        self.assign(key)
        self.row(key).id = 1_000_000 + self.number
        self.session.flush()
        self.expected[1_000_000 + self.number] = self.expected.pop(key)

    def merge(self, key: int) -> None:
        values = {"clinic_id": self.clinic(), self.random.choice(TEXTS): self.text()}
        self.session.merge(Patient(id=key, **values))
        self.expected[key] |= values

    def update(self, key: int) -> None:
        self.session.flush()
        values = {self.random.choice(TEXTS): self.text()}
        self.session.execute(sa.update(Patient).where(Patient.id == key).values(values))
        self.expected[key] |= values

    def move_in_core(self, key: int) -> None:
        self.session.flush()
        clinic = self.expected[key]["clinic_id"] = self.clinic()
        self.session.execute(TABLE.update().where(TABLE.c.id == key).values(clinic_id=clinic))
        self.session.expire_all()

    def delete(self, key: int) -> None:
        self.session.delete(self.row(key))
        self.session.flush()
        del self.expected[key]

    def replace(self, key: int) -> None:
        self.session.flush()
        self.session.delete(self.row(key))
        self.expected[key] = self.values()
        self.session.add(Patient(id=key, **self.expected[key]))
        self.session.flush()

    def undo(self, key: int) -> None:
        self.session.flush()
        with self.session.begin_nested() as savepoint:
            self.row(key).clinic_id = self.clinic()
            self.session.flush()
            savepoint.rollback()

    def check(self) -> None:
        """Read by another session, and record by record."""
        self.session.commit()
        with Session(self.engine) as other:
            rows = other.scalars(sa.select(Patient)).all()
            assert {
                row.id: {name: getattr(row, name) for name in ("clinic_id", *TEXTS)} for row in rows
            } == self.expected
            for key, clinic, *records in other.execute(
                sa.text("SELECT id, clinic_id, email, phone, city, note FROM patient")
            ):
                tenant = CIPHER.for_tenant(str(clinic))
                contexts = (place("patient", "email", key), "", place("patient", "city"), place("patient", "note", key))
                ciphers: tuple[Any, ...] = (tenant, tenant, tenant, CIPHER)
                for name, cipher, record, context in zip(TEXTS, ciphers, records, contexts, strict=True):
                    assert cipher.decrypt(record, context) == self.expected[key][name]


OF_TABLE: tuple[Callable[..., None], ...] = (
    History.add,
    History.insert,
    History.commit,
    History.roll_back,
    History.forget,
)
OF_ROW: tuple[Callable[..., None], ...] = (
    History.assign, History.move, History.move_by_relationship, History.move_unread, History.rename, History.merge,
    History.update, History.move_in_core, History.delete, History.replace, History.undo,
)  # fmt: skip


def run(seeds: range) -> None:
    for seed in seeds:
        history = History(seed)
        for _ in range(40):
            history.step()
        history.check()
        history.session.close()
        history.engine.dispose()


def test_no_history_of_a_session_loses_a_text_or_leaves_it_to_another_row() -> None:
    run(range(20))


@pytest.mark.thorough
def test_no_long_list_of_histories_does() -> None:
    run(range(20, 400))
