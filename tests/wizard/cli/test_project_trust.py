"""Which project is executed: one's own, that no other user can write to, and that was allowed as it is."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from components import installation
from tests.wizard.terminal.terminals import plain_lines
from wizard.cli import init, project_trust
from wizard.cli.project_trust import record, require
from wizard.core.errors import Cancelled, SetupError, UsageError
from wizard.terminal.terminal import Terminal

REQUIREMENTS = f"eonpro-kms==1.0.0 \\\n    --hash=sha256:{'0' * 64}\n"
SILENT = Terminal(interactive=False, out=io.StringIO())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing was allowed."""
    for name in (project_trust.VARIABLE, "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def project(home: Path, tmp_path: Path) -> Path:
    """A project that somebody cloned, with an environment."""
    folder = tmp_path / "project"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Pulumi.yaml", "__main__.py"):
        (folder / name).write_bytes((init.TEMPLATE / name).read_bytes())
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    (folder / ".venv" / "bin" / "eonpro-kms").touch()
    return folder


def refusal(project: Path) -> UsageError:
    with pytest.raises(UsageError) as refused:
        require(project, SILENT)
    return refused.value


# --- what was not allowed


def test_without_a_terminal_a_new_project_is_refused_with_the_one_command_that_allows_it(project: Path) -> None:
    refused = refusal(project)
    assert "it is new on this machine" in refused.message and "requirements.txt" in refused.message
    assert refused.hint == f"python -m wizard init --trust {project}"
    record(project)
    require(project, SILENT)


def test_a_person_is_asked_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with plain_lines(monkeypatch) as typed:
        terminal, said = typed("y\n")
        require(project, terminal)
        assert str(project) in said.getvalue() and "with your credentials" in " ".join(said.getvalue().split())
        require(project, SILENT)


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_whoever_does_not_say_yes_executes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    with plain_lines(monkeypatch) as typed, pytest.raises(Cancelled):
        require(project, typed(answer)[0])
    assert "new on this machine" in refusal(project).message


@pytest.mark.parametrize("name", ["Pulumi.yaml", "__main__.py", "requirements.txt"])
def test_what_changed_is_asked_about_again_by_name(project: Path, name: str) -> None:
    record(project)
    before = (project / name).read_text()
    (project / name).write_text(f"{before}# changed\n")
    assert f"{project} is executed: {name} changed since you allowed it" in refusal(project).message
    # What was allowed once is allowed.
    (project / name).write_text(before)
    require(project, SILENT)


@pytest.mark.parametrize(
    "name", ["eonpro_kms.py", "json.py", "pulumi/__init__.py", "google/protobuf/__init__.py", "yaml.abi3.so"]
)
def test_a_module_that_python_would_import_from_the_folder_is_part_of_it(project: Path, name: str) -> None:
    record(project)
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("print('executed')\n")
    assert "changed since you allowed it" in refusal(project).message


def test_other_files_of_the_folder_change_nothing(project: Path) -> None:
    record(project)
    for name in ("Pulumi.production.yaml", "README.md", "reviews/2026.json", ".venv/lib/x.py", "not-a-package/x.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("changed")
    require(project, SILENT)


def test_byte_code_that_came_with_the_folder_is_not_executed_in_place_of_the_source(project: Path) -> None:
    record(project)
    for folder in (project, project / "package"):
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "__main__.cpython-311.pyc").write_bytes(b"whatever")
    (project / "package" / "__init__.py").touch()
    record(project)
    require(project, SILENT)
    assert list(project.rglob("*.pyc")) == []


def test_a_look_at_who_owns_a_folder_changes_nothing_in_it(project: Path) -> None:
    (project / "package" / "__pycache__").mkdir(parents=True)
    (project / "package" / "__init__.py").touch()
    (project / "package" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"whatever")
    before = sorted(project.rglob("*"))
    project_trust.check_owner(project)
    assert sorted(project.rglob("*")) == before


def test_another_folder_with_the_same_files_is_another_project(project: Path, tmp_path: Path) -> None:
    record(project)
    project.rename(tmp_path / "elsewhere")
    assert "new on this machine" in refusal(tmp_path / "elsewhere").message


def test_what_was_allowed_is_kept_where_nobody_else_reads_it(project: Path, home: Path) -> None:
    record(project)
    (file,) = (home / ".local/state/eonpro-kms/trusted").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_where_it_cannot_be_remembered_the_reason_is_said(project: Path, home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(SetupError, match="cannot be remembered") as refused:
        record(project)
    assert project_trust.VARIABLE in refused.value.hint


# --- what is refused, whoever allows it


@pytest.mark.parametrize("line", ["--index-url https://example.org", "evil==1", "-r other.txt", "evil @ file:///evil"])
def test_requirements_of_another_index_or_without_hashes_are_refused(project: Path, line: str) -> None:
    (project / "requirements.txt").write_text(f"{REQUIREMENTS}{line}\n")
    assert (
        f"requirements.txt has in line 3 what is not a package with its hashes on the lines below: {line}"
        in refusal(project).message
    )
    with pytest.raises(UsageError):
        record(project)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("name: eonpro-kms", "name: eonpro-kms\nmain: ../elsewhere", "has the key main"),
        ("name: eonpro-kms", "name: eonpro-kms\nplugins: {providers: [{name: aws, path: bin}]}", "has the key plugins"),
        ("name: eonpro-kms", "name: eonpro-kms\npackages: {aws: ./sdks}", "has the key packages"),
        ("virtualenv: .venv", "virtualenv: ../elsewhere", "has another runtime"),
        ("virtualenv: .venv", "virtualenv: .venv\n    typechecker: mypy", "has another runtime"),
        ("toolchain: pip", "toolchain: uv", "has another runtime"),
        ("name: python", "name: nodejs", "has another runtime"),
        ("name: eonpro-kms", "name: [", "is not YAML"),
    ],
)
def test_a_project_file_that_names_another_program_is_refused(
    project: Path, before: str, after: str, said: str
) -> None:
    file = project / "Pulumi.yaml"
    file.write_text(file.read_text().replace(before, after, 1))
    assert f"{file} {said}" in refusal(project).message


