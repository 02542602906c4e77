"""Rolling releases: production's traffic moves to a new deployment in stages, approved by a person or after a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.vercel import create_app
from tests.sandbox.vercel.test_app import ENV, TOKEN, client, variable
from tests.sandbox.vercel.test_deployments import listed, looked_at, redeployed, running

PLACE = "/v1/projects/eonpro/rolling-release"
STAGES = [{"targetPercentage": 10}, {"targetPercentage": 50}, {"targetPercentage": 100}]
TIMED = [{"targetPercentage": 10, "duration": 5}, {"targetPercentage": 50, "duration": 10}, {"targetPercentage": 100}]


@pytest.fixture
def api() -> Iterator[httpx.Client]:
    yield from client(create_app(token=TOKEN, team="clinic", project="eonpro"))


def configure(api: httpx.Client, stages: list[dict[str, int]] = STAGES, **more: Any) -> httpx.Response:
    kind = "automatic" if "duration" in stages[0] else "manual-approval"
    body = {"enabled": True, "advancementType": kind, "stages": stages, **more}
    return api.patch(f"{PLACE}/config?slug=clinic", json=body)


def release(api: httpx.Client, query: str = "") -> Any:
    return api.get(f"{PLACE}?slug=clinic{query}").json()["rollingRelease"]


def act(api: httpx.Client, action: str, **body: Any) -> httpx.Response:
    return api.post(f"{PLACE}/{action}?slug=clinic", json=body)


def ready(api: httpx.Client) -> str:
    """A redeployment that is built."""
    id = str(redeployed(api)["id"])
    for _ in range(2):
        looked_at(api, id)
    return id


def test_without_stages_there_is_no_rolling_release(api: httpx.Client) -> None:
    assert release(api) is None
    assert api.get(f"{PLACE}/config?slug=clinic").json() == {"rollingRelease": None}
    assert api.get("/v9/projects/eonpro?slug=clinic").json()["rollingRelease"] is None
    assert ready(api) == running(api)["deployment"] and listed(api)[0]["readySubstate"] == "PROMOTED"
    assert act(api, "complete", canaryDeploymentId="dpl_none").status_code == 404


def test_a_new_deployment_gets_the_first_stages_traffic_and_production_stays(api: httpx.Client) -> None:
    assert configure(api).status_code == 200
    assert len(api.get("/v9/projects/eonpro?slug=clinic").json()["rollingRelease"]["stages"]) == 3
    former = running(api)["deployment"]
    api.post(ENV, json=variable())
    canary = ready(api)
    found = looked_at(api, canary)
    assert (found["readyState"], found["readySubstate"], found["aliasAssigned"]) == ("READY", "ROLLING", False)
    assert running(api)["deployment"] == former
    under_way = release(api)
    assert (under_way["state"], under_way["advancementType"]) == ("ACTIVE", "manual-approval")
    assert (under_way["currentDeployment"]["id"], under_way["canaryDeployment"]["id"]) == (former, canary)
    assert under_way["activeStage"] == {
        "index": 0,
        "isFinalStage": False,
        "targetPercentage": 10,
        "requireApproval": True,
        "duration": None,
        "linearShift": False,
    }
    assert (under_way["nextStage"]["targetPercentage"], len(under_way["stages"])) == (50, 3)
    assert release(api, "&state=ACTIVE") == under_way and release(api, "&state=COMPLETE") is None


def test_each_stage_is_approved_and_the_last_completes_it(api: httpx.Client) -> None:
    configure(api)
    canary = ready(api)
    second = act(api, "approve-stage", nextStageIndex=1, canaryDeploymentId=canary).json()["rollingRelease"]
    assert (second["activeStage"]["targetPercentage"], second["state"]) == (50, "ACTIVE")
    last = act(api, "approve-stage", nextStageIndex=2, canaryDeploymentId=canary).json()["rollingRelease"]
    assert (last["state"], last["activeStage"]["isFinalStage"], last["nextStage"]) == ("COMPLETE", True, None)
    assert running(api)["deployment"] == canary
    assert looked_at(api, canary)["readySubstate"] == "PROMOTED"


def test_what_does_not_follow_is_refused(api: httpx.Client) -> None:
    configure(api)
    canary = ready(api)
    for body in (
        {"nextStageIndex": 0, "canaryDeploymentId": canary},
        {"nextStageIndex": 9, "canaryDeploymentId": canary},
        {"nextStageIndex": 1, "canaryDeploymentId": "dpl_other"},
        {"canaryDeploymentId": canary},
    ):
        assert act(api, "approve-stage", **body).status_code == 400
    for stages in ([{"targetPercentage": 10}], [{"targetPercentage": 50}, {"targetPercentage": 10}], STAGES[:2]):
        assert configure(api, stages).status_code == 400
    assert configure(api, [{"targetPercentage": 10}, {"targetPercentage": 100}], advancementType="automatic").is_error
    assert release(api)["activeStage"]["index"] == 0


def test_an_automatic_release_goes_on_when_its_time_is_over(api: httpx.Client) -> None:
    configure(api, TIMED)
    canary = ready(api)
    assert release(api)["activeStage"]["duration"] == 300
    api.post("/_sandbox/rolling-release/eonpro/minutes/4")
    assert release(api)["activeStage"]["index"] == 0
    api.post("/_sandbox/rolling-release/eonpro/minutes/1")
    assert release(api)["activeStage"]["index"] == 1
    api.post("/_sandbox/rolling-release/eonpro/minutes/60")
    assert release(api)["state"] == "COMPLETE" and running(api)["deployment"] == canary


@pytest.mark.parametrize("to", ["canary", "former"])
def test_a_rollback_aborts_it_and_production_stays(api: httpx.Client, to: str) -> None:
    configure(api)
    former = running(api)["deployment"]
    canary = ready(api)
    api.post(f"/v9/projects/eonpro/rollback/{canary if to == 'canary' else former}?slug=clinic", json={})
    aborted = release(api)
    assert (aborted["state"], aborted["activeStage"], aborted["nextStage"]) == ("ABORTED", None, None)
    assert running(api)["deployment"] == former
    assert act(api, "complete", canaryDeploymentId=canary).status_code == 400
    assert release(api)["canaryDeployment"]["id"] == canary
    # It has had traffic, and another one begins a release of its own.
    assert looked_at(api, canary)["readySubstate"] == "PROMOTED"
    again = ready(api)
    assert (release(api)["state"], release(api)["canaryDeployment"]["id"]) == ("ACTIVE", again)


def test_promoting_the_canary_ends_the_release_at_once(api: httpx.Client) -> None:
    configure(api)
    canary = ready(api)
    assert api.post(f"/v10/projects/eonpro/promote/{canary}?slug=clinic", json={}).status_code == 201
    assert release(api)["state"] == "COMPLETE" and running(api)["deployment"] == canary


def test_another_deployment_waits_for_the_end_of_the_release_under_way(api: httpx.Client) -> None:
    configure(api)
    first, second = ready(api), ready(api)
    assert looked_at(api, second)["readySubstate"] == "STAGED"
    assert release(api)["queuedDeploymentId"] == second
    assert api.post(f"/v10/projects/eonpro/promote/{second}?slug=clinic", json={}).status_code == 202
    assert act(api, "complete", canaryDeploymentId=first).status_code == 200
    assert running(api)["deployment"] == first
    assert (release(api)["state"], release(api)["canaryDeployment"]["id"]) == ("ACTIVE", second)


def test_a_staged_deployment_can_be_released_after_an_abort(api: httpx.Client) -> None:
    configure(api)
    first = ready(api)
    api.post(f"/v9/projects/eonpro/rollback/{first}?slug=clinic", json={})
    assert act(api, "start", canaryDeploymentId=first).json()["rollingRelease"]["state"] == "ACTIVE"
    assert act(api, "start", canaryDeploymentId=first).status_code == 400


@pytest.mark.parametrize(("action", "state"), [({}, "ABORTED"), ({"disableRolloutAction": "complete"}, "COMPLETE")])
def test_without_stages_from_now_on_what_is_under_way_ends(
    api: httpx.Client, action: dict[str, str], state: str
) -> None:
    configure(api)
    canary, former = ready(api), running(api)["deployment"]
    api.patch(f"{PLACE}/config?slug=clinic", json={"enabled": False, **action})
    assert release(api)["state"] == state
    assert running(api)["deployment"] == (canary if state == "COMPLETE" else former)
    assert ready(api) == running(api)["deployment"]


def test_other_stages_are_for_the_next_release_only(api: httpx.Client) -> None:
    configure(api)
    ready(api)
    configure(api, TIMED)
    assert release(api)["advancementType"] == "manual-approval"


def test_a_preview_is_never_released_in_stages(api: httpx.Client) -> None:
    configure(api)
    id = str(redeployed(api, target=None)["id"])
    for _ in range(2):
        looked_at(api, id)
    assert release(api) is None
