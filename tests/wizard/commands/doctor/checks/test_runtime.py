"""What the doctor says of what runs: old values, remembered failures, and what nobody can see; over fakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.wizard.commands.doctor.stacks import Stand, causes, finding, is_well, unlooked
from tests.wizard.fakes.clients import ADMIN, APP, settings
from wizard.commands.doctor import check_codes as table
from wizard.commands.doctor.checks.runtime import of_the_deployment
from wizard.commands.doctor.diagnosis import NotChecked, Skipped
from wizard.core.errors import PermissionDenied
from wizard.core.models.audit import KeyCall
from wizard.core.models.deployment import Deployment

NOW = datetime.now(UTC)
DENIED = PermissionDenied("you may not", "ask for it")


def deployed(hours_ago: float) -> Deployment:
    made = NOW - timedelta(hours=hours_ago)
    return Deployment(target="vercel", id="dpl_1", name="portal-1.vercel.app", made=made, state="READY")


def use(hours_ago: float, error: str | None = None, principal: str = APP) -> KeyCall:
    return KeyCall(at=NOW - timedelta(hours=hours_ago), operation="Decrypt", principal=principal, error=error)


@pytest.fixture
def stand() -> Stand:
    """Variables of three hours ago, and a deployment of two hours ago."""
    made = Stand()
    made.vercel.deployment = deployed(2)
    made.vercel.changed_at = NOW - timedelta(hours=3)
    return made


def test_a_deployment_younger_than_its_variables_is_well(stand: Stand):
    assert is_well(stand.told(of_the_deployment))


def test_a_deployment_older_than_its_variables_is_started_anew(stand: Stand):
    stand.vercel.changed_at = NOW - timedelta(hours=1)
    found = finding(stand.told(of_the_deployment), "deployment-stale")
    assert found.command == "python -m wizard push --stack production --redeploy --yes"


def test_variables_whose_time_is_not_told_are_unknown(stand: Stand):
    stand.vercel.changed_at = None
    told = stand.told(of_the_deployment)
    assert causes(told) == [] and any(isinstance(each, NotChecked) for each in told)


def test_nothing_deployed_yet_holds_no_old_values(stand: Stand):
    stand.vercel.deployment = None
    assert is_well(stand.told(of_the_deployment))


def test_a_refused_load_that_was_never_followed_by_another_is_remembered(stand: Stand):
    stand.aws.key_calls = (use(0.5, "AccessDenied"), use(1, "AccessDenied"))
    found = finding(stand.told(of_the_deployment), "failure-remembered")
    assert "2 times" in found.what and "--redeploy" in found.command


@pytest.mark.parametrize(
    "uses",
    [
        (use(0.5), use(1, "AccessDenied")),
        (use(2.5, "AccessDenied"),),
        (use(0.5, "AccessDenied", principal=ADMIN),),
    ],
    ids=["opened since", "before the deployment", "somebody else"],
)
def test_no_other_refusal_is(stand: Stand, uses: tuple[KeyCall, ...]):
    stand.aws.key_calls = uses
    assert is_well(stand.told(of_the_deployment))


def test_the_role_of_a_session_is_known_without_its_path(stand: Stand):
    stand.aws.key_calls = (use(0.5, "AccessDenied", principal=APP.replace("role/", "role/clinic/")),)
    assert causes(stand.told(of_the_deployment)) == ["failure-remembered"]


def test_a_history_that_may_not_be_read_is_unknown(stand: Stand):
    stand.aws.failures["audit.key_calls"] = DENIED
    told = stand.told(of_the_deployment)
    assert [each.is_denied for each in told if isinstance(each, NotChecked)] == [True]


def test_pods_are_not_asked_and_that_is_no_lack_of_health():
    stand = Stand(
        settings=settings(deploy_targets=("eks",), eks_cluster="clinic", vercel_team=None, vercel_project=None)
    )
    assert [type(each) for each in stand.told(of_the_deployment)] == [Skipped]


def test_a_service_that_is_not_there_yet_holds_no_old_values_and_one_that_nobody_named_is_not_asked():
    named = settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="portal")
    assert is_well(Stand(settings=named).told(of_the_deployment))
    told = Stand(settings=settings(deploy_targets=("ecs",))).told(of_the_deployment)
    assert [type(each) for each in told] == [Skipped]
    unnamed = Stand(settings=settings(deploy_targets=("ecs",), ecs_cluster="clinic"))
    assert len(unlooked(unnamed.told(of_the_deployment))) == 1


def test_what_keeps_the_key_shut_explains_the_failure_that_is_remembered():
    for cause in ("key-disabled", "policy-detached", "variable-truncated", "boundary-denies"):
        assert "failure-remembered" in table.explained_by([cause])
    assert "failure-remembered" not in table.explained_by(["deployment-stale"])
