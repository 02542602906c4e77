"""What the doctor says of what runs: old values, remembered failures, and what nobody can see; over fakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.wizard.account.stacks import CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import ADMIN, APP, settings
from tests.wizard.fakes.ecs import BEGAN
from wizard.account import codes as table
from wizard.account.judgements.runtime import check_deployments, check_start, check_task_definition
from wizard.account.notices import State
from wizard.core.errors import PermissionDenied
from wizard.core.models.deployment import Deployment, ReleaseStage, ReleaseState, RollingRelease
from wizard.core.models.stack import StackState
from wizard.core.models.trail import KeyCall
from wizard.core.next_command import shell
from wizard.inputs.application_readers import read_code

NOW = datetime.now(UTC)
DENIED = PermissionDenied("you may not", "ask for it")
GO_ON = shell("vercel", "rolling-release", "approve")


def deployed(hours_ago: float) -> Deployment:
    made = NOW - timedelta(hours=hours_ago)
    return Deployment(target="vercel", id="dpl_1", name="portal-1.vercel.app", made=made, state="READY")


def use(hours_ago: float, error: str | None = None, principal: str = APP) -> KeyCall:
    return KeyCall(at=NOW - timedelta(hours=hours_ago), operation="Decrypt", principal=principal, error=error)


@pytest.fixture
def stand() -> CheckedStack:
    """Variables of three hours ago, and a deployment of two hours ago."""
    made = CheckedStack()
    made.vercel.deployment = deployed(2)
    made.vercel.changed_at = NOW - timedelta(hours=3)
    return made


def test_variables_whose_time_is_not_told_are_unknown(stand: CheckedStack):
    stand.vercel.changed_at = None
    notices = stand.notices(check_deployments)
    assert causes(notices) == [] and any(each.state is State.UNKNOWN for each in notices)


def test_a_refused_load_that_was_never_followed_by_another_is_remembered(stand: CheckedStack):
    stand.aws.key_calls = (use(0.5, "AccessDenied"), use(1, "AccessDenied"))
    found = finding(stand.notices(check_deployments), "failure-remembered")
    assert "2 times" in found.what and "--redeploy" in found.command


@pytest.mark.parametrize(
    "uses",
    [(use(0.5), use(1, "AccessDenied")), (use(2.5, "AccessDenied"),), (use(0.5, "AccessDenied", principal=ADMIN),)],
    ids=["opened since", "before the deployment", "somebody else"],
)
def test_no_other_refusal_is(stand: CheckedStack, uses: tuple[KeyCall, ...]):
    stand.aws.key_calls = uses
    assert all_passed(stand.notices(check_deployments))


def test_a_refusal_in_the_second_of_the_start_is_of_what_was_started(stand: CheckedStack):
    """CloudTrail's times are whole seconds; Vercel's are not."""
    second = (NOW - timedelta(hours=1)).replace(microsecond=0)
    stand.vercel.deployment = replace(deployed(2), made=second + timedelta(milliseconds=700))
    stand.aws.key_calls = (replace(use(1, "AccessDenied"), at=second),)
    assert causes(stand.notices(check_deployments)) == ["failure-remembered"]


def test_a_history_that_may_not_be_read_is_unknown(stand: CheckedStack):
    stand.aws.failures["audit.key_calls"] = DENIED
    notices = stand.notices(check_deployments)
    assert [each.is_denied for each in notices if each.state is State.UNKNOWN] == [True]


def test_pods_are_not_asked_and_that_is_no_lack_of_health():
    stand = CheckedStack(
        settings=settings(deploy_targets=("eks",), eks_cluster="clinic", vercel_team=None, vercel_project=None)
    )
    assert [each.state for each in stand.notices(check_deployments)] == [State.PERSON]


def test_a_service_that_is_not_there_is_for_a_person_to_deploy_and_one_that_nobody_named_is_not_asked():
    named = settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="portal")
    assert [each.state for each in CheckedStack(settings=named).notices(check_deployments)] == [State.PERSON]
    notices = CheckedStack(settings=settings(deploy_targets=("ecs",))).notices(check_deployments)
    assert [each.state for each in notices] == [State.PERSON]
    unnamed = CheckedStack(settings=settings(deploy_targets=("ecs",), ecs_cluster="clinic"))
    assert [each.state for each in unnamed.notices(check_deployments)] == [State.PERSON]
    unnamed.aws.ecs_services.have({"family": "clinic", "containerDefinitions": []})
    assert len(not_checked(unnamed.notices(check_deployments))) == 1


@pytest.mark.parametrize("given", [{"environment": "value"}, {"secrets": "valueFrom"}], ids=str)
def test_records_of_two_keys_are_named_where_the_tasks_have_a_key_from_before(given: dict[str, str]):
    stand = CheckedStack(settings=settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="web"))
    [(place, form)] = given.items()
    container = {"name": "web", place: [{"name": "ENCRYPTION_KEY", form: "ab" * 32}]}
    stand.aws.ecs_services.have({"family": "clinic", "containerDefinitions": [container]})
    assert isinstance(stand.state, StackState) and stand.state.outputs is not None
    secrets = (("AWS_REGION", "arn:aws:ssm:us-east-1:111122223333:parameter/eonpro/production/AWS_REGION"),)
    stand.state = replace(stand.state, outputs=replace(stand.state.outputs, task_secrets=secrets))
    notices = stand.notices(check_task_definition)
    found = next(each for each in notices if each.state is State.WRONG and each.code == "former-key-beside")
    assert "the container web of the ECS service clinic/web" in found.what and "ab" * 32 not in repr(found)


def test_a_service_that_lacks_the_variables_is_not_told_to_have_older_ones():
    stand = CheckedStack(settings=settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="web"))
    stand.aws.ecs_services.have({"family": "clinic", "containerDefinitions": [{"name": "web"}]})
    stand.aws.ecs_services.written = BEGAN - timedelta(days=90)
    found = finding(stand.notices(check_deployments), "deployment-stale")
    assert found.what == (
        "the service on ECS, clinic/web, does not have the values: its task definition clinic:1 does not read them "
        "from the stack's store"
    )
    assert "deployment-stale" in table.implied_by(["task-definition-behind"])


# --- rolling releases


def rolling(state: ReleaseState, *, hours_ago: float) -> RollingRelease:
    """Of a deployment that was created that many hours ago."""
    stages = tuple(
        ReleaseStage(index=index, percentage=percentage, needs_approval=percentage < 100, seconds=None)
        for index, percentage in enumerate((10, 50, 100))
    )
    canary = replace(deployed(hours_ago), id="dpl_2", name="portal-2.vercel.app")
    active = stages[0] if state is ReleaseState.ACTIVE else None
    return RollingRelease(state=state, canary=canary, stages=stages, active=active, command=GO_ON)


def test_a_healthy_rolling_release_of_the_new_values_has_its_stage_and_its_command(stand: CheckedStack):
    stand.vercel.changed_at = NOW - timedelta(hours=1)
    stand.vercel.release = rolling(ReleaseState.ACTIVE, hours_ago=0.5)
    found = finding(stand.notices(check_deployments), "deployment-rolling")
    assert "portal-2.vercel.app has the new ones: its rolling release is at stage 1 of 3, 10 %" in found.what
    assert found.command == GO_ON
    assert "deployment-stale" not in causes(stand.notices(check_deployments))


@pytest.mark.parametrize(
    ("state", "hours_ago", "words"),
    [
        (ReleaseState.ABORTED, 0.5, "portal-2.vercel.app had the new values: its rolling release was aborted"),
        (ReleaseState.ACTIVE, 1.5, "portal-2.vercel.app does not have the new values: its rolling release is at stage"),
    ],
)
def test_one_that_was_aborted_or_is_older_leaves_a_stale_deployment(
    stand: CheckedStack, state: ReleaseState, hours_ago: float, words: str
):
    stand.vercel.changed_at = NOW - timedelta(hours=1)
    stand.vercel.release = rolling(state, hours_ago=hours_ago)
    found = finding(stand.notices(check_deployments), "deployment-stale")
    assert words in found.what and found.command == "python -m wizard push --stack production --redeploy --yes"


@pytest.mark.parametrize(
    ("scripts", "state", "what"),
    [
        ("phi check && next build", State.GOOD, "checks its key before it starts"),
        ("next build", State.PERSON, "phi check"),
    ],
)
def test_a_build_that_does_not_check_its_key_is_a_notice_and_no_fault(
    tmp_path: Path, scripts: str, state: State, what: str
):
    package = {"dependencies": {"@eonpro/phi": "0.2.0"}, "scripts": {"build": scripts}}
    (tmp_path / "package.json").write_text(json.dumps(package))
    stand = CheckedStack(read_code=partial(read_code, tmp_path))
    [notice] = stand.notices(check_start)
    assert notice.state is state and not notice.code and what in notice.what
