"""What the Vercel CLI left on a machine: links of folders, and its login."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wizard.core.errors import SetupError
from wizard.core.models.vercel import Linked
from wizard.inputs import vercel_cli
from wizard.inputs.application_folder import detect
from wizard.inputs.vercel_cli import CliLogin, cli_login, linked, linked_by_environment


def detect_link(folder: Path) -> Linked | None:
    """The link of a folder, as the core has it."""
    link = detect(folder).linked
    return None if link is None else linked(link)


def cli_token(environment: dict[str, str]) -> str | None:
    """The token of the CLI's login; None without one, or for one that has expired."""
    found = cli_login(environment)
    return found.token if found else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".vercel").mkdir()
    return tmp_path


def a_vercel_cli(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """A program `vercel` on the PATH that does this, and no login of the person's own."""
    program = folder / "vercel"
    program.write_text(f'#!/bin/sh\n[ "$1" = login ] || exit 9\n{then}\n')
    program.chmod(0o755)
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")


@pytest.mark.parametrize(
    ("then", "told"), [("exit 3", "`vercel login` ended with 3"), ("exit 0", "its token cannot be read from here")]
)
def test_a_login_that_gives_no_token_is_a_failure_with_its_command(tmp_path, monkeypatch, then, told):
    a_vercel_cli(tmp_path, monkeypatch, then)
    with pytest.raises(SetupError, match=told) as failure:
        vercel_cli.sign_in()
    assert failure.value.hint == "vercel login"


def test_the_login_in_the_browser_gives_its_token(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not vercel_cli.can_sign_in()
    auth = tmp_path / "com.vercel.cli" / "auth.json"
    a_vercel_cli(tmp_path, monkeypatch, f'mkdir -p {auth.parent}; echo \'{{"token": "of-the-login"}}\' > {auth}')
    assert vercel_cli.can_sign_in()
    answer = vercel_cli.sign_in()
    assert (answer.value, answer.where, answer.secret) == ("of-the-login", "the login of the Vercel CLI", True)


def test_a_persons_own_account_is_no_team(folder: Path) -> None:
    (folder / ".vercel/project.json").write_text('{"projectId": "prj_1", "orgId": "u5eR"}')
    assert detect_link(folder) == Linked(project_id="prj_1", team_id=None)


def login(data: Path, content: Any) -> None:
    (data / "com.vercel.cli").mkdir(parents=True)
    (data / "com.vercel.cli/auth.json").write_text(json.dumps(content))


@pytest.mark.parametrize("content", [{}, [], {"token": ""}, {"token": 1}, {"token": "old", "expiresAt": 1_700_000_000}])
def test_a_login_that_is_over_or_empty_is_none(tmp_path: Path, content: Any) -> None:
    login(tmp_path / ".local/share", content)
    assert cli_token({"HOME": str(tmp_path)}) is None


def test_of_several_linked_projects_the_one_at_the_folder_itself_is_it(folder: Path) -> None:
    projects = [{"id": "prj_1", "directory": "apps/web"}, {"id": "prj_2", "directory": ".", "orgId": "team_2"}]
    (folder / ".vercel/repo.json").write_text(json.dumps({"projects": projects}))
    assert detect_link(folder) == Linked(project_id="prj_2", team_id="team_2")


def test_the_environment_names_a_project_with_both_variables_or_not_at_all() -> None:
    both = {"VERCEL_PROJECT_ID": "prj_1", "VERCEL_ORG_ID": "team_1"}
    assert linked_by_environment(both) == Linked(project_id="prj_1", team_id="team_1")
    for name in both:
        assert linked_by_environment({name: both[name]}) is None


# --- what a login is worth


def found(home: Path, **environment: str) -> CliLogin:
    login = cli_login({"HOME": str(home), **environment})
    assert login is not None
    return login


def test_a_login_tells_where_it_was_found(tmp_path: Path) -> None:
    login(tmp_path / ".local/share", {"token": "one"})
    assert found(tmp_path) == CliLogin(source="the login of the Vercel CLI", token="one")
    assert found(tmp_path).way_out is None
    assert "one" not in repr(found(tmp_path))


def test_an_expired_login_does_not_hide_one_that_can_be_used(tmp_path: Path) -> None:
    login(tmp_path / "data", {"token": "old", "expiresAt": 1_700_000_000})
    login(tmp_path / ".local/share", {"token": "one"})
    assert found(tmp_path, XDG_DATA_HOME=str(tmp_path / "data")).token == "one"


@pytest.mark.parametrize("by", ["the file", "the variable"])
def test_a_login_in_the_keyring_is_told_as_such(tmp_path: Path, by: str) -> None:
    login(tmp_path / ".local/share", {})
    settings = {"credStorage": "keyring"} if by == "the file" else {}
    (tmp_path / ".local/share/com.vercel.cli/config.json").write_text(json.dumps(settings))
    kept = found(tmp_path, **({} if by == "the file" else {"VERCEL_TOKEN_STORAGE": "keyring"}))
    assert (kept.token, kept.in_keyring, kept.expired) == (None, True, False)
    assert "vercel tokens add" in (kept.way_out or "")


def test_a_keyring_that_is_only_allowed_for_holds_no_login_where_the_cli_never_ran(tmp_path: Path) -> None:
    assert cli_login({"HOME": str(tmp_path), "VERCEL_TOKEN_STORAGE": "keyring"}) is None
