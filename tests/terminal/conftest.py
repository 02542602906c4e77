"""People who sit down at the wizard, each at a terminal of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.onboarding.clinic import Clinic, running_clinic
from tests.terminal.person import WIZARD, Person, at_home

Sit = Callable[..., Person]


@pytest.fixture
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic with a fresh, empty cloud."""
    with running_clinic(tmp_path_factory.mktemp("clinic")) as made:
        yield at_home(made)


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic that its tests share, for they leave the wizard before it makes anything."""
    with running_clinic(tmp_path_factory.mktemp("untouched")) as made:
        yield at_home(made)


@pytest.fixture
def sit() -> Iterator[Sit]:
    """Start the wizard in a clinic, before a person."""
    people: list[Person] = []

    def down(
        clinic: Clinic,
        *arguments: str,
        command: Sequence[str] = WIZARD,
        folder: Path | None = None,
        without: Sequence[str] = (),
        columns: int = 80,
        rows: int = 24,
        **variables: str,
    ) -> Person:
        environment = clinic.environment | variables
        person = Person(
            [*command, *arguments],
            folder=folder or clinic.folder,
            environment={name: value for name, value in environment.items() if name not in without},
            columns=columns,
            rows=rows,
        )
        people.append(person)
        return person

    yield down
    for person in people:
        person.kill()
