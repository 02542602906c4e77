"""The redeploy that is offered: when it is, who answers, and what is said of instances that hold old values."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.wizard.commands.push.push_documents import AT, RUNS
from tests.wizard.commands.push.test_push import PushWorld
from tests.wizard.fakes.clients import settings
from wizard.core.errors import PermissionDenied, Unsupported
from wizard.core.models.deployment import ReleaseStage, ReleaseState, RollingRelease
from wizard.core.models.inputs import Mark
from wizard.core.next_command import shell

LATER = AT + timedelta(hours=1)


@pytest.fixture
def world() -> PushWorld:
    """Production runs a deployment that is older than the last change of its variables."""
    made = PushWorld()
    made.stand()
    made.vercel.deployment, made.vercel.changed_at = RUNS, LATER
    return made


def states(document: Any) -> list[str]:
    return [each["state"] for each in document["redeploys"]]


def stale(document: Any) -> list[tuple[str, bool]]:
    return [(each["target"], each["known"]) for each in document["staleInstances"]]


def test_old_values_are_told_even_where_nothing_was_written_and_unattended_nothing_is_started(world) -> None:
    document = world.push()
    assert [each["state"] for each in document["delivered"]] == ["unchanged"]
    assert "production on Vercel runs with outdated values" in world.warned
    assert "as of 2026-03-01 12:00:00 UTC" in world.warned
    assert "vercel.redeploy" not in world.log
    assert (states(document), stale(document), world.code) == (["skipped"], [("vercel", True)], 0)
    assert "python -m wizard push --redeploy --stack production" in world.ui.said


def test_yes_is_no_word_for_a_redeploy(world) -> None:
    document = world.push(request={"yes": True})
    assert states(document) == ["skipped"] and "vercel.redeploy" not in world.log


def test_redeploy_starts_it_anew_and_nothing_is_stale(world) -> None:
    document = world.push(redeploy=True)
    (done,) = document["redeploys"]
    assert (done["state"], done["before"]["id"], done["after"]["id"]) == ("done", "dpl_1", "dpl_2")
    assert (stale(document), world.code) == ([], 0)
    again = world.push()
    assert (again["redeploys"], again["staleInstances"]) == ([], [])


@pytest.mark.parametrize(("answer", "state"), [(True, "done"), (False, "skipped")])
def test_a_person_is_asked(world, answer: bool, state: str) -> None:
    world.ui.interactive, world.ui.confirms = True, [answer]
    assert states(world.push()) == [state]
    assert "ui.confirm Redeploy production on Vercel now?" in world.log


def test_a_build_that_fails_leaves_the_former_and_is_exit_code_1(world) -> None:
    world.vercel.build_fails = "npm run build exited with 1"
    document = world.push(redeploy=True)
    (done,) = document["redeploys"]
    assert (done["state"], done["why"]) == ("failed", "npm run build exited with 1")
    assert (document["ok"], world.code, stale(document)) == (False, 1, [("vercel", True)])
    assert any(mark is Mark.FAIL and "the former deployment keeps running" in text for mark, text in world.ui.marked)


def test_a_redeploy_that_may_not_be_is_told_after_the_delivery_that_was_made(world) -> None:
    world.vercel.variables.clear()
    world.vercel.failures["redeploy"] = PermissionDenied("the token may not deploy", "make another")
    document = world.push(redeploy=True)
    assert [each["state"] for each in document["delivered"]] == ["written"]
    assert (states(document), document["redeploys"][0]["why"], world.code) == (
        ["failed"],
        "the token may not deploy (make another)",
        1,
    )


def test_what_has_the_values_is_not_offered_and_is_started_anew_on_demand(world) -> None:
    """A failed key load is remembered for the life of a process: a restart has to be had."""
    world.vercel.changed_at = AT
    world.ui.interactive = True
    assert world.push()["redeploys"] == []
    assert "vercel.redeploy" not in world.log
    assert states(world.push(redeploy=True)) == ["done"]


def test_what_cannot_be_known_is_told_as_unknown(world) -> None:
    world.vercel.failures["current_deployment"] = Unsupported("it does not tell of deployments", "look")
    document = world.push()
    assert (document["redeploys"], stale(document), world.code) == ([], [("vercel", False)], 0)
    assert "production on Vercel: whether the new values are in use is not known" in world.warned
    assert states(world.push(redeploy=True)) == ["failed"]
    assert world.code == 1


def test_on_ecs_without_a_service_it_is_unknown_and_a_wish_for_it_is_told_as_failed(world) -> None:
    world.stand(settings(deploy_targets=("ecs",)))
    world.given.clear()
    document = world.push()
    assert (document["redeploys"], stale(document)) == ([], [("ecs", False)])
    assert "the service on ECS: whether the new values are in use is not known" in world.warned
    assert states(world.push(redeploy=True)) == ["failed"] and world.code == 1


@pytest.mark.parametrize(
    ("service", "what"),
    [("portal", "the service clinic/portal does not exist yet"), (None, "the cluster clinic has no service yet")],
)
def test_without_a_service_push_says_that_there_is_none(world, service, what) -> None:
    world.stand(settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service=service))
    world.given.clear()
    document = world.push(redeploy=True)
    assert (document["redeploys"], document["staleInstances"], world.code) == ([], [], 0)
    assert f"the service on ECS: {what}, so nothing runs with outdated values" in world.ui.said


def test_a_service_that_lacks_the_variables_is_told_so_and_no_time_is_given_as_the_reason(world) -> None:
    world.stand(settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="web"))
    world.given.clear()
    world.aws.ecs_services.have({"family": "clinic", "containerDefinitions": [{"name": "web"}]})
    document = world.push()
    why = "its task definition clinic:1 does not read them from the stack's store"
    assert document["staleInstances"][0]["why"] == why
    assert f"the service on ECS does not have the values: clinic/web (ecs-svc/web-0): {why}" in world.ui.said


# --- rolling releases


STAGES = (
    ReleaseStage(index=0, percentage=10, needs_approval=True, seconds=None),
    ReleaseStage(index=1, percentage=100, needs_approval=False, seconds=None),
)
APPROVE = shell(
    *("vercel", "rolling-release", "approve", "--currentStageIndex=0", "--dpl=dpl_2"),
    *("--project", "eonpro", "--scope", "clinic"),
)


def release(state: ReleaseState, *, hours_after_change: float = 1) -> RollingRelease:
    """One of a deployment that was created that many hours after the last change of the variables."""
    canary = replace(RUNS, id="dpl_2", name="eonpro-2.vercel.app", made=LATER + timedelta(hours=hours_after_change))
    active = STAGES[0] if state is ReleaseState.ACTIVE else None
    return RollingRelease(state=state, canary=canary, current=RUNS, stages=STAGES, active=active, command=APPROVE)


def test_a_release_under_way_of_the_new_values_is_waiting_and_no_other_redeploy_is_offered(world) -> None:
    world.ui.interactive, world.vercel.release = True, release(ReleaseState.ACTIVE)
    document = world.push()
    (waiting,) = document["redeploys"]
    assert (waiting["state"], waiting["after"]["id"], waiting["command"]) == ("waiting", "dpl_2", APPROVE)
    assert "stage 1 of 2, 10 % of the traffic" in waiting["why"]
    assert (document["ok"], world.code, stale(document)) == (True, 0, [("vercel", True)])
    assert "vercel.redeploy" not in world.log and not [call for call in world.log if call.startswith("ui.confirm")]
    assert world.ui.said.count(APPROVE) == 1 and "promote" not in str(document)


def test_a_redeploy_follows_it_and_does_not_wait_for_its_end(world) -> None:
    world.vercel.release = release(ReleaseState.ACTIVE)
    world.push(redeploy=True)
    assert "vercel.redeploy" in world.log and world.vercel.waited_for_release is False


def test_a_release_of_outdated_values_is_said_beside_the_question(world) -> None:
    world.ui.interactive, world.ui.confirms = True, [False]
    world.vercel.release = release(ReleaseState.ACTIVE, hours_after_change=-2)
    assert states(world.push()) == ["skipped"]
    assert "eonpro-2.vercel.app has outdated values too" in world.warned
    assert "ui.confirm Redeploy production on Vercel now?" in world.log


def test_an_aborted_release_is_said_as_such(world) -> None:
    world.vercel.release = release(ReleaseState.ABORTED)
    assert states(world.push()) == ["skipped"]
    assert "eonpro-2.vercel.app had the values: its rolling release was aborted" in world.warned
