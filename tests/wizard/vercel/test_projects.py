"""Which projects a token reaches, over a real socket from the stand-in: what can be had is told, and nothing raises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from components.settings import VercelIssuerMode
from sandbox.vercel import create_app
from tests.wizard.vercel.test_client import TOKEN, Place, serve
from wizard.core.errors import CredentialsError
from wizard.vercel import answers, projects


@pytest.fixture
def vercel() -> Iterator[Place]:
    teams = {"bank": ("ledger", "atlas"), "school": ("lessons",)}
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro", other_teams=teams))


@pytest.fixture
def scoped() -> Iterator[Place]:
    """A token that is for the bank alone, of a person who is in three teams and whose default team is the clinic."""
    teams = {"bank": ("ledger",), "school": ("lessons",)}
    barred = {"clinic": ("scope",), "school": ("saml", "scope")}
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro", other_teams=teams, limited=barred))


def names(vercel: Place, token: str = TOKEN) -> list[str]:
    return [f"{each.team_slug}/{each.name}" for each in vercel.edge(token).list_projects()]


def test_the_projects_of_every_team_come_by_team_and_name(vercel: Place) -> None:
    assert names(vercel) == ["bank/atlas", "bank/ledger", "clinic/eonpro", "school/lessons"]


def test_a_listed_project_is_the_project_that_is_found(vercel: Place) -> None:
    listed = {each.name: each for each in vercel.edge().list_projects()}
    assert listed["eonpro"] == vercel.project()
    assert listed["eonpro"].framework == "nextjs"
    assert (listed["eonpro"].team_id or "").startswith("team_")


def test_who_issues_a_projects_tokens_is_read_as_the_project_is_set(vercel: Place) -> None:
    as_made = vercel.project()
    changed = {"oidcTokenConfig": {"enabled": False, "issuerMode": "global"}}
    assert vercel.api.patch(f"/v9/projects/{as_made.id}?slug=clinic", json=changed).status_code == 200
    off = vercel.edge().find_project("clinic", "eonpro")

    assert (as_made.gives_tokens, as_made.issuer_mode) == (True, VercelIssuerMode.TEAM)
    assert (off.gives_tokens, off.issuer_mode) == (False, VercelIssuerMode.GLOBAL)


@pytest.mark.parametrize("told", [None, {}, {"issuerMode": "nobody"}])
def test_a_project_that_does_not_say_who_issues_its_tokens_is_not_guessed_at(told: Any) -> None:
    project = answers.Project.model_validate({"oidcTokenConfig": told})
    read = projects.read_project(project, fallback="x", team_id=None, team_slug=None)
    assert (read.gives_tokens, read.issuer_mode) == (None, None)


def test_no_project_is_written_or_told_twice(vercel: Place) -> None:
    assert vercel.writes(lambda: names(vercel)) == 0
    assert len(names(vercel)) == len(set(names(vercel)))


def test_a_token_for_one_team_tells_that_teams(scoped: Place) -> None:
    assert names(scoped) == ["bank/ledger"]


def test_a_token_that_may_not_list_teams_tells_its_default_teams(vercel: Place) -> None:
    vercel.fault(path="/v2/teams", status=403, times=1)
    assert names(vercel) == ["clinic/eonpro"]


def test_a_token_that_may_list_nothing_but_its_own_scope_tells_that(scoped: Place) -> None:
    scoped.fault(path="/v2/teams", status=403, times=1)
    scoped.fault(path="/v2/user", status=403, times=9)
    assert names(scoped) == ["bank/ledger"]


def test_a_team_that_fails_costs_only_its_own_projects(vercel: Place) -> None:
    # Of the four listings, the person's own and one for each team, one is refused.
    vercel.fault(path="/v9/projects", status=403, times=1, skip=3)
    assert len({name.split("/")[0] for name in names(vercel)}) == 2


def test_where_the_ninth_listing_is_unknown_the_tenth_is_asked(vercel: Place) -> None:
    vercel.fault(path="/v9/projects", status=404, times=99)
    assert "clinic/eonpro" in names(vercel)


def test_a_team_whose_name_is_not_told_is_known_by_its_id(vercel: Place) -> None:
    vercel.fault(path="/v2/teams", status=403, times=99)
    (project,) = vercel.edge().list_projects()
    assert (project.name, project.team_slug) == ("eonpro", None)
    assert (project.team_id or "").startswith("team_")


def test_an_endpoint_that_stays_silent_is_not_waited_for(vercel: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "LISTING_SECONDS", 0.6)
    monkeypatch.setattr(projects, "REQUEST_SECONDS", 0.2)
    vercel.fault(kind="timeout", path="/v9/projects", seconds=1, times=999)
    started = time.monotonic()
    assert vercel.edge().list_projects() == ()
    assert time.monotonic() - started < 2


def test_the_teams_are_asked_side_by_side(vercel: Place) -> None:
    """Four listings are each silent for 0.4 seconds and then asked again; one after the other that is 1.6 seconds."""
    vercel.fault(kind="timeout", path="/v9/projects", seconds=0.4, times=4)
    started = time.monotonic()
    assert len(vercel.edge().list_projects()) == 4
    assert time.monotonic() - started < 1.4


@pytest.mark.parametrize("place", ["vercel", "scoped"])
def test_a_token_is_checked_by_one_request_whatever_it_reaches(place: str, request: pytest.FixtureRequest) -> None:
    vercel: Place = request.getfixturevalue(place)
    vercel.api.delete("/_sandbox/calls")
    vercel.edge().check_token()
    assert vercel.api.get("/_sandbox/calls").json()["calls"] == {"GET /v2/teams": 1}
    with pytest.raises(CredentialsError, match="does not accept the token"):
        vercel.edge("another").check_token()
    assert sum(vercel.api.get("/_sandbox/calls").json()["calls"].values()) <= 2


def test_an_endpoint_without_teams_says_nothing_about_a_token(vercel: Place) -> None:
    vercel.fault(method="GET", path="/v2/teams", status=404)
    vercel.edge().check_token()
