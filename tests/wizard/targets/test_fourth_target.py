"""A deploy target that no module knows: registered by this one file, and set up, pushed to, and shown by `status`.

Touches nothing; the clients are fakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

import pytest

from components.policies.boundary import boundary_of
from components.policies.documents import Statement
from components.policies.stack import application_trust_of
from components.settings import Outputs, Settings, Target
from components.targets.platform import Platform, Reader, platforms
from tests.wizard.commands.push.test_push import PushWorld
from tests.wizard.commands.status.test_command import World as StatusWorld
from tests.wizard.fakes.clients import OUTPUTS, FakeAwsClient, settings
from tests.wizard.setup.test_workflow import World
from wizard.account.comparison.policies import own_principals
from wizard.core.errors import CredentialsError, DataKeyConflict, SetupError
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState
from wizard.core.models.deployment import Deployment, Instances, Redeployed, RedeployState
from wizard.core.models.stack import HealthStatus
from wizard.core.target_context import TargetContext
from wizard.setup import plan, report
from wizard.targets.port import DeployTarget, NextStep, TargetDescription, registry

NAME = "nomad"
STARTED = datetime(2026, 3, 1, tzinfo=UTC)
CHANGED = datetime(2026, 4, 1, tzinfo=UTC)


class Nomad(DeployTarget):
    """A job on Nomad, which keeps its variables itself."""

    name = NAME
    title = "HashiCorp Nomad"
    can_redeploy = True

    def __init__(self) -> None:
        self.variables: dict[str, AppVariables] = {}
        self.restarts = 0

    def deliver(
        self, context: TargetContext, variables: Mapping[str, AppVariables], **options: Any
    ) -> Iterator[Delivered]:
        for region, batch in variables.items():
            is_new = self.variables.get(region) != batch
            self.variables[region] = batch
            yield Delivered(
                target=NAME,
                place="Nomad nomad/jobs/portal",
                state=DeliveryState.WRITTEN if is_new else DeliveryState.UNCHANGED,
                fingerprint=batch.wrapped.fingerprint,
                checked_by="values read back",
                region=region,
            )

    def missing(self, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        lacking = [region for region, batch in variables.items() if self.variables.get(region) != batch]
        return f"the job lacks the variables of {', '.join(lacking)}" if lacking else None

    def running(self, context: TargetContext) -> Instances:
        deployment = Deployment(target=NAME, id="job-1", name="portal", made=STARTED, state="running")
        return Instances(target=NAME, deployment=deployment, changed=CHANGED, stale=not self.restarts)

    def redeploy(self, context: TargetContext, running: Instances, **how: Any) -> Redeployed:
        self.restarts += 1
        return Redeployed(target=NAME, state=RedeployState.DONE, before=running.deployment, after=running.deployment)

    def runtime(self, settings: Settings) -> str:
        return "the job on Nomad"

    def destination(self, settings: Settings) -> str:
        return "the Nomad job portal"

    def summary(self, settings: Settings) -> tuple[str, str, str]:
        return "Nomad", "the job portal", "target"

    def describe(self, settings: Settings) -> TargetDescription:
        return TargetDescription(place="portal", identity="workload identity", reads_from="Nomad variables")

    def next_steps(self, settings: Settings, outputs: Outputs, stack: str) -> Iterator[NextStep]:
        yield NextStep(what="Restart the job.", verbatim="nomad job restart portal")


class OnNomad(Platform):
    """What the stack has for it: a trust, and the application's own role as the reader of the variables."""

    name: ClassVar[Any] = NAME

    def trust(self, settings: Settings) -> list[Statement]:
        return [
            {
                "Sid": "TrustNomad",
                "Effect": "Allow",
                "Principal": {"Service": "nomad.example"},
                "Action": "sts:AssumeRole",
            }
        ]

    def reader(self, settings: Settings) -> Reader:
        return Reader(target=self.name, attachment="-nomad", one_by_one=True)


@pytest.fixture
def nomad(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nomad]:
    """The target, known to the settings, to the stack and to the wizard."""
    made = Nomad()
    member: Any = str.__new__(Target, NAME)
    member._name_, member._value_ = NAME.upper(), NAME
    with monkeypatch.context() as patch:
        patch.setitem(cast(dict[str, Platform], platforms()), NAME, OnNomad())
        # Its one line in `components.settings.application`.
        patch.setitem(Target._member_map_, NAME.upper(), member)
        patch.setitem(Target._value2member_map_, NAME, member)
        patch.setattr(Target, "_member_names_", [*Target._member_names_, NAME.upper()])
        patch.setitem(registry(), NAME, made)
        Settings.model_rebuild(force=True)
        yield made
    Settings.model_rebuild(force=True)


ALONE = ("vercel_token", "vercel_team", "vercel_project", "vercel_access")
"""The answers of a run to Vercel that no other target needs."""


def set_up(nomad: Nomad) -> tuple[World, report.Report]:
    world = World()
    for key in ALONE:
        world.given.pop(key, None)
    world.given["target"] = (NAME,)
    return world, world.setup()


