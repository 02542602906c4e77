"""A release says what it is: its files are the same wherever and whenever one commit is built.

Touches folders of its own, each a repository; starts the build backend, uv and npm.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.bootstrap import go
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine
from tools.bootstrap.places import HERE
from tools.bootstrap.running import Processes
from tools.release.__main__ import release
from tools.release.distributions import built_by_hatchling
from tools.release.source import FOLDERS, Refused, Source, notes, sections, snapshot_notes

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

COMMITTED = "2026-11-29T12:00:00+00:00"
CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.1.0] - 2026-12-01

### Added

- One more.

## [1.0.0] - 2026-11-26

- The first.

[1.0.0]: https://example.org/1.0.0
"""


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    # A person's own settings may sign commits, or leave files out.
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environment = os.environ | settings | {"GIT_COMMITTER_DATE": COMMITTED, "GIT_AUTHOR_DATE": COMMITTED}
    done = subprocess.run(
        ["git", *own, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def committed(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a commit")
    return folder


def as_version(project: Path, version: str) -> None:
    """What a person does before a release: raise the version, write the lock, name the changes in the changelog."""
    pyproject, lock, changelog = (project / name for name in ("pyproject.toml", "uv.lock", "CHANGELOG.md"))
    name, now = (Source(project=project).metadata()[key] for key in ("name", "version"))
    pyproject.write_text(pyproject.read_text().replace(f'version = "{now}"', f'version = "{version}"', 1))
    here = f'name = "{name}"\nversion = '
    lock.write_text(lock.read_text().replace(f'{here}"{now}"', f'{here}"{version}"'))
    heading = "## [Unreleased]\n"
    changelog.write_text(changelog.read_text().replace(heading, f"{heading}\n## [{version}] - 2026-12-01\n"))


@pytest.fixture(scope="module")
def uv() -> Path:
    machine = Machine(
        places=HERE,
        environment=os.environ,
        run=Processes(logs=HERE.logs, alive=lambda seconds, line: None),
        say=lambda line: None,
    )
    return Installer(machine).program


MADE = shutil.ignore_patterns(
    ".git", ".venv", ".cache", ".*_cache", ".artefacts", ".hypothesis", ".sandbox*", ".wizard", "__pycache__", "dist"
)
"""What is in a checkout and in no commit. It is left out by name: not every checkout that is tested is a repository."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Two repositories of one commit, with a complete changelog: in other folders, with other times and modes."""
    folders = tmp_path_factory.mktemp("first") / "one", tmp_path_factory.mktemp("a second") / "with a longer name"
    for folder, umask in zip(folders, (0o022, 0o077), strict=True):
        shutil.copytree(HERE.project, folder, ignore=MADE)
        as_version(folder, "9.0.0")
        for file in folder.rglob("*"):
            file.chmod(file.stat().st_mode & ~umask)
            os.utime(file, (umask, umask))
        committed(folder)
    yield folders
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def built(two: tuple[Path, Path], uv: Path) -> tuple[Path, Path]:
    """`dist/` of both, each by its own code, under another umask, zone and order of hashes."""
    for folder, umask, zone, seed in zip(two, (0o022, 0o077), ("UTC", "Asia/Tokyo"), ("1", "2"), strict=True):
        subprocess.run(
            [sys.executable, "-m", "tools.release"],
            cwd=folder,
            env=os.environ | {"PATH": f"{uv.parent}:{os.environ['PATH']}", "TZ": zone, "PYTHONHASHSEED": seed},
            umask=umask,
            check=True,
        )
    return two[0] / "dist", two[1] / "dist"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.thorough
def test_two_builds_of_one_commit_are_equal_byte_for_byte(built: tuple[Path, Path]):
    first, second = map(contents, built)
    assert {name for name in {*first, *second} if first.get(name) != second.get(name)} == set()


@pytest.mark.thorough
def test_a_release_has_a_wheel_and_a_source_distribution_of_each_package(built: tuple[Path, Path]):
    packages = [name for name in FOLDERS if built_by_hatchling(HERE.project / name)]
    assert "packages/phi" in packages
    names = list(contents(built[0]))
    assert [sum(name.endswith(ending) for name in names) for ending in (".whl", ".tar.gz")] == [len(packages)] * 2
    assert sorted(name for name in names if not name.endswith((".whl", ".tar.gz"))) == [
        "SHA256SUMS",
        "eonpro-kms-9.0.0.cdx.json",
        "eonpro-kms-9.0.0.notes.md",
        "eonpro-phi-0.2.0.tgz",
    ]


@pytest.mark.thorough
def test_the_wheel_names_the_commit_that_it_was_built_from(two: tuple[Path, Path], built: tuple[Path, Path]):
    """By it `init` knows that the wheel of a release is the program that was taken from the repository."""
    with zipfile.ZipFile(next(built[0].glob("eonpro_kms-*.whl"))) as wheel:
        assert wheel.read("eonpro_kms/commit").decode() == git(two[0], "rev-parse", "HEAD")


@pytest.mark.thorough
def test_the_checksums_are_those_of_every_other_file(built: tuple[Path, Path]):
    files = contents(built[0])
    lines = files.pop("SHA256SUMS").decode().splitlines()
    assert lines == [f"{hashlib.sha256(files[name]).hexdigest()}  {name}" for name in sorted(files)]


@pytest.mark.thorough
def test_every_time_in_a_release_is_that_of_its_commit(built: tuple[Path, Path]):
    committed_at = datetime.fromisoformat(COMMITTED)
    for wheel in built[0].glob("*.whl"):
        assert {each.date_time for each in zipfile.ZipFile(wheel).infolist()} == {committed_at.timetuple()[:6]}
    for archive in built[0].glob("*.tar.gz"):
        with tarfile.open(archive) as opened:
            assert {each.mtime for each in opened} == {committed_at.timestamp()}
            assert {(each.uid, each.gid, each.uname) for each in opened} == {(0, 0, "")}


@pytest.mark.thorough
def test_the_bill_of_materials_names_what_the_lock_has_for_an_installation_with_its_hashes(built: tuple[Path, Path]):
    document = json.loads(next(built[0].glob("*.cdx.json")).read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert document["metadata"]["component"]["version"] == "9.0.0"
    assert document["metadata"]["timestamp"] == datetime.fromisoformat(COMMITTED).astimezone(UTC).strftime("%FT%TZ")
    pinned = {
        line.split("==")[0].partition("[")[0]
        for line in (HERE.project / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    named = {component["name"]: component for component in document["components"]}
    assert pinned <= set(named) and not {"pytest", "mypy", "awscli"} & set(named)
    assert [name for name in pinned if not named[name]["externalReferences"][0]["hashes"]] == []


@pytest.mark.thorough
def test_the_distributions_hold_nothing_of_the_machine(built: tuple[Path, Path], two: tuple[Path, Path]):
    for name, octets in contents(built[0]).items():
        for folder in (*two, HERE.project, Path.home()):
            assert str(folder).encode() not in octets, name


# What is refused.


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the files that are looked at before anything is built."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "one"\nversion = "1.1.0"\n')
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "one"\nversion = "1.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "packages" / "phi").mkdir(parents=True)
    (tmp_path / "packages" / "phi" / "pyproject.toml").write_text('[project]\nname = "two"\nversion = "0.1.0"\n')
    return committed(tmp_path)


def refused(project: Path) -> str:
    """Why nothing is built; an earlier release is where it was."""
    (project / ".git" / "info" / "exclude").write_text("dist\n")
    (project / "dist").mkdir()
    (project / "dist" / "earlier").touch()
    with pytest.raises(Refused) as caught:
        release(Source(project=project), project / "dist", Path("/no/uv"))
    assert [file.name for file in (project / "dist").iterdir()] == ["earlier"]
    return str(caught.value)


@pytest.mark.parametrize("change", ["changed", "added", "staged", "removed"])
def test_a_tree_that_is_no_commit_is_refused_and_its_files_are_named(project: Path, change: str):
    file = project / ("new.py" if change in ("added", "staged") else "CHANGELOG.md")
    file.unlink() if change == "removed" else file.write_text(CHANGELOG + "\n")
    if change == "staged":
        git(project, "add", "new.py")
    assert file.name in refused(project)


def test_a_version_that_the_changelog_does_not_have_is_refused_with_the_heading_it_needs(project: Path):
    for name in ("pyproject.toml", "uv.lock"):
        (project / name).write_text((project / name).read_text().replace("1.1.0", "1.2.0"))
    committed(project)
    assert "`## [1.2.0] - DATE`" in refused(project)


def test_a_lock_of_another_version_is_refused_for_the_bill_of_materials_is_made_from_it(project: Path):
    (project / "pyproject.toml").write_text((project / "pyproject.toml").read_text().replace("1.1.0", "1.2.0"))
    committed(project)
    assert "uv.lock has one 1.1.0, and pyproject.toml 1.2.0" in refused(project)


def test_a_version_of_an_earlier_commit_is_refused(project: Path):
    git(project, "tag", "v1.1.0")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "more")
    assert "v1.1.0 is the commit" in refused(project)


@pytest.mark.parametrize(("folder", "name"), [("phi", "pyproject.toml"), ("phi-node", "package.json")])
def test_another_package_with_other_code_under_the_same_version_is_refused(project: Path, folder: str, name: str):
    package = project / "packages" / folder / name
    if name.endswith(".json"):
        package.parent.mkdir()
        package.write_text('{"name": "two", "version": "0.1.0"}')
        committed(project)
    git(project, "tag", "v1.0.9")
    package.with_name("new").touch()
    committed(project)
    assert f"packages/{folder}/ has changed since v1.0.9, and two is 0.1.0 as it was then" in refused(project)
    package.write_text(package.read_text().replace("0.1.0", "0.2.0"))
    committed(project)
    git(project, "tag", "v1.1.0")
    Source(project=project).check()


@pytest.mark.parametrize(
    ("version", "advice"),
    [("1.1.0", "1.1.0 has its section already: raise the version"), ("1.2.0", "`## \\[1.2.0\\] - DATE` above them")],
)
def test_changes_without_a_version_are_refused_with_what_is_to_be_done(version: str, advice: str):
    with pytest.raises(Refused, match=f"under \\[Unreleased\\].*{advice}"):
        notes(CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n- Not yet.\n"), version)


def test_a_folder_that_is_no_repository_is_refused_in_gits_words(tmp_path: Path):
    with pytest.raises(Refused, match="`git status` says: fatal: not a git repository"):
        Source(project=tmp_path).check()


def test_a_section_without_a_date_is_none():
    with pytest.raises(Refused, match="says nothing of 1.1.0"):
        notes(CHANGELOG.replace(" - 2026-12-01", ""), "1.1.0")


def test_the_notes_are_the_section_of_the_version_and_nothing_of_the_next():
    assert notes(CHANGELOG, "1.1.0") == "### Added\n\n- One more.\n"
    assert notes(CHANGELOG, "1.0.0") == "- The first.\n"


def test_this_projects_changelog_has_sections_that_can_be_cut():
    found = sections((HERE.project / "CHANGELOG.md").read_text())
    assert list(found)[:1] == ["Unreleased"] and "1.0.0" in found


def test_a_snapshot_takes_the_tree_as_it_is_and_says_that_it_is_none_to_publish(project: Path, tmp_path: Path):
    (project / "new.py").write_text("one = 1\n")
    (project / "CHANGELOG.md").unlink()
    copy = tmp_path / "copy"
    copy.mkdir()
    Source(project=project, snapshot=True).export(copy)
    assert sorted(file.name for file in copy.iterdir()) == ["new.py", "packages", "pyproject.toml", "uv.lock"]
    assert snapshot_notes(CHANGELOG, "1.1.0").startswith("A snapshot of the work on 1.1.0: do not publish it.")


# How it is published.


def test_the_workflow_that_publishes_is_sound_and_pins_what_it_uses():
    file = HERE.project / ".github" / "workflows" / "release.yml"
    workflow = file.read_text()
    command = [go.actionlint(HERE), "-shellcheck=", "-pyflakes=", "-no-color", file]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    used = re.findall(r"uses: (\S+)", workflow)
    assert used and [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []
    build, publish = workflow.split("  publish:")
    assert "make release" in build and "id-token" not in build
    assert "make" not in publish and "environment: pypi" in publish
