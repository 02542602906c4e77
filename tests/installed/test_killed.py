"""`init` and the upgrade of a project, killed at seeded times: what is called `.venv` is whole, always.

Builds two wheels, serves them, installs each beside the project, and kills what installs them into it: the program with
its installer, or the program alone, whose installer then goes on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installed import customer
from tests.installed.customer import Person
from wizard import version

# tests/wizard/cli/test_virtual_environment.py kills the installation of small packages.
pytestmark = pytest.mark.thorough

NEXT = "7.0.0"
UPGRADE = "import eonpro_kms, pathlib; from wizard.cli import project_environment as p; p.upgrade(pathlib.Path.cwd())"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody who has both versions, each in an environment of its own."""
    root = tmp_path_factory.mktemp("killed")
    changes = {"pyproject.toml": (f'version = "{version()}"', f'version = "{NEXT}"')}
    wheels = [
        customer.build(customer.copy(root / name, each), root / f"wheel-{name}")
        for name, each in (("this", {}), ("next", changes))
    ]
    with customer.served(wheels, root / "index") as index:
        newcomer = customer.newcomer(root, index)
        for each in (version(), NEXT):
            environment = newcomer.folder.parent / each
            newcomer.types("uv", "venv", "--quiet", str(environment))
            python = str(environment / "bin" / "python")
            newcomer.types("uv", "pip", "install", "--quiet", "--python", python, f"eonpro-kms=={each}")
        yield newcomer


def tool(person: Person, each: str, name: str) -> str:
    return str(person.folder.parent / each / "bin" / name)


def installed(environment: Path) -> dict[str, int]:
    """The size of each file of an environment's packages by name, without byte code and programs."""
    (packages,) = environment.glob("lib/python3.*/site-packages")
    return {
        str(path.relative_to(packages)): path.stat().st_size
        for path in packages.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not path.name.startswith("_virtualenv")
        # They say which installer wrote them, and for whom.
        and path.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
    }


def check_whole(person: Person, folder: Path, *versions: str) -> None:
    """The project's environment has every file of one of these versions, and its program runs."""
    found = installed(folder / ".venv")
    (each,) = (each for each in versions if f"eonpro_kms-{each}.dist-info/METADATA" in found)
    expected = installed(person.folder.parent / each)
    assert {name for name in expected if found.get(name) != expected[name]} == set()
    assert person.at(folder).types(str(folder / ".venv/bin/eonpro-kms"), "--version") == f"eonpro-kms {each}\n"


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A project that was made, and upgraded, without being killed; the seconds that each took."""

    folder: Path
    init_seconds: float
    upgrade_seconds: float


@pytest.fixture(scope="module")
def undisturbed(person: Person) -> Undisturbed:
    (folder := person.folder.parent / "undisturbed").mkdir()
    times = [time.monotonic()]
    for words in (init(person), upgrade(person)):
        person.at(folder).types(*words)
        times.append(time.monotonic())
    check_whole(person, folder, NEXT)
    return Undisturbed(folder=folder, init_seconds=times[1] - times[0], upgrade_seconds=times[2] - times[1])


def init(person: Person) -> tuple[str, ...]:
    return (tool(person, version(), "eonpro-kms"), "init")


def upgrade(person: Person) -> tuple[str, ...]:
    return (tool(person, NEXT, "python"), "-c", UPGRADE)


def kill(person: Person, folder: Path, words: tuple[str, ...], *, after: float, alone: bool) -> None:
    """Start a command, and kill it after these seconds: `alone`, or with the installer that it started."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=dict(person.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=after)
    with suppress(ProcessLookupError):
        if alone:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def check_rest(undisturbed: Undisturbed, folder: Path) -> None:
    """The project has the files of one that was not disturbed, and nothing is left of an installation."""
    names = [
        {str(path.relative_to(each)) for path in each.rglob("*") if ".venv" not in path.parts and path.is_file()}
        for each in (undisturbed.folder, folder)
    ]
    assert names[0] == names[1]
    assert [path.name for path in (folder / ".cache").iterdir()] == ["environment.lock"]


@pytest.mark.parametrize("number", range(6))
def test_an_init_that_was_killed_leaves_no_environment_or_a_whole_one_and_the_next_finishes_it(
    person: Person, undisturbed: Undisturbed, tmp_path: Path, number: int
) -> None:
    chance = random.Random(f"init {number}")
    after = chance.uniform(0, undisturbed.init_seconds)
    kill(person, tmp_path, init(person), after=after, alone=chance.random() < 0.3)
    if (tmp_path / ".venv").exists():
        check_whole(person, tmp_path, version())
    person.at(tmp_path).types(*init(person))
    check_whole(person, tmp_path, version())
    check_rest(undisturbed, tmp_path)


@pytest.mark.parametrize("number", range(6))
def test_an_upgrade_that_was_killed_leaves_the_old_environment_until_the_new_one_is_whole(
    person: Person, undisturbed: Undisturbed, tmp_path: Path, number: int
) -> None:
    chance = random.Random(f"upgrade {number}")
    person.at(tmp_path).types(*init(person))
    after = chance.uniform(0, undisturbed.upgrade_seconds)
    kill(person, tmp_path, upgrade(person), after=after, alone=chance.random() < 0.3)
    if (tmp_path / ".venv").exists():
        check_whole(person, tmp_path, version(), NEXT)
    person.at(tmp_path).types(*init(person))
    pinned = NEXT if f"eonpro-kms=={NEXT}" in (tmp_path / "requirements.txt").read_text() else version()
    check_whole(person, tmp_path, pinned)
    person.at(tmp_path).types(*upgrade(person))
    check_whole(person, tmp_path, NEXT)
    check_rest(undisturbed, tmp_path)