def test_setup_delivers_verifies_and_says_what_comes_next(nomad: Nomad) -> None:
    world, done = set_up(nomad)
    assert [(each.target, each.state) for each in done.delivered] == [(NAME, DeliveryState.WRITTEN)]
    assert [each.target for each in done.proofs] == [NAME] and not done.failed
    assert nomad.variables["us-east-1"].wrapped == done.stored_data_key.wrapped
    assert report.next_steps(done)[0].verbatim == "nomad job restart portal"
    assert f"--target {NAME}" in report.repeat_command(done)
    assert "Nomad nomad/jobs/portal: written, and read back" in world.ui.said


def test_the_settings_and_the_summary_name_it(nomad: Nomad) -> None:
    wanted = settings(deploy_targets=(NAME,))
    assert wanted.deploy_targets == (Target(NAME),)
    world, _ = set_up(nomad)
    assert ("Nomad", "the job portal", "") in plan.rows(wanted, world.aws.identity, "production", wanted.deploy_targets)


def test_the_application_s_role_trusts_it_and_reads_the_variables_itself(nomad: Nomad) -> None:
    wanted = settings(deploy_targets=(NAME,), vercel_team=None, vercel_project=None)
    assert [each["Sid"] for each in application_trust_of(wanted)["Statement"]] == ["TrustNomad"]
    assert [each["Sid"] for each in boundary_of(wanted)["Statement"][:2]] == [
        "ApplicationUseThePhiKey",
        "ApplicationReadTheParameters",
    ]
    [application] = own_principals(wanted, OUTPUTS)
    reading = wanted.arn("iam", "policy/EONPROParameterAccess")
    assert application.policies is not None and set(application.policies) == {OUTPUTS.app_policy_arn, reading}


def test_push_delivers_and_redeploys(nomad: Nomad) -> None:
    world = PushWorld()
    world.stand(settings(deploy_targets=("vercel", NAME)))
    document = world.push(redeploy=True)
    assert [each["target"] for each in document["delivered"]] == [NAME, "vercel"]
    assert (NAME, "done") in [(each["target"], each["state"]) for each in document["redeploys"]]
    assert nomad.restarts == 1 and world.code == 0


def test_an_unattended_push_says_that_it_runs_with_outdated_values(nomad: Nomad) -> None:
    world = PushWorld()
    world.stand(settings(deploy_targets=(NAME,)))
    document = world.push()
    assert [(each["target"], each["known"]) for each in document["staleInstances"]] == [(NAME, True)]
    assert "the job on Nomad runs with outdated values" in world.warned


@pytest.mark.parametrize(("has_variables", "state"), [(True, HealthStatus.GOOD), (False, HealthStatus.WRONG)])
def test_status_says_whether_it_has_the_variables(nomad: Nomad, has_variables: bool, state: HealthStatus) -> None:
    world = StatusWorld(settings(deploy_targets=(NAME,)))
    stored = next(iter(world.aws.stored_keys.values()))
    assert isinstance(world.aws, FakeAwsClient) and stored.key_arn is not None
    if has_variables:
        nomad.variables["us-east-1"] = AppVariables(region="us-east-1", key_arn=stored.key_arn, wrapped=stored.wrapped)
    row = world.one()
    assert {each.what: each.status for each in row.checks}[NAME] is state


def row_of(nomad: Nomad, *, variables: bool = True) -> tuple[HealthStatus, str]:
    """The state and the words of the target's row in `status`."""
    world = StatusWorld(settings(deploy_targets=(NAME,)))
    stored = next(iter(world.aws.stored_keys.values()))
    if variables and stored.key_arn is not None:
        nomad.variables["us-east-1"] = AppVariables(region="us-east-1", key_arn=stored.key_arn, wrapped=stored.wrapped)
    [check] = [each for each in world.one().checks if each.what == NAME]
    return check.status, check.detail


def test_another_data_key_at_the_target_is_wrong_and_not_unknown(nomad: Nomad, monkeypatch: pytest.MonkeyPatch) -> None:
    def another(self: Nomad, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        raise DataKeyConflict("the job has the data key sha256:00, not the stored one", "nothing was overwritten")

    monkeypatch.setattr(Nomad, "missing", another)
    assert row_of(nomad) == (HealthStatus.WRONG, "the job has the data key sha256:00, not the stored one")


def test_a_target_that_cannot_be_accessed_is_asked_for_nothing_else(
    nomad: Nomad, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Nomad, context: TargetContext) -> SetupError:
        return CredentialsError("Nomad refuses the token", "nomad login")

    monkeypatch.setattr(Nomad, "access_problem", refused)
    state, words = row_of(nomad, variables=False)
    assert state is HealthStatus.UNKNOWN and "Nomad refuses the token" in words and "lacks" not in words


def test_a_target_that_cannot_be_restarted_is_not_offered(nomad: Nomad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nomad, "can_redeploy", False)
    world = PushWorld()
    world.stand(settings(deploy_targets=(NAME,)))
    assert world.push(redeploy=True)["redeploys"] == []
