"""Which program runs a command in a customer's project, what a newer one says, and what an older one refuses.

The environments are folders with the names that an installer gives; nothing is installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wizard.cli import init, project_environment, project_trust
from wizard.cli.project_environment import (
    INSTALLED_FOR,
    changes_since,
    check_version,
    is_newer,
    pinned,
    program_of,
)
from wizard.core.errors import UsageError

OWN = "1.5.0"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of this version, without an environment; the installer writes down what it is asked."""
    monkeypatch.setattr(project_environment, "version", lambda: OWN)
    monkeypatch.delenv(INSTALLED_FOR, raising=False)
    # It is set in the process that becomes the other program.
    monkeypatch.setenv(INSTALLED_FOR, "")
    pin(tmp_path, OWN)
    monkeypatch.setattr(project_environment, "install", lambda folder, _: has(folder, pinned(folder)))
    return tmp_path


def pin(project: Path, version: str) -> None:
    (project / "requirements.txt").write_text(f"# all of it\neonpro-kms=={version} \\\n    --hash=sha256:00\n")


def has(project: Path, version: str) -> None:
    """The environment has this version."""
    (project / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("eonpro-kms", "python"):
        (project / ".venv" / "bin" / name).unlink(missing_ok=True)
        (project / ".venv" / "bin" / name).touch()
    packages = project / ".venv" / "lib" / "python3.11" / "site-packages"
    for earlier in packages.glob("eonpro_kms-*"):
        earlier.rmdir()
    (packages / f"eonpro_kms-{version}.dist-info").mkdir(parents=True)
    project_trust.record_environment(project)


def runs_in_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(project / ".venv"))


def taken(project: Path, command: str = "status") -> tuple[Path | None, list[str]]:
    said: list[str] = []
    return program_of(project, command, said.append), said


@pytest.mark.parametrize("command", ["status", "setup", "preview"])
@pytest.mark.parametrize("version", ["1.4.9", OWN, "2.0.0"])
def test_the_environment_of_the_project_runs_what_requirements_says(project: Path, command: str, version: str):
    pin(project, version)
    has(project, version)
    shows_an_upgrade = version == "1.4.9" and command != "status"
    assert taken(project, command) == (None if shows_an_upgrade else project / ".venv/bin/eonpro-kms", [])


def test_an_environment_with_a_file_that_came_by_a_pull_is_made_anew(project: Path):
    """`git add --force .venv/bin/eonpro-kms`: git replaces an ignored file without a word."""
    has(project, OWN)
    program = project / ".venv/bin/eonpro-kms"
    program.unlink()
    program.write_text("#!/bin/sh\necho theirs\n")
    found, said = taken(project)
    assert found == program and len(said) == 1 and "theirs" not in program.read_text()


@pytest.mark.parametrize("before", ["", "1.0.0", "9.0.0"])
def test_an_environment_of_another_version_is_made_anew(project: Path, before: str):
    if before:
        has(project, before)
    program, said = taken(project)
    assert program == project / ".venv/bin/eonpro-kms" and len(said) == 1 and OWN in said[0]
    assert project_environment.installed(project) == OWN


def test_an_environment_whose_python_is_gone_is_made_anew(project: Path):
    has(project, OWN)
    (project / ".venv" / "bin" / "python").unlink()
    (project / ".venv" / "bin" / "python").symlink_to(project / "removed" / "python3.11")
    program, said = taken(project)
    assert program == project / ".venv" / "bin" / "eonpro-kms" and len(said) == 1
    assert (project / ".venv" / "bin" / "python").exists()


@pytest.mark.parametrize("command", ["status", "setup"])
def test_in_its_own_environment_it_runs_itself(project: Path, monkeypatch: pytest.MonkeyPatch, command: str):
    has(project, OWN)
    runs_in_it(project, monkeypatch)
    assert taken(project, command) == (None, [])


def test_a_changed_line_of_requirements_is_installed_once(project: Path, monkeypatch: pytest.MonkeyPatch):
    has(project, OWN)
    runs_in_it(project, monkeypatch)
    pin(project, "1.6.0")
    program, said = taken(project)
    assert program == project / ".venv/bin/eonpro-kms" and len(said) == 1
    # The program that was started is of the version that it calls 1.6: it does not start itself for ever.
    monkeypatch.setattr(project_environment, "version", lambda: "1.6")
    assert taken(project) == (None, [])


def test_a_project_without_a_version_says_how_to_get_it_back(project: Path):
    (project / "requirements.txt").write_text("boto3==1.44.8\n")
    with pytest.raises(UsageError, match="does not name a version of eonpro-kms") as refused:
        taken(project)
    file = project / "requirements.txt"
    assert refused.value.hint == f"mv {file} {file}.old && python -m wizard init {project}"
    (project / ".git").mkdir()
    with pytest.raises(UsageError) as refused:
        taken(project)
    assert refused.value.hint == f"git -C {project} checkout -- requirements.txt"
    (project / "requirements.txt").unlink()
    with pytest.raises(UsageError) as refused:
        taken(project)
    assert refused.value.hint.endswith(f"wizard init {project}")


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        ("1.10.0", "1.9.0", True),
        ("1.0.0", "1.0", False),
        ("2.0.0rc1", "2.0.0", False),
        ("2.0.0", "2.0.0rc1", True),
        ("x", "1", False),
    ],
)
def test_versions_are_compared_as_python_does(one: str, other: str, newer: bool):
    assert is_newer(one, other) is newer


@pytest.mark.parametrize("applied", ["", OWN, "1.0.0", "1.4.9"])
def test_a_stack_of_this_or_an_earlier_version_is_no_obstacle(project: Path, applied: str):
    check_version(applied)


def test_a_stack_of_a_later_version_is_refused(project: Path):
    with pytest.raises(UsageError, match=r"updated by eonpro-kms 1\.6\.0; this is 1\.5\.0"):
        check_version("1.6.0")


CHANGES = """# Changelog

## [Unreleased]

### Upgrade

- Not yet.

## [1.6.0] - 2030-03-01

### Upgrade

- Later than this version.

## [1.5.0] - 2030-02-01

### Added

- An option.

### Upgrade

- Logs move later:
  reviews look back further.
- A second topic.

## [1.4.0] - 2030-01-01

### Fixed

- A word.

## [1.2.0] - 2029-01-01

### Upgrade

- Long there.
"""


@pytest.mark.parametrize(
    ("applied", "notes"),
    [
        ("1.5.0", []),
        ("1.4.0", ["1.5.0: Logs move later: reviews look back further.", "1.5.0: A second topic."]),
        ("1.2.0", ["1.5.0: Logs move later: reviews look back further.", "1.5.0: A second topic."]),
        (
            "",
            [
                "1.5.0: Logs move later: reviews look back further.",
                "1.5.0: A second topic.",
                "1.2.0: Long there.",
            ],
        ),
    ],
)
def test_what_the_versions_between_change_in_a_stack_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, applied: str, notes: list[str]
):
    (project / "CHANGELOG.md").write_text(CHANGES)
    monkeypatch.setattr(project_environment, "SOURCE_FOLDER", project)
    said = changes_since(applied)
    assert list(said[1:]) == notes
    assert bool(said) == bool(notes)
    if said:
        assert said[0] == f"the last update was made by eonpro-kms {applied or '1.0.0'}; this is 1.5.0"


def test_a_folder_with_hidden_files_alone_is_empty(tmp_path: Path):
    (tmp_path / ".sandbox").mkdir()
    assert init.is_empty(tmp_path)
    (tmp_path / "package.json").touch()
    assert not init.is_empty(tmp_path) and not init.is_empty(tmp_path / "package.json")
