"""Deployments: created from an earlier one, with the variables of that time, and promoted to production."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.vercel import create_app
from tests.sandbox.vercel.test_app import ENV, TOKEN, client, variable


@pytest.fixture
def api() -> Iterator[httpx.Client]:
    yield from client(create_app(token=TOKEN, team="clinic", project="eonpro"))


def running(api: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/_sandbox/running/eonpro").json()
    return found


def listed(api: httpx.Client, query: str = "target=production") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v6/deployments?slug=clinic&projectId=eonpro&{query}").json()["deployments"]
    return found


def redeployed(api: httpx.Client, **more: Any) -> dict[str, Any]:
    body = {
        "name": "eonpro",
        "deploymentId": running(api)["deployment"],
        "target": "production",
        "meta": {"action": "redeploy"},
        **more,
    }
    answer = api.post("/v13/deployments?slug=clinic&forceNew=1", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def looked_at(api: httpx.Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v13/deployments/{id}?slug=clinic").json()
    return found


def test_a_project_runs_a_deployment_that_is_older_than_any_variable(api: httpx.Client) -> None:
    api.post(ENV, json=variable())
    [first] = listed(api)
    assert (first["state"], first["readyState"], first["target"]) == ("READY", "READY", "production")
    assert first["uid"] == running(api)["deployment"] and first["uid"].startswith("dpl_")
    [changed] = api.get(ENV).json()["envs"]
    assert first["created"] == first["createdAt"] < changed["updatedAt"]
    assert running(api)["environment"] == {}
    assert api.get("/v9/projects/eonpro?slug=clinic").json()["targets"]["production"]["id"] == first["uid"]


def test_a_redeploy_is_queued_then_built_then_production_and_has_the_variables_of_its_beginning(
    api: httpx.Client,
) -> None:
    before = running(api)["deployment"]
    api.post(ENV, json=variable())
    made = redeployed(api)
    api.post(ENV, json=variable("LATER"))
    assert (made["readyState"], made["id"] != before) == ("QUEUED", True)
    assert running(api)["deployment"] == before
    assert looked_at(api, made["id"])["readyState"] == "BUILDING"
    assert running(api)["deployment"] == before
    ready = looked_at(api, made["id"])
    assert (ready["readyState"], ready["readySubstate"], ready["aliasAssigned"]) == ("READY", "PROMOTED", True)
    assert ready["alias"] == ["eonpro.vercel.app"]
    assert running(api)["deployment"] == made["id"] and running(api)["environment"] == {"GREETING": "hello"}
    assert looked_at(api, made["id"]) == looked_at(api, ready["url"]) == ready


def test_the_environment_of_the_next_deployment_differs_from_the_running_one(api: httpx.Client) -> None:
    api.post(ENV, json=variable(type="sensitive"))
    assert api.get("/_sandbox/deployment/eonpro").json() == {"GREETING": "hello"}
    assert running(api)["environment"] == {}


def test_a_build_that_fails_leaves_the_former_running(api: httpx.Client) -> None:
    before = running(api)
    api.post("/_sandbox/faults", json={"kind": "build", "method": "POST", "path": "/deployments"})
    id = redeployed(api)["id"]
    assert [looked_at(api, id)["readyState"] for _ in range(3)] == ["BUILDING", "ERROR", "ERROR"]
    assert "exited with 1" in looked_at(api, id)["errorMessage"]
    assert running(api) == before


def test_a_build_that_never_ends_leaves_the_former_running(api: httpx.Client) -> None:
    before = running(api)
    api.post("/_sandbox/faults", json={"kind": "stuck", "method": "POST", "path": "/deployments"})
    id = redeployed(api)["id"]
    assert {looked_at(api, id)["readyState"] for _ in range(5)} == {"BUILDING"}
    assert running(api) == before


def test_after_a_rollback_a_new_deployment_waits_to_be_promoted(api: httpx.Client) -> None:
    first, second = running(api)["deployment"], redeployed(api)["id"]
    for _ in range(2):
        looked_at(api, second)
    assert api.post(f"/v9/projects/eonpro/rollback/{first}?slug=clinic").status_code == 201
    assert running(api)["deployment"] == first
    third = redeployed(api)["id"]
    ready = [looked_at(api, third) for _ in range(2)][-1]
    assert (ready["readyState"], ready["readySubstate"], ready["aliasAssigned"]) == ("READY", "STAGED", False)
    assert running(api)["deployment"] == first
    api.post(f"/v10/projects/eonpro/promote/{third}?slug=clinic", json={})
    assert running(api)["deployment"] == third


def test_the_listing_is_filtered_and_the_latest_comes_first(api: httpx.Client) -> None:
    production, preview = redeployed(api)["id"], redeployed(api, target=None)["id"]
    assert [each["uid"] for each in listed(api, "")][:2] == [preview, production]
    assert [each["uid"] for each in listed(api)][0] == production
    assert [each["uid"] for each in listed(api, "target=preview")] == [preview]
    assert production not in [each["uid"] for each in listed(api, "state=READY")]
    assert [each["uid"] for each in listed(api, "limit=1")] == [preview]


def test_without_forcing_a_new_one_the_former_is_the_answer(api: httpx.Client) -> None:
    former = running(api)["deployment"]
    answer = api.post("/v13/deployments?slug=clinic", json={"name": "eonpro", "deploymentId": former}).json()
    assert answer["id"] == former and len(listed(api)) == 1


def test_what_cannot_be_deployed_is_refused(api: httpx.Client) -> None:
    def refusal(body: object, query: str = "slug=clinic&forceNew=1") -> tuple[int, str]:
        answer = api.post(f"/v13/deployments?{query}", json=body)
        return answer.status_code, answer.json()["error"]["code"]

    former = running(api)["deployment"]
    assert refusal({"deploymentId": former}) == (400, "bad_request")
    assert refusal({"name": "eonpro"}) == (400, "missing_files")
    assert refusal({"name": "eonpro", "deploymentId": "dpl_none"}) == (404, "not_found")
    assert refusal({"name": "eonpro", "deploymentId": former}, "forceNew=1") == (404, "not_found")
    assert refusal({"name": "eonpro", "deploymentId": former}, "slug=bank&forceNew=1") == (403, "forbidden")
    assert api.get(f"/v13/deployments/{former}").status_code == 404


def test_a_project_that_was_just_made_runs_nothing(api: httpx.Client) -> None:
    api.post("/v11/projects?slug=clinic", json={"name": "api"})
    assert api.get("/_sandbox/running/api").json()["deployment"] is None
    assert api.get("/v9/projects/api?slug=clinic").json()["targets"] == {}
