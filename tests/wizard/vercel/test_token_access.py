"""What a token that is refused is told: which of the ways it falls short, and the way to one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.vercel import create_app
from tests.wizard.vercel.test_client import TOKEN, Place, serve
from wizard.core.errors import CredentialsError, PermissionDenied
from wizard.core.next_command import VERCEL_LOGIN


@pytest.fixture
def vercel() -> Iterator[Place]:
    others = {"bank": ("ledger",), "school": ("lessons",), "court": ("cases",)}
    barred = {"bank": ("scope",), "school": ("saml",), "court": ("mfa", "scope")}
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro", other_teams=others, limited=barred))


@pytest.mark.parametrize(
    ("team", "why", "way"),
    [
        ("bank", "the token's scope does not include that team", VERCEL_LOGIN),
        ("school", r"identity provider \(SAML\)", "vercel login"),
        ("court", "second factor", "https://vercel.com/account/settings/authentication"),
        ("library", "it reaches clinic", VERCEL_LOGIN),
    ],
)
def test_a_team_out_of_reach_is_told_with_the_reason_and_the_way(vercel: Place, team: str, why: str, way: str) -> None:
    with pytest.raises(PermissionDenied, match=why) as caught:
        vercel.edge().find_project(team, "eonpro")
    assert f"no access to the team {team}" in caught.value.message
    assert way in caught.value.hint


def test_a_member_who_may_not_see_the_project_is_told_apart(vercel: Place) -> None:
    vercel.fault(path="/v9/projects", status=403)
    with pytest.raises(PermissionDenied, match="a member of the team clinic without access to its projects") as caught:
        vercel.edge().find_project("clinic", "eonpro")
    assert "an owner of the team" in caught.value.hint


def test_a_token_that_is_not_accepted_is_told_with_what_it_may_be(vercel: Place) -> None:
    with pytest.raises(CredentialsError, match="expired, was deleted, or was not copied completely") as caught:
        vercel.edge("wrong-token").find_project("clinic", "eonpro")
    assert caught.value.hint == VERCEL_LOGIN


def test_a_token_that_expires_between_two_requests_is_told_as_such(vercel: Place) -> None:
    vercel.fault(path="/v9/projects", status=403)
    vercel.fault(path="/v2/teams", status=401, code="forbidden")
    with pytest.raises(CredentialsError, match="does not accept the token") as caught:
        vercel.edge().find_project("clinic", "eonpro")
    assert not isinstance(caught.value, PermissionDenied)
