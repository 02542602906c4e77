"""People who sit down at the wizard, each at a terminal of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import Deployment, copied_product, running_deployment, written_script
from tests.terminal.audience import Spectator, Stage
from tests.terminal.person import WIZARD, Person, PersonAtForked, with_own_home

Sit = Callable[..., Person]
Watch = Callable[..., Spectator]


@pytest.fixture
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with a fresh, empty cloud."""
    with running_deployment(tmp_path_factory.mktemp("deployment")) as made:
        yield with_own_home(made)


@pytest.fixture(scope="session")
def untouched_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A cloud that its tests share, for they leave the wizard before it makes anything."""
    with running_deployment(tmp_path_factory.mktemp("untouched")) as made:
        yield with_own_home(made)


@pytest.fixture
def untouched(untouched_cloud: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """That cloud, from a folder of the test's own: another's stacks and drafts would be offered in it."""
    folder = copied_product(tmp_path_factory.mktemp("deployment") / "project")
    (folder / "state").mkdir()
    path = f"{written_script(folder, folder.with_name('bin'))}{os.pathsep}{untouched_cloud.environment['PATH']}"
    return replace(untouched_cloud, folder=folder, environment=untouched_cloud.environment | {"PATH": path})


@pytest.fixture
def sit() -> Iterator[Sit]:
    """Start the wizard in a deployment, before a person."""
    people: list[Person] = []

    def down(
        deployment: Deployment,
        *arguments: str,
        command: Sequence[str] = WIZARD,
        folder: Path | None = None,
        without: Sequence[str] = (),
        columns: int = 80,
        rows: int = 24,
        **variables: str,
    ) -> Person:
        environment = deployment.environment | variables
        # A start of its own is the matter of test_exit_codes.py and test_ctrl_c.py.
        at_forked = sys.platform == "linux" and command == WIZARD and "PYTHONPATH" not in variables
        person = (PersonAtForked if at_forked else Person)(
            [*command, *arguments],
            folder=folder or deployment.folder,
            environment={name: value for name, value in environment.items() if name not in without},
            columns=columns,
            rows=rows,
        )
        people.append(person)
        return person

    yield down
    for person in people:
        person.kill()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """The program that plays the scenes, started once."""
    made = Stage()
    yield made
    made.close()


@pytest.fixture
def watch(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Have a scene played before a person; in a folder of its own, unless one is given."""
    people: list[Spectator] = []

    def down(scene: str, *arguments: str, folder: Path | None = None, **terminal: Any) -> Spectator:
        where = folder or tmp_path_factory.mktemp("scene")
        people.append(Spectator(stage, scene, folder=where, arguments=arguments, **terminal))
        return people[-1]

    yield down
    for person in people:
        person.kill()
