"""What the Vercel CLI left on a machine: links of folders, and its login."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from wizard.facts import Linked
from wizard.vercel_link import cli_token, detect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".vercel").mkdir()
    return tmp_path


def test_a_linked_folder_tells_project_and_team(folder: Path) -> None:
    (folder / ".vercel/project.json").write_text('{"projectId": "prj_1", "orgId": "team_1", "projectName": "eonpro"}')
    assert detect(folder) == Linked(project_id="prj_1", team_id="team_1", project_name="eonpro")


def test_a_persons_own_account_is_no_team(folder: Path) -> None:
    (folder / ".vercel/project.json").write_text('{"projectId": "prj_1", "orgId": "u5eR"}')
    assert detect(folder) == Linked(project_id="prj_1", team_id=None)


def test_a_linked_repository_with_one_project_is_that_project(folder: Path) -> None:
    repository = {"orgId": "team_1", "projects": [{"id": "prj_1", "name": "eonpro", "directory": "."}]}
    (folder / ".vercel/repo.json").write_text(json.dumps(repository))
    assert detect(folder) == Linked(project_id="prj_1", team_id="team_1", project_name="eonpro")


def test_a_linked_repository_with_several_projects_decides_nothing(folder: Path) -> None:
    repository = {"orgId": "team_1", "projects": [{"id": "prj_1"}, {"id": "prj_2"}]}
    (folder / ".vercel/repo.json").write_text(json.dumps(repository))
    assert detect(folder) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"projectId": 1}', '{"orgId": "team_1"}', "\0"])
def test_a_link_that_says_nothing_is_none(folder: Path, content: str) -> None:
    (folder / ".vercel/project.json").write_text(content)
    assert detect(folder) is None


def test_a_folder_without_a_link_is_none(tmp_path: Path) -> None:
    assert detect(tmp_path) is None
    assert detect(tmp_path / "missing") is None


def login(data: Path, content: Any) -> None:
    (data / "com.vercel.cli").mkdir(parents=True)
    (data / "com.vercel.cli/auth.json").write_text(json.dumps(content))


def test_the_login_is_found_in_the_data_folder_that_the_environment_names(tmp_path: Path) -> None:
    login(tmp_path / "data", {"token": "one", "expiresAt": time.time() + 3600})
    assert cli_token({"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}) == "one"


def test_the_login_is_found_in_the_home_folder(tmp_path: Path) -> None:
    login(tmp_path / ".local/share", {"token": "one"})
    assert cli_token({"HOME": str(tmp_path)}) == "one"


@pytest.mark.parametrize("content", [{}, [], {"token": ""}, {"token": 1}, {"token": "old", "expiresAt": 1_700_000_000}])
def test_a_login_that_is_over_or_empty_is_none(tmp_path: Path, content: Any) -> None:
    login(tmp_path / ".local/share", content)
    assert cli_token({"HOME": str(tmp_path)}) is None


def test_no_login_is_none(tmp_path: Path) -> None:
    assert cli_token({"HOME": str(tmp_path)}) is None
