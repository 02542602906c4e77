"""Where the delivered names stand outside production, over a real socket from the stand-in; no value is ever told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from sandbox.vercel import create_app
from tests.wizard.vercel.test_client import ARN, BATCH, OTHER, OURS, TOKEN, Place, serve
from wizard.core.errors import DataKeyConflict, PermissionDenied, TargetMissing
from wizard.core.models.verification import AccessKey

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
OURS_BY_COMMENT = {"type": "sensitive", "comment": f"eonpro-kms: data key {OURS.fingerprint}; do not edit"}


@pytest.fixture
def vercel() -> Iterator[Place]:
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro", other_teams={"bank": ("ledger",)}))


def reported(vercel: Place) -> tuple[str, ...]:
    lines = vercel.edge().overlaps(vercel.project())
    assert not [line for line in lines for value in (OURS.value, OTHER.value, ARN, SECRET) if value in line]
    assert not [line for line in lines if "\n" in line]
    return lines


def staging(vercel: Place) -> str:
    made = vercel.api.post("/v9/projects/eonpro/custom-environments?slug=clinic", json={"slug": "staging"})
    assert made.status_code == 201
    return str(made.json()["id"])


def share(vercel: Place, key: str, value: str, linked: bool = True, **more: Any) -> None:
    body = {
        "evs": [{"key": key, "value": value, "comment": more.pop("comment", "")}],
        "type": "encrypted",
        "target": ["production"],
        "projectId": [vercel.project().id] if linked else [],
        **more,
    }
    answer = vercel.api.post("/v1/env?slug=clinic", json=body)
    assert (answer.status_code, answer.json()["failed"]) == (201, [])


# --- the data key


@pytest.mark.parametrize(
    "preview",
    [{"type": "encrypted"}, {"type": "plain"}, OURS_BY_COMMENT],
    ids=["by its value", "in the clear", "by its comment"],
)
def test_a_preview_with_productions_data_key_is_told_as_such(vercel: Place, preview: dict[str, Any]) -> None:
    vercel.edge().deliver(vercel.project(), BATCH)
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value, target=["preview"], **preview)
    (line,) = reported(vercel)
    assert "ENCRYPTED_PHI_KEY of preview is production's data key" in line


def test_a_data_key_that_serves_preview_with_production_is_productions(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, type="sensitive", target=["production", "preview"])
    (line,) = reported(vercel)
    assert "ENCRYPTED_PHI_KEY of preview is production's data key" in line


@pytest.mark.parametrize("type_", ["encrypted", "plain"])
def test_another_data_key_of_preview_is_told_and_left(vercel: Place, type_: str) -> None:
    vercel.edge().deliver(vercel.project(), BATCH)
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, target=["preview"], type=type_)
    assert reported(vercel) == (
        "ENCRYPTED_PHI_KEY of preview is another data key than production's; it is not changed",
    )


def test_a_comment_is_not_believed_where_the_value_can_be_read(vercel: Place) -> None:
    vercel.edge().deliver(vercel.project(), BATCH)
    comment = OURS_BY_COMMENT["comment"]
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, target=["preview"], comment=comment)
    assert "another data key" in reported(vercel)[0]


def test_what_cannot_be_known_is_not_guessed(vercel: Place) -> None:
    vercel.edge().deliver(vercel.project(), BATCH)
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value, target=["preview"], type="sensitive")
    (line,) = reported(vercel)
    assert "Vercel does not show whether it is production's data key" in line


def test_a_data_key_of_preview_before_production_has_one_is_told(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, target=["preview"])
    assert "production has none yet" in reported(vercel)[0]


# --- the places


def test_every_place_is_named(vercel: Place) -> None:
    vercel.put("AWS_REGION", "us-east-1", target=["production", "preview", "development"])
    vercel.put("AWS_REGION", "eu-west-1", target=["preview"], gitBranch="next")
    vercel.put("AWS_REGION", "us-east-1", target=[], customEnvironmentIds=[staging(vercel)])
    assert reported(vercel) == (
        "AWS_REGION is set for preview, development, the branch next and the custom environment staging too; "
        "that is not changed",
    )


@pytest.mark.parametrize("status", [403, 404])
def test_a_custom_environment_that_cannot_be_asked_for_is_told_by_its_id(vercel: Place, status: int) -> None:
    id = staging(vercel)
    vercel.put("AWS_KMS_KEY_ID", ARN, target=[], customEnvironmentIds=[id])
    vercel.fault(path="/custom-environments", status=status, times=99)
    assert f"AWS_KMS_KEY_ID is set for the custom environment {id} too" in reported(vercel)[0]


def test_where_no_custom_environment_is_met_none_is_asked_for(vercel: Place) -> None:
    vercel.put("AWS_REGION", "us-east-1", target=["preview"])
    project = vercel.project()
    vercel.api.delete("/_sandbox/calls")
    vercel.edge().overlaps(project)
    calls = vercel.api.get("/_sandbox/calls").json()
    assert not [call for call in calls["calls"] if "custom-environments" in call]
    assert calls["writes"] == 0


# --- the access key


def test_the_access_key_of_production_in_preview_is_told_and_its_secret_never_read(vercel: Place) -> None:
    for target in ("production", "preview"):
        vercel.put("AWS_ACCESS_KEY_ID", KEY_ID, target=[target])
        id = vercel.put("AWS_SECRET_ACCESS_KEY", SECRET, target=[target])["id"]
    lines = reported(vercel)
    assert "AWS_ACCESS_KEY_ID of preview is production's access key: what runs there signs as production" in lines
    assert "AWS_SECRET_ACCESS_KEY is set for preview too; that is not changed" in lines
    assert not [call for call in vercel.api.get("/_sandbox/calls").json()["calls"] if call.endswith(id)]


def test_another_access_key_of_preview_is_left(vercel: Place) -> None:
    vercel.put("AWS_ACCESS_KEY_ID", KEY_ID)
    vercel.put("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE", target=["preview"])
    assert reported(vercel) == ("AWS_ACCESS_KEY_ID is set for preview too; that is not changed",)


def test_an_encryption_key_of_production_is_known_by_its_name_and_its_value_is_never_read(vercel: Place) -> None:
    vercel.put("ENCRYPTION_KEY", "ab" * 32, type="encrypted", target=["preview"])
    assert vercel.edge().former_key(vercel.project()) is None
    share(vercel, "ENCRYPTION_KEY", "ab" * 32, target=["production"])
    shared = vercel.edge().former_key(vercel.project())
    assert shared is not None and "shared by the team" in shared
    id = vercel.put("ENCRYPTION_KEY", "ab" * 32, type="encrypted")["id"]
    assert f"(id {id})" in str(vercel.edge().former_key(vercel.project()))
    listed = vercel.edge().read_variables(vercel.project())
    assert [(entry.name, entry.value) for entry in listed] == [("ENCRYPTION_KEY", None)] * 2


# --- what the team shares


def test_a_shared_variable_that_is_linked_is_told_and_one_that_is_not_is_not(vercel: Place) -> None:
    share(vercel, "AWS_REGION", "eu-west-1", target=["production", "preview"])
    share(vercel, "AWS_KMS_KEY_ID", ARN, linked=False)
    (line,) = reported(vercel)
    assert line.startswith("the team shares a variable AWS_REGION with the project, for production and preview")
    assert "the project's own takes precedence" in line


def test_a_shared_variable_with_productions_data_key_is_told_as_such(vercel: Place) -> None:
    vercel.edge().deliver(vercel.project(), BATCH)
    share(vercel, "ENCRYPTED_PHI_KEY", OURS.value, target=["preview"])
    (line,) = reported(vercel)
    assert "with production's data key: every project it is linked to has that key" in line


@pytest.mark.parametrize("status", [403, 404, 500])
def test_shared_variables_that_cannot_be_listed_are_left_out(vercel: Place, status: int) -> None:
    share(vercel, "AWS_REGION", "eu-west-1")
    vercel.put("AWS_REGION", "us-east-1", target=["preview"])
    vercel.fault(path="/v1/env", status=status, times=999)
    assert reported(vercel) == ("AWS_REGION is set for preview too; that is not changed",)


# --- what a delivery would be refused for


def test_a_data_key_that_production_has_from_the_team_is_a_conflict(vercel: Place) -> None:
    share(vercel, "ENCRYPTED_PHI_KEY", OTHER.value)
    edge, project = vercel.edge(), vercel.project()
    for stored in (None, OURS):
        assert "production has the ENCRYPTED_PHI_KEY that the team shares" in (edge.conflict(project, stored) or "")
    assert edge.conflict(project, OTHER) is None


def test_a_data_key_that_the_team_shares_with_others_is_no_conflict(vercel: Place) -> None:
    share(vercel, "ENCRYPTED_PHI_KEY", OTHER.value, linked=False)
    assert vercel.edge().conflict(vercel.project(), None) is None


def test_a_shared_data_key_that_productions_own_goes_before_is_no_conflict(vercel: Place) -> None:
    vercel.edge().deliver(vercel.project(), BATCH)
    share(vercel, "ENCRYPTED_PHI_KEY", OTHER.value)
    assert vercel.edge().conflict(vercel.project(), OURS) is None


PLACES: list[tuple[dict[str, Any], str]] = [
    ({"target": ["production", "preview"]}, "preview"),
    ({"target": ["production"], "customEnvironmentIds": ["env_staging"]}, "env_staging"),
]


@pytest.mark.parametrize(("place", "other"), PLACES)
def test_production_among_several_targets_is_a_conflict(vercel: Place, place: dict[str, Any], other: str) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, type="sensitive", **place)
    edge, project = vercel.edge(), vercel.project()
    for stored in (None, OURS):
        reported = edge.conflict(project, stored, region="us-east-1", key_arn=ARN if stored else None) or ""
        assert "there is an ENCRYPTED_PHI_KEY already" in reported and other in reported


@pytest.mark.parametrize(("place", "other"), PLACES)
@pytest.mark.parametrize("key", ["AWS_KMS_KEY_ID", "AWS_REGION"])
def test_the_other_two_among_several_targets_are_a_conflict(
    vercel: Place, key: str, place: dict[str, Any], other: str
) -> None:
    vercel.put(key, "something else", **place)
    reported = vercel.edge().conflict(vercel.project(), None, region="us-east-1") or ""
    assert key in reported and f"also serves {other}" in reported


@pytest.mark.parametrize(
    "place", [{"target": ["preview"], "gitBranch": "main"}, {"target": [], "customEnvironmentIds": ["env_staging"]}]
)
def test_what_production_does_not_see_is_no_conflict(vercel: Place, place: dict[str, Any]) -> None:
    for key, value in BATCH.values:
        vercel.put(key, value, **place)
    edge, project = vercel.edge(), vercel.project()
    assert edge.conflict(project, OURS, region="us-east-1", key_arn=ARN) is None
    before = vercel.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]
    edge.deliver(project, BATCH)
    after = vercel.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]
    assert [each for each in after if each["id"] in {old["id"] for old in before}] == before


def test_a_listed_variable_tells_its_branch_and_custom_environments(vercel: Place) -> None:
    vercel.put("AWS_REGION", "us-east-1", target=["production"], customEnvironmentIds=["env_staging"])
    (variable,) = vercel.edge()._variables(vercel.project(), 9).list()
    assert (variable.targets, variable.custom_environments) == (("production",), ("env_staging",))


# --- an environment with a stack of its own


@pytest.mark.parametrize("environment", ["preview", "staging"])
def test_two_stacks_of_one_project_never_touch_each_others_data_key(vercel: Place, environment: str) -> None:
    staging(vercel)
    production, own = vercel.project(), vercel.edge().find_project("clinic", "eonpro", environment)
    vercel.edge().deliver(production, BATCH)
    listed = vercel.envs()
    theirs = replace(BATCH, wrapped=OTHER)
    assert vercel.edge().conflict(own, None, region="us-east-1") is None
    assert not vercel.edge().find_data_key(own).exists
    vercel.edge().deliver(own, theirs)
    vercel.edge().deliver_access_key(own, AccessKey(id=KEY_ID, secret=SECRET))
    assert vercel.edge().check(production, BATCH) is None and vercel.edge().check(own, theirs) is None
    envs = vercel.api.get("/v10/projects/eonpro/env?slug=clinic").json()["envs"]
    assert [each for each in envs if each["target"] == ["production"]] == list(listed.values())
    assert (vercel.edge().access_key_id(own), vercel.edge().access_key_id(production)) == (KEY_ID, None)
    (words, *_) = (line for line in vercel.edge().overlaps(own) if "ENCRYPTED_PHI_KEY" in line)
    assert words.startswith("ENCRYPTED_PHI_KEY of production is another data key than ")
    for project, wrapped in ((own, OURS), (production, OTHER)):
        with pytest.raises(DataKeyConflict):
            vercel.edge().deliver(project, replace(BATCH, wrapped=wrapped))
    mine = [each for each in vercel.edge().read_variables(own) if each.in_scope and each.name == "ENCRYPTED_PHI_KEY"]
    assert [each.claimed for each in mine] == [OTHER.fingerprint]
    renamed = vercel.edge().rename_variable(own, mine[0].id, stored=(OURS,), today=date(2026, 1, 1))
    assert "ENCRYPTED_PHI_KEY_ASIDE_20260101" in renamed and vercel.edge().check(production, BATCH) is None


@pytest.mark.parametrize("environment", ["preview", "staging"])
def test_a_variable_of_all_environments_is_left_to_the_others(vercel: Place, environment: str) -> None:
    id = staging(vercel)
    own = vercel.edge().find_project("clinic", "eonpro", environment)
    entry = vercel.put(
        "ENCRYPTED_PHI_KEY", OTHER.value, type="sensitive", target=["production", "preview"], customEnvironmentIds=[id]
    )
    said = vercel.edge().rename_variable(own, entry["id"], stored=(OURS,), today=date(2026, 1, 1))
    assert said.endswith(f"as before, and no longer {own.scope.words}")
    left = vercel.envs()["ENCRYPTED_PHI_KEY"]
    assert (left["target"], left["customEnvironmentIds"]) == (
        (["production"], [id]) if environment == "preview" else (["production", "preview"], [])
    )


def test_an_environment_that_the_project_lacks_is_named_with_those_that_it_has(vercel: Place) -> None:
    staging(vercel)
    with pytest.raises(TargetMissing, match="has no environment qa; it has production, preview, staging") as refused:
        vercel.edge().find_project("clinic", "eonpro", "qa")
    assert refused.value.hint.startswith("""echo '{"slug": "qa"}' | vercel api /v9/projects/""")
    vercel.fault(path="/custom-environments", status=403)
    with pytest.raises(PermissionDenied):
        vercel.edge().find_project("clinic", "eonpro", "staging")
