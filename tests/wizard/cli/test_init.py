"""A project that is made: as a whole or not at all; one whose name was changed is told, and no other is made in it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from components import installation
from wizard.cli import init, main, pins, project_environment
from wizard.core import files
from wizard.core.errors import SetupError, UsageError

REQUIREMENTS = f"eonpro-kms==1.0.0 \\\n    --hash=sha256:{'0' * 64}\n".encode()


class Refused(SetupError):
    """The index, or the installer, does not answer."""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of the wheel, which no project has been allowed to."""
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(pins, "requirements", lambda: REQUIREMENTS)
    monkeypatch.setattr(project_environment, "install", lambda folder: None)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refuse(*given: object) -> bytes:
    raise Refused("no network", "run the same command again")


@pytest.mark.parametrize(("module", "step"), [(pins, "requirements"), (project_environment, "install")])
def test_a_first_run_that_fails_leaves_no_half_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str
):
    folder = tmp_path / "project"
    (folder / "reviews").mkdir(parents=True)
    (folder / "README.md").write_text("ours")
    monkeypatch.setattr(module, step, refuse)
    with pytest.raises(Refused):
        init.make(folder)
    assert names(folder) == ["README.md", "reviews"]


def test_what_another_run_wrote_in_the_meantime_is_not_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, create = tmp_path / "project", files.create

    def beaten(path: Path, content: bytes, *, private: bool = True) -> bool:
        if path.name == "Pulumi.yaml":
            path.write_bytes(content)
        return create(path, content, private=private)

    monkeypatch.setattr(files, "create", beaten)
    monkeypatch.setattr(project_environment, "install", refuse)
    with pytest.raises(Refused):
        init.make(folder)
    assert names(folder) == ["Pulumi.yaml"]


def test_after_one_that_failed_the_same_command_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "project"
    with monkeypatch.context() as failing, pytest.raises(Refused):
        failing.setattr(project_environment, "install", refuse)
        init.make(folder)
    written, present = init.make(folder)
    assert "requirements.txt" in written and "Pulumi.yaml" in written and present == ()


@pytest.mark.parametrize("place", ["nowhere", "a file/project", "/proc/1/project"])
def test_where_no_folder_can_be_made_the_reason_is_said(tmp_path: Path, place: str):
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "a file").write_text("")
    with pytest.raises(UsageError, match="no project can be made in|cannot be read"):
        init.make(tmp_path / place)


def test_no_project_is_made_where_it_would_not_be_executed(tmp_path: Path):
    """In a folder that everybody writes to, another one can be put in its place."""
    tmp_path.chmod(0o777)
    with pytest.raises(UsageError, match=f"{tmp_path} can be changed by other users"):
        init.make(tmp_path / "project")
    assert names(tmp_path) == []


def test_names_that_somebody_else_gave_are_told_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "project"
    init.make(folder)
    (folder / "a\x1b[2Kb.py").write_text("")
    with pytest.MonkeyPatch.context() as own:
        own.setattr(main, "PROJECT_FOLDER", folder)
        assert main.main(["init", "--trust", str(folder)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_merge_conflict_is_resolved_before_anything_is_trusted(tmp_path: Path):
    init.make(tmp_path)
    (tmp_path / "requirements.txt").write_text("<<<<<<< HEAD\n=======\n>>>>>>> newer\n")
    with pytest.raises(UsageError, match="has a merge conflict in line 1") as refused:
        init.make(tmp_path)
    assert refused.value.hint == "take it out; then run the same command again"


@pytest.fixture
def renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    init.make(folder)
    file = folder / "Pulumi.yaml"
    file.write_text(file.read_text().replace("name: eonpro-kms", "name: clinic"))
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    return folder


@pytest.mark.parametrize("place", ["", "below", "below/new"])
def test_in_a_project_whose_name_was_changed_no_other_is_made(renamed: Path, place: str):
    with pytest.raises(UsageError, match="has no line `name: eonpro-kms`") as refused:
        init.make(renamed / place)
    assert refused.value.hint == f"write `name: eonpro-kms` in {renamed / 'Pulumi.yaml'}"
    (renamed / ".git").mkdir()
    with pytest.raises(UsageError) as refused:
        init.make(renamed / place)
    assert refused.value.hint == f"git -C {renamed} checkout -- Pulumi.yaml"


@pytest.mark.parametrize("words", [["status"], ["setup", "--yes"], ["init"]])
def test_every_command_says_that_the_name_was_changed(
    renamed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
):
    monkeypatch.setattr(main, "PROJECT_FOLDER", renamed / "below")
    assert main.main([*words, "--json"] if words != ["init"] else words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the project's name was changed" in said and "wizard init" not in said


def test_another_programs_project_is_not_taken_for_ours(tmp_path: Path):
    (tmp_path / "Pulumi.yaml").write_text("name: website\n")
    (tmp_path / "requirements.txt").write_text("flask==3.1.0\n")
    with pytest.raises(UsageError, match="has the Pulumi project of another program"):
        init.make(tmp_path)


def test_a_checkout_whose_name_was_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installation, "IS_INSTALLED", False)
    (tmp_path / "Pulumi.yaml").write_text("name: clinic\n")
    with pytest.raises(UsageError, match="has no line `name: eonpro-kms`"):
        project_environment.check_name(tmp_path)
