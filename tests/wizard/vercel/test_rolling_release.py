"""Rolling releases on Vercel against the stand-in: waiting, complete, aborted, followed, never ended by a promotion."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest

from sandbox.vercel import create_app
from tests.wizard.vercel.test_client import BATCH, TOKEN, Place, serve
from tests.wizard.vercel.test_deployments import made, redeploy, running, runs
from wizard.core.errors import Unreachable
from wizard.core.models.deployment import Redeployed, RedeployState
from wizard.core.models.vercel import VercelProject
from wizard.vercel.answers import Release
from wizard.vercel.client import VercelClient
from wizard.vercel.deployments import APPROVAL_SECONDS, parse_release

PROJECT = VercelProject(id="prj_1", name="eonpro", team_id=None, team_slug="clinic")

PLACE = "/v1/projects/eonpro/rolling-release"
APPROVED = [{"targetPercentage": 10}, {"targetPercentage": 50}, {"targetPercentage": 100}]
TIMED = [{"targetPercentage": 10, "duration": 5}, {"targetPercentage": 100}]
LONG = [{"targetPercentage": 10, "duration": 600}, {"targetPercentage": 100}]


class World(Place):
    """The stand-in with a client whose pauses can do something, and what the client reported."""

    app: flask.Flask
    reported: list[str]
    edge_options: dict[str, Any]

    def edge(self, token: str = TOKEN, **more: Any) -> VercelClient:
        options = {"sleep": self.clock.sleep, **self.edge_options, **more}
        edge = VercelClient(token=token, base_url=self.url, timeout=0.5, now=self.clock.now, **options)
        self.edges.append(edge)
        return edge


@pytest.fixture
def vercel() -> Iterator[World]:
    app = create_app(token=TOKEN, team="clinic", project="eonpro")
    for place in serve(app):
        world = World(url=place.url, api=place.api, clock=place.clock)
        world.app, world.reported, world.edge_options = app, [], {}
        yield world
        for edge in world.edges:
            edge.close()


def configure(vercel: World, stages: list[dict[str, int]] = APPROVED) -> None:
    kind = "automatic" if "duration" in stages[0] else "manual-approval"
    body = {"enabled": True, "advancementType": kind, "stages": stages}
    assert vercel.api.patch(f"{PLACE}/config?slug=clinic", json=body).status_code == 200


def release(vercel: World) -> dict[str, Any]:
    found: dict[str, Any] = vercel.api.get(f"{PLACE}?slug=clinic").json()["rollingRelease"]
    return found


def test_a_healthy_rolling_release_is_waiting_with_its_stage_and_the_command_for_it(vercel: World) -> None:
    configure(vercel)
    former = running(vercel)["deployment"]
    done = redeploy(vercel, vercel.project())
    assert (done.state, done.after and done.after.state) == (RedeployState.WAITING, "READY")
    assert "stage 1 of 3" in done.why and "10 %" in done.why and "promote" not in done.why + done.command
    canary = release(vercel)["canaryDeployment"]["id"]
    assert done.command == (
        f"vercel rolling-release approve --currentStageIndex=0 --dpl={canary} --project eonpro --scope clinic"
    )
    assert release(vercel)["state"] == "ACTIVE" and running(vercel)["deployment"] == former


def canary_of(vercel: World) -> str:
    return str(release(vercel)["canaryDeployment"]["id"])


def after_each_pause(vercel: World, *acts: Callable[[], object]) -> None:
    """Do one act in each pause of the client, the last of which is one too many to be waited for."""
    waiting = list(acts)

    def sleep(seconds: float) -> None:
        vercel.clock.slept.append(seconds)
        vercel.clock.time += seconds
        if waiting and release(vercel) is not None:
            waiting.pop(0)()

    vercel.edge_options = {"sleep": sleep}


def followed(vercel: World, **more: Any) -> Redeployed:
    edge, reported = vercel.edge(), vercel.reported
    project = edge.find_project("clinic", "eonpro")
    former = edge.current_deployment(project)
    assert former is not None
    return edge.redeploy(project, former, tell=reported.append, changed=edge.last_change(project), **more)


def approve(vercel: World, index: int) -> Callable[[], object]:
    def act() -> object:
        body = {"nextStageIndex": index, "canaryDeploymentId": canary_of(vercel)}
        return vercel.api.post(f"{PLACE}/approve-stage?slug=clinic", json=body)

    return act


def passing(vercel: World, minutes: int) -> Callable[[], object]:
    return lambda: vercel.api.post(f"/_sandbox/rolling-release/eonpro/minutes/{minutes}")


def abort(vercel: World) -> object:
    return vercel.api.post(f"/v9/projects/eonpro/rollback/{canary_of(vercel)}?slug=clinic", json={})


def test_it_is_waited_for_until_complete_where_that_is_asked_for(vercel: World) -> None:
    configure(vercel)
    after_each_pause(vercel, approve(vercel, 1), approve(vercel, 2))
    done = followed(vercel, until_complete=True)
    assert (done.state, release(vercel)["state"]) == (RedeployState.DONE, "COMPLETE")
    assert done.after is not None and running(vercel)["deployment"] == done.after.id
    stages = [line for line in vercel.reported if "stage" in line]
    assert ["stage 1 of 3" in stages[0], "stage 2 of 3" in stages[1], len(stages)] == [True, True, 2]
    assert any(line.startswith("to let it go on: vercel rolling-release approve") for line in vercel.reported)


def test_nobody_who_approves_is_not_waited_for_without_end(vercel: World) -> None:
    configure(vercel)
    done = followed(vercel, until_complete=True)
    assert (done.state, done.is_shared) == (RedeployState.WAITING, True)
    assert APPROVAL_SECONDS - 30 <= sum(vercel.clock.slept) <= APPROVAL_SECONDS + 30


def test_one_that_goes_on_by_itself_is_waited_for_where_its_time_fits(vercel: World) -> None:
    configure(vercel, TIMED)
    after_each_pause(vercel, passing(vercel, 5))
    assert followed(vercel).state is RedeployState.DONE
    assert release(vercel)["state"] == "COMPLETE"


def test_one_that_takes_longer_is_waiting_at_once(vercel: World) -> None:
    configure(vercel, LONG)
    done = followed(vercel)
    assert (done.state, sum(vercel.clock.slept) < 60) == (RedeployState.WAITING, True)
    assert "the next stage begins by itself, 600 min after the last" in done.why
    assert done.command == "vercel rolling-release fetch --project eonpro --scope clinic"


def test_an_aborted_one_is_said_as_such_and_the_former_runs_on(vercel: World) -> None:
    configure(vercel)
    former = running(vercel)
    after_each_pause(vercel, lambda: abort(vercel))
    done = followed(vercel, until_complete=True)
    assert (done.state, done.is_shared) == (RedeployState.FAILED, False)
    assert "its rolling release was aborted at" in done.why and "vercel rolling-release start --dpl=" in done.why
    assert "promote" not in done.why and running(vercel) == former


def test_the_same_command_again_follows_the_release_and_makes_no_second_deployment(vercel: World) -> None:
    configure(vercel)
    vercel.edge().deliver(vercel.project(), BATCH)
    first = followed(vercel)
    again = followed(vercel)
    assert (first.state, again.state) == (RedeployState.WAITING, RedeployState.WAITING)
    assert first.after is not None and again.after is not None and again.after.id == first.after.id
    assert made(vercel) == 1 and "no other deployment is created" in " ".join(vercel.reported)
    after_each_pause(vercel, approve(vercel, 1), approve(vercel, 2))
    assert followed(vercel, until_complete=True).state is RedeployState.DONE
    assert made(vercel) == 1


def test_a_release_of_outdated_values_is_not_followed_and_the_new_one_waits_for_its_end(vercel: World) -> None:
    configure(vercel)
    followed(vercel)
    older = release(vercel)["canaryDeployment"]["url"]
    vercel.edge().deliver(vercel.project(), BATCH)
    done = followed(vercel)
    assert (done.state, done.is_shared) == (RedeployState.WAITING, False)
    assert f"it waits for the end of the rolling release of {older}" in done.why and "promote" not in done.why
    assert done.command.startswith("vercel rolling-release approve --currentStageIndex=0")
    assert made(vercel) == 2 and release(vercel)["queuedDeploymentId"] == (done.after and done.after.id)


def test_what_runs_during_a_release_is_the_former_one(vercel: World) -> None:
    configure(vercel)
    former = running(vercel)["deployment"]
    followed(vercel)
    assert runs(vercel, vercel.project()).id == former
    found = vercel.edge().rolling_release(vercel.project())
    assert found is not None and (found.is_active, found.canary.id) == (True, canary_of(vercel))


def test_an_endpoint_that_names_the_canary_as_production_does_not_hide_the_release(vercel: World) -> None:
    """A fake answer of the project, whose `targets` has the deployment that is ROLLING."""
    configure(vercel)
    former = running(vercel)["deployment"]
    followed(vercel)
    canary = canary_of(vercel)
    entry = vercel.api.get(f"/v13/deployments/{canary}?slug=clinic").json()
    named = {"production": {**entry, "readySubstate": "ROLLING"}}

    def rename(response: flask.Response) -> flask.Response:
        if flask.request.path.startswith("/v9/projects/prj_") and response.is_json:
            response.set_data(json.dumps({**response.get_json(), "targets": named}))
        return response

    vercel.app.after_request_funcs[None].append(rename)
    assert runs(vercel, vercel.project()).id == former


def test_without_an_answer_about_the_release_it_waits_and_is_never_promoted(vercel: World) -> None:
    configure(vercel)
    vercel.fault(path="/rolling-release", status=404, times=999)
    done = followed(vercel)
    assert (done.state, done.is_shared) == (RedeployState.WAITING, True)
    assert "promote" not in done.why + done.command and done.command.startswith("vercel rolling-release fetch")


def test_a_release_that_the_dashboard_completes_at_once_is_done(vercel: World) -> None:
    configure(vercel)
    after_each_pause(
        vercel,
        lambda: vercel.api.post(f"{PLACE}/complete?slug=clinic", json={"canaryDeploymentId": canary_of(vercel)}),
    )
    assert followed(vercel, until_complete=True).state is RedeployState.DONE


def test_names_of_somebody_else_are_quoted_in_the_command() -> None:
    active = {"index": 0, "targetPercentage": 10, "requireApproval": True}
    canary = {"id": "dpl_1; rm -rf x", "url": "a\nb\x1b[31m", "createdAt": 1_700_000_000_000}
    body = {"state": "ACTIVE", "canaryDeployment": canary, "activeStage": active}
    release = parse_release(Release.model_validate(body), PROJECT)
    assert release is not None
    assert shlex.split(release.command)[4] == "--dpl=dpl_1; rm -rf x" and "\n" not in release.canary.name


def test_an_endpoint_that_stops_answering_leaves_it_waiting_and_not_failed(vercel: World) -> None:
    configure(vercel)
    # The first question is answered: whether another release is under way.
    vercel.fault(path="/rolling-release", kind="drop", times=999, skip=1)
    done = followed(vercel)
    assert (done.state, done.is_shared, done.after is not None) == (RedeployState.WAITING, True, True)
    assert "is unknown" in done.why and done.command == "vercel rolling-release fetch --project eonpro --scope clinic"
    assert made(vercel) == 1


def test_an_endpoint_that_answers_again_is_asked_again(vercel: World) -> None:
    configure(vercel)
    vercel.fault(path="/rolling-release", kind="drop", times=4, skip=1)
    done = followed(vercel)
    assert done.state is RedeployState.WAITING and "stage 1 of 3" in done.why


@pytest.mark.thorough
def test_without_knowing_whether_a_release_is_under_way_nothing_is_deployed(vercel: World) -> None:
    configure(vercel)
    vercel.fault(path="/rolling-release", kind="drop", times=999)
    with pytest.raises(Unreachable):
        followed(vercel)
    assert made(vercel) == 0
