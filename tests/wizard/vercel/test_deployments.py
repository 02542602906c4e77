"""The redeploy on Vercel against the stand-in, over a real socket: what runs, what is made, what failure leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.vercel.test_client import BATCH, Place
from wizard.core.errors import PermissionDenied, SetupError, Unreachable, Unsupported
from wizard.core.models.deployment import Deployment, Redeployed, RedeployState
from wizard.core.models.vercel import VercelProject


def running(vercel: Place) -> dict[str, Any]:
    found: dict[str, Any] = vercel.api.get("/_sandbox/running/eonpro").json()
    return found


def runs(vercel: Place, project: VercelProject) -> Deployment:
    found = vercel.edge().current_deployment(project)
    assert found is not None
    return found


def redeploy(vercel: Place, project: VercelProject, reported: list[str] | None = None, **more: Any) -> Redeployed:
    tell = (reported if reported is not None else []).append
    return vercel.edge().redeploy(project, runs(vercel, project), tell=tell, **more)


def made(vercel: Place) -> int:
    listed = vercel.api.get("/v6/deployments?slug=clinic&projectId=eonpro&limit=100").json()["deployments"]
    return len(listed) - 1


def test_what_runs_is_older_than_what_was_delivered_until_it_is_redeployed(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    assert edge.last_change(project) is None
    edge.deliver(project, BATCH)
    changed = edge.last_change(project)
    assert changed is not None and runs(vercel, project).made < changed
    assert "ENCRYPTED_PHI_KEY" not in running(vercel)["environment"]
    reported: list[str] = []
    done = redeploy(vercel, project, reported)
    assert done.state is RedeployState.DONE and done.after == runs(vercel, project)
    assert done.before is not None and done.before.made < changed < done.after.made
    assert running(vercel)["environment"] == dict(BATCH.values)
    assert [line.rpartition(": ")[2] for line in reported] == ["queued", "building", "ready"]
    assert done.seconds == round(sum(vercel.clock.slept), 1) > 0


def test_a_change_of_another_variable_is_none_of_ours(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, BATCH)
    before = edge.last_change(project)
    vercel.put("GREETING", "hello")
    vercel.put("AWS_REGION", "eu-west-1", target=["preview"])
    assert edge.last_change(project) == before
    vercel.put("AWS_ACCESS_KEY_ID", "AKIA")
    assert edge.last_change(project) != before


def test_a_build_that_fails_is_told_with_its_words_and_the_former_runs_on(vercel: Place) -> None:
    project, before = vercel.project(), running(vercel)
    vercel.fault(kind="build", method="POST", path="/deployments")
    done = redeploy(vercel, project)
    assert done.state is RedeployState.FAILED and done.after is not None and done.after.state == "ERROR"
    assert "exited with 1" in done.why and "vercel.com" in done.why
    assert running(vercel) == before


def test_a_build_that_never_ends_is_waited_for_within_bounds(vercel: Place) -> None:
    project, before = vercel.project(), running(vercel)
    vercel.fault(kind="stuck", method="POST", path="/deployments")
    done = redeploy(vercel, project, seconds=60.0)
    assert done.state is RedeployState.FAILED and "still BUILDING after 60 s" in done.why
    assert vercel.clock.time <= 60 and running(vercel) == before


PASSING: dict[str, list[dict[str, Any]]] = {
    "500": [{"method": "POST", "path": "/deployments", "status": 500, "times": 2}],
    "429": [{"method": "POST", "path": "/deployments", "status": 429, "retryAfter": 3}],
    "dropped": [{"method": "POST", "path": "/deployments", "kind": "drop"}],
    "a time-out": [{"method": "POST", "path": "/deployments", "kind": "timeout", "seconds": 2}],
    "looks that fail": [{"method": "GET", "path": "/deployments", "status": 503, "skip": 1, "times": 3}],
}


@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING.keys())
def test_faults_that_pass_end_in_one_deployment(vercel: Place, faults: list[dict[str, Any]]) -> None:
    project = vercel.project()
    for fault in faults:
        vercel.fault(**fault)
    assert redeploy(vercel, project).state is RedeployState.DONE
    assert made(vercel) == 1


def test_one_that_was_made_and_not_answered_is_found_and_not_made_again(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(method="POST", path="/deployments", kind="drop", applied=True)
    assert redeploy(vercel, project).state is RedeployState.DONE
    assert made(vercel) == 1


def test_somebody_elses_deployment_is_not_taken_for_ours(vercel: Place) -> None:
    project, former = vercel.project(), running(vercel)["deployment"]
    body = {"name": "eonpro", "deploymentId": former, "target": "production", "meta": {"action": "redeploy"}}
    vercel.api.post("/v13/deployments?slug=clinic&forceNew=1", json=body)
    vercel.fault(method="POST", path="/deployments", kind="drop")
    redeploy(vercel, project)
    assert made(vercel) == 2


def test_where_none_could_be_made_it_raises_and_the_former_runs_on(vercel: Place) -> None:
    project, former = vercel.project(), running(vercel)
    for status, kind in ((500, Unreachable), (403, PermissionDenied), (402, SetupError)):
        vercel.fault(method="POST", path="/deployments", status=status, times=99)
        with pytest.raises(kind):
            redeploy(vercel, project)
        vercel.api.delete("/_sandbox/faults")
    assert running(vercel) == former and made(vercel) == 0


def test_after_a_rollback_it_is_ready_and_not_in_production_and_that_is_said(vercel: Place) -> None:
    project = vercel.project()
    first = running(vercel)["deployment"]
    redeploy(vercel, project)
    vercel.api.post(f"/v9/projects/eonpro/rollback/{first}?slug=clinic")
    assert runs(vercel, project).id == first
    done = redeploy(vercel, project)
    assert done.state is RedeployState.FAILED and done.after is not None and done.after.state == "READY"
    assert f"vercel promote {done.after.name}" in done.why
    assert running(vercel)["deployment"] == first


def test_a_project_without_a_deployment_and_an_endpoint_that_does_not_tell(vercel: Place) -> None:
    vercel.api.post("/v11/projects?slug=clinic", json={"name": "api"})
    fresh = vercel.edge().find_project("clinic", "api")
    assert vercel.edge().current_deployment(fresh) is None
    vercel.fault(path="/v6/deployments", status=404)
    with pytest.raises(Unsupported):
        vercel.edge().current_deployment(fresh)


@pytest.mark.parametrize("environment", ["preview", "staging"])
def test_another_environments_stack_redeploys_its_own_and_never_production(vercel: Place, environment: str) -> None:
    vercel.api.post("/v9/projects/eonpro/custom-environments?slug=clinic", json={"slug": "staging"})
    project, former = vercel.edge().find_project("clinic", "eonpro", environment), running(vercel)
    assert vercel.edge().current_deployment(project) is None
    body: dict[str, Any] = {"name": "eonpro", "deploymentId": former["deployment"]}
    body |= {"customEnvironmentSlugOrId": environment} if environment == "staging" else {}
    vercel.api.post("/v13/deployments?slug=clinic&forceNew=1", json=body)
    for entry in vercel.api.get("/v6/deployments?slug=clinic&projectId=eonpro").json()["deployments"]:
        for _ in range(2):  # Each read is a step of the build.
            vercel.api.get(f"/v13/deployments/{entry['uid']}?slug=clinic")
    vercel.edge().deliver(project, BATCH)
    changed = vercel.edge().last_change(project)
    assert changed is not None and runs(vercel, project).made < changed
    done = redeploy(vercel, project)
    assert done.state is RedeployState.DONE and done.after == runs(vercel, project) and done.after.made > changed
    assert vercel.api.get(f"/_sandbox/deployment/eonpro?environment={environment}").json() == dict(BATCH.values)
    assert running(vercel) == former and vercel.edge().last_change(vercel.project()) is None
