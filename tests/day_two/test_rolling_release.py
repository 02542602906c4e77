"""A rolling release of Vercel as a person meets it: push, status and doctor say how far it is, and nobody ends it.

Touches the deployment that is set up once for Vercel; the project has no rolling releases afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.onboarding.deployment import Deployment

PLACE = "/v1/projects/eonpro/rolling-release"
STAGES = [{"targetPercentage": 10}, {"targetPercentage": 100}]


@pytest.fixture
def deployment(on_vercel: Deployment) -> Iterator[Deployment]:
    # The deployment from before the set-up runs, whatever was deployed since.
    listed = on_vercel.vercel("GET", "/v6/deployments", target="production", limit="100")["deployments"]
    on_vercel.vercel("POST", f"/v10/projects/eonpro/promote/{listed[-1]['uid']}", {})
    body = {"enabled": True, "advancementType": "manual-approval", "stages": STAGES}
    on_vercel.vercel("PATCH", f"{PLACE}/config", body)
    yield on_vercel
    on_vercel.vercel("PATCH", f"{PLACE}/config", {"enabled": False})
    on_vercel.wizard("push", "--redeploy")


def release(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = deployment.vercel("GET", PLACE)["rollingRelease"]
    return found


def causes(deployment: Deployment) -> list[str]:
    document = deployment.wizard("doctor", "--json", expect=None).document
    return [finding["cause"] for finding in document["findings"] + document["consequences"]]


@pytest.mark.thorough
def test_a_push_is_waiting_with_its_stage_and_the_approval_ends_it(deployment: Deployment) -> None:
    former = deployment.runs()["deployment"]
    pushed = deployment.wizard("push", "--redeploy", "--json").document
    (waiting,) = pushed["redeploys"]
    assert (waiting["state"], pushed["ok"]) == ("waiting", True)
    assert "stage 1 of 2, 10 % of the traffic" in waiting["why"]
    canary = release(deployment)["canaryDeployment"]["id"]
    assert f"approve --currentStageIndex=0 --dpl={canary}" in waiting["command"]
    assert (deployment.runs()["deployment"], release(deployment)["state"]) == (former, "ACTIVE")
    assert "deployment-rolling" in causes(deployment)
    assert "its rolling release is at stage 1 of 2" in " ".join(deployment.wizard("status", expect=1).out.split())
    again = deployment.wizard("push", "--redeploy", "--json").document
    assert again["redeploys"][0]["after"]["id"] == canary
    body = {"nextStageIndex": 1, "canaryDeploymentId": canary}
    deployment.vercel("POST", f"{PLACE}/approve-stage", body)
    assert deployment.runs()["deployment"] == canary
    assert deployment.wizard("push", "--json").document["staleInstances"] == []
    assert "deployment-rolling" not in causes(deployment)