def test_a_project_file_may_say_where_the_state_is(project: Path) -> None:
    file = project / "Pulumi.yaml"
    file.write_text(f"{file.read_text()}backend:\n  url: s3://bucket\nconfig: {{}}\n")
    record(project)


@pytest.mark.parametrize("name", ["Pulumi.json", "Pulumi.yml"])
def test_a_file_that_pulumi_reads_before_the_projects_own_is_refused(project: Path, name: str) -> None:
    (project / name).write_text("{}")
    assert name in refusal(project).message


# --- whose the folder is


def test_the_project_of_another_user_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(project)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert f"{project} belongs to" in refusal(project).message


PACKAGES = ".venv/lib/python3.11/site-packages"
WRITABLE = (
    *(".", "Pulumi.yaml", "__main__.py", "requirements.txt", ".venv", ".venv/bin", ".venv/bin/eonpro-kms"),
    *(PACKAGES, f"{PACKAGES}/theirs.pth", "module.py", "package", "package/inner", "package/inner/module.py"),
)


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_what_other_users_can_write_to_is_refused_until_they_cannot(project: Path, name: str, mode: int) -> None:
    path = project / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix in (".py", ".pth") else path.mkdir()
    if name.startswith("package"):
        (project / "package" / "inner").mkdir(exist_ok=True)
        (project / "package" / "inner" / "module.py").touch()
    record(project)
    path.chmod(mode)
    refused = refusal(project)
    assert f"other users can write to {path}" in refused.message and refused.hint == f"chmod go-w {path}"
    path.chmod(mode & 0o755)
    require(project, SILENT)


def test_below_a_folder_in_which_others_can_put_another_one_in_its_place_nothing_is_executed(
    project: Path, tmp_path: Path
) -> None:
    record(project)
    tmp_path.chmod(0o777)
    assert f"{tmp_path} can be changed by other users" in refusal(project).message
    tmp_path.chmod(0o1777)
    require(project, SILENT)
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        assert f"{tmp_path} can be changed by " in refusal(project).message


def test_a_group_of_this_user_alone_is_nobody_else(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(project)
    project.chmod(0o775)
    for is_own in (True, False):
        monkeypatch.setattr(project_trust, "_is_own_group", lambda number, is_own=is_own: is_own)
        if is_own:
            require(project, SILENT)
    assert "other users can write" in refusal(project).message


def test_the_folder_that_the_environment_names_is_trusted_as_it_is(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of a CI job, which may be another user's and writable by everybody."""
    project.chmod(0o777)
    monkeypatch.setenv(project_trust.VARIABLE, str(project))
    require(project, SILENT)
    # What only reads its settings asks for no more.
    project_trust.check_owner(project)
    monkeypatch.setenv(project_trust.VARIABLE, str(tmp_path))
    assert "other users can write" in refusal(project).message
    for empty in ("", "/"):
        monkeypatch.setenv(project_trust.VARIABLE, empty)
        assert "other users can write" in refusal(project).message


# --- where a project is looked for


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    monkeypatch.setattr(sys, "prefix", "/usr")


def found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    return installation._project()


def test_a_project_is_looked_for_up_to_the_root_of_the_repository_and_up_to_the_home(
    project: Path, home: Path, installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(project / "a" / "b", monkeypatch) == str(project)
    (project / ".git").mkdir()
    assert found(project / "a" / "b", monkeypatch) == str(project)
    (project / "a" / ".git").write_text("gitdir: elsewhere\n")
    assert found(project / "a" / "b", monkeypatch) == str(project / "a" / "b")
    monkeypatch.setenv("HOME", str(project / "c"))
    assert found(project / "c" / "d", monkeypatch) == str(project / "c" / "d")
    monkeypatch.setenv("HOME", str(project))
    assert found(project / "c" / "d", monkeypatch) == str(project)


@pytest.mark.parametrize("name", ["requirements.txt", "Pulumi.yaml"])
def test_of_a_file_in_conflict_one_side_is_taken(project: Path, name: str) -> None:
    """Git says of `checkout -- FILE` that its path is unmerged."""
    record(project)
    (project / ".git").mkdir()
    text = (project / name).read_text()
    (project / name).write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> newer\n")
    refused = refusal(project)
    assert refused.message == f"{project / name} has a merge conflict in line 1"
    assert refused.hint == f"git -C {project} checkout --ours -- {name}"


def test_who_never_allowed_a_project_is_told_no_command_that_starts_its_programs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that came in an archive has hooks, which git runs."""
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    (project / ".git").mkdir()
    (project / "requirements.txt").write_text("eonpro-kms\n")
    assert "git" not in refusal(project).hint
    (project / "requirements.txt").write_text(REQUIREMENTS)
    record(project)
    (project / "requirements.txt").write_text("eonpro-kms\n")
    assert refusal(project).hint == f"git -C {project} checkout -- requirements.txt"


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_a_project_file_without_end_is_none_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "Pulumi.yaml"
    if kind == "a pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    assert not installation.is_project(str(tmp_path))


def test_byte_code_outside_the_project_to_which_a_link_leads_stays(project: Path, tmp_path: Path) -> None:
    own = tmp_path / "elsewhere" / "__pycache__" / "notes.txt"
    own.parent.mkdir(parents=True)
    own.touch()
    (tmp_path / "elsewhere" / "module.py").touch()
    (project / "link").symlink_to(tmp_path / "elsewhere")
    refusal(project)
    assert own.exists()
