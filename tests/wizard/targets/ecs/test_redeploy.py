"""The redeploy on ECS, over a fake fleet: what is registered, what is waited for, what is taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from components.settings import Outputs, Settings
from tests.wizard.fakes.clients import ACCOUNT, APP, OUTPUTS, REGION, FakeAwsClient, settings
from tests.wizard.fakes.ecs import (
    BEGAN,
    FakeEcsServices,
    broken,
    complete,
    failing,
    newest,
    revision,
    running,
    starting,
)
from wizard.core.errors import CredentialsError, PermissionDenied, ResourceError, SetupError, Unreachable
from wizard.core.models.deployment import (
    PausedHook,
    Redeployed,
    RedeployState,
    Rollout,
    RolloutState,
    Service,
    ServiceDeployment,
)
from wizard.core.target_context import TargetContext
from wizard.core.variable_ownership import VariablesNotOurs
from wizard.targets.ecs import redeploy, service
from wizard.targets.ecs.redeploy import redeploy_statements
from wizard.targets.ecs.service import inspect

EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role"
NAMES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
SECRETS = tuple((name, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/eonpro/production/{name}") for name in NAMES)
AS_SECRETS = [{"name": name, "valueFrom": source} for name, source in SECRETS]
WEB = {
    "name": "web",
    "image": "web:1",
    "environment": [{"name": "NODE_ENV", "value": "production"}, {"name": "AWS_REGION", "value": "eu-west-1"}],
    "secrets": [{"name": "DATABASE", "valueFrom": "/db"}],
}
BODY: Mapping[str, Any] = {
    "family": "clinic",
    "containerDefinitions": [WEB],
    "cpu": "256",
    "tags": [{"key": "team", "value": "web"}],
}
READY: Mapping[str, Any] = {
    **BODY,
    "containerDefinitions": [{"name": "web", "image": "web:1", "secrets": AS_SECRETS}],
    "taskRoleArn": APP,
    "executionRoleArn": EXECUTION,
}


@dataclass(kw_only=True)
class World:
    """A stack on ECS, and the fleet its service is of."""

    ecs_services: FakeEcsServices = field(default_factory=FakeEcsServices)
    settings: Settings = field(
        default_factory=lambda: settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="web")
    )
    outputs: Outputs = field(default_factory=lambda: replace(OUTPUTS, task_secrets=SECRETS))
    told: list[str] = field(default_factory=list)
    replaces: frozenset[str] = frozenset(("AWS_REGION", "AWS_KMS_KEY_ID"))
    """The variables of somebody else that a person agreed to replace."""

    def redeploy(self) -> Redeployed:
        context = TargetContext(
            stack="production",
            settings=self.settings,
            aws=FakeAwsClient(),
            targets=self.settings.deploy_targets,
            outputs=self.outputs,
            replaces=self.replaces,
        )
        return redeploy.redeploy(
            self.ecs_services,
            context,
            on_message=self.told.append,
            now=self.ecs_services.clock,
            pause=self.ecs_services.pause,
        )

    @property
    def done(self) -> list[str]:
        """What changed something, in order."""
        return [
            line.removeprefix("ecs_services.")
            for line in self.ecs_services.log
            if line.startswith(("ecs_services.reg", "ecs_services.up"))
        ]


@pytest.fixture
def world() -> World:
    return World()


# The revision


def test_a_revision_gets_the_secrets_and_the_roles_and_keeps_everything_else(world: World) -> None:
    world.ecs_services.have(BODY)

    redeployed = world.redeploy()

    assert redeployed.state is RedeployState.DONE
    assert world.done == ["register clinic", "update clinic:2 forced"]
    assert world.ecs_services.body_of(revision("clinic", 2)) == {
        **BODY,
        "containerDefinitions": [
            {
                **WEB,
                "environment": [{"name": "NODE_ENV", "value": "production"}],
                "secrets": [{"name": "DATABASE", "valueFrom": "/db"}, *AS_SECRETS],
            }
        ],
        "taskRoleArn": APP,
        "executionRoleArn": EXECUTION,
    }


def test_what_is_changed_is_told_without_a_value(world: World) -> None:
    world.ecs_services.have({**BODY, "executionRoleArn": "arn:aws:iam::1:role/old"})
    world.redeploy()

    [registered] = [line for line in world.told if line.startswith("registered")]
    assert f"execution role {EXECUTION} instead of arn:aws:iam::1:role/old" in registered
    assert "AWS_REGION no longer in its plain environment" in registered
    assert "eu-west-1" not in " ".join(world.told)


def test_a_secret_of_the_same_name_is_pointed_to_the_stacks_own_where_it_stands(world: World) -> None:
    old = {**WEB, "environment": [], "secrets": [{"name": "AWS_KMS_KEY_ID", "valueFrom": "/old"}, *WEB["secrets"]]}
    world.ecs_services.have({**BODY, "containerDefinitions": [old]})
    world.redeploy()

    [container] = world.ecs_services.body_of(revision("clinic", 2))["containerDefinitions"]
    assert [one["name"] for one in container["secrets"]] == [
        "AWS_KMS_KEY_ID",
        "DATABASE",
        "AWS_REGION",
        "ENCRYPTED_PHI_KEY",
    ]
    assert dict(SECRETS)["AWS_KMS_KEY_ID"] == container["secrets"][0]["valueFrom"]


def test_a_deregistered_revision_is_registered_again_for_no_update_takes_it(world: World) -> None:
    world.ecs_services.have(READY)
    world.ecs_services.definitions["clinic"][0] = replace(world.ecs_services.definitions["clinic"][0], active=False)
    world.redeploy()

    assert world.done == ["register clinic", "update clinic:2 forced"]


# Which container


@pytest.mark.parametrize(
    ("containers", "chosen"),
    [
        ([{"name": "log"}, {"name": "app", "secrets": [{"name": "AWS_KMS_KEY_ID", "valueFrom": "x"}]}], "app"),
        ([{"name": "log"}, {"name": "app", "environment": [{"name": "AWS_REGION", "value": "x"}]}], "app"),
        ([{"name": "only", "essential": False}], "only"),
        ([{"name": "log", "essential": False}, {"name": "app"}], "app"),
    ],
)
def test_the_applications_container_is_known(world: World, containers: list[dict[str, Any]], chosen: str) -> None:
    world.ecs_services.have({**BODY, "containerDefinitions": containers})
    world.redeploy()

    made = world.ecs_services.body_of(revision("clinic", 2))["containerDefinitions"]
    assert [one["name"] for one in made if "ENCRYPTED_PHI_KEY" in str(one)] == [chosen]


def test_containers_that_cannot_be_told_apart_are_named_with_the_commands_to_type(world: World) -> None:
    world.ecs_services.have({**BODY, "containerDefinitions": [{"name": "api"}, {"name": "worker"}]})

    with pytest.raises(SetupError, match="api, worker") as refused:
        world.redeploy()

    assert world.done == []
    assert f"aws ecs describe-task-definition --task-definition {revision('clinic', 1)}" in refused.value.hint
    assert "{family: family, containerDefinitions: containerDefinitions, cpu: cpu}" in refused.value.hint
    assert "aws ecs update-service --cluster clinic --service web --task-definition clinic" in refused.value.hint


# Which service


def test_an_unnamed_service_is_the_only_one_that_uses_the_applications_role(world: World) -> None:
    world.settings = settings(deploy_targets=("ecs",), ecs_cluster="clinic")
    world.ecs_services.have({**BODY, "family": "jobs"}, name="jobs")
    world.ecs_services.have({**BODY, "taskRoleArn": APP})

    redeployed = world.redeploy()

    assert redeployed.after is not None and redeployed.after.name == "clinic/web"


@pytest.mark.parametrize(("ours", "word"), [((), "none uses"), (("web", "jobs"), "several use")])
def test_a_service_that_cannot_be_told_is_asked_for(world: World, ours: tuple[str, ...], word: str) -> None:
    world.settings = settings(deploy_targets=("ecs",), ecs_cluster="clinic")
    for name in ("web", "jobs"):
        role = {"taskRoleArn": APP} if name in ours else {}
        world.ecs_services.have({**BODY, **role, "family": name}, name=name)

    with pytest.raises(SetupError, match=f"web, jobs .*{word}") as refused:
        world.redeploy()

    assert refused.value.hint.startswith("pulumi config set eonpro-kms:ecsService")
    assert world.done == []


def test_a_service_that_is_not_there_and_a_cluster_that_nobody_named_are_told(world: World) -> None:
    with pytest.raises(SetupError, match="the ECS service clinic/web does not exist"):
        world.redeploy()
    world.settings = settings(deploy_targets=("ecs",))
    with pytest.raises(SetupError, match="do not name the ECS cluster") as refused:
        world.redeploy()
    assert "eonpro-kms:ecsCluster" in refused.value.hint


def test_a_service_that_ecs_does_not_deploy_is_left_alone(world: World) -> None:
    world.ecs_services.have(BODY, controller="CODE_DEPLOY")

    with pytest.raises(SetupError, match="deployed by CODE_DEPLOY"):
        world.redeploy()
    assert world.done == []


# The wait


def test_the_former_and_what_runs_now_are_in_the_answer(world: World) -> None:
    world.ecs_services.have(BODY)
    redeployed = world.redeploy()

    assert redeployed.before is not None and redeployed.after is not None
    assert (redeployed.before.id, redeployed.before.revision) == ("ecs-svc/web-0", revision("clinic", 1))
    assert (redeployed.after.state, redeployed.after.revision) == ("COMPLETED", revision("clinic", 2))
    assert redeployed.seconds == sum(world.ecs_services.paused) > 0


def test_no_minute_has_more_looks_than_it_may(world: World) -> None:
    world.ecs_services.have(BODY)
    world.ecs_services.scripts = [[running]]
    world.redeploy()

    looks = world.ecs_services.looks
    crowds = [sum(begin <= one < begin + timedelta(minutes=1) for one in looks) for begin in looks]
    assert max(crowds) <= 12 and len(looks) > 60


def test_a_network_that_fails_for_a_while_is_waited_out(world: World) -> None:
    world.ecs_services.have(BODY)

    class Flaky(FakeEcsServices):
        def service(self, cluster: str, name: str) -> Service | None:
            if 1 <= len(self.looks) <= 3:
                self.looks.append(self.now)
                raise (Unreachable if len(self.looks) % 2 else ResourceError)("it does not answer", "wait")
            return super().service(cluster, name)

    flaky = Flaky(definitions=world.ecs_services.definitions, there=world.ecs_services.there)
    world.ecs_services = flaky

    assert world.redeploy().state is RedeployState.DONE


def test_credentials_that_end_meanwhile_leave_the_rollout_to_ecs(world: World) -> None:
    world.ecs_services.have(BODY)

    class Ending(FakeEcsServices):
        def service(self, cluster: str, name: str) -> Service | None:
            if len(self.looks) == 2:
                raise CredentialsError("expired", "sign in")
            return super().service(cluster, name)

    world.ecs_services = Ending(definitions=world.ecs_services.definitions, there=world.ecs_services.there)

    with pytest.raises(CredentialsError):
        world.redeploy()
    assert world.done == ["register clinic", "update clinic:2 forced"], "nothing is taken back blindly"


# Failures


def stage(name: str, **changes: Any) -> ServiceDeployment:
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-deployment/clinic/web/d1"
    return ServiceDeployment(**{"arn": arn, "status": "IN_PROGRESS", "made": BEGAN, "stage": name, **changes})


STAGED = {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/clinic/web", "current": "there is one"}


def followed_by(id: str, **changes: Any) -> Callable[[Service], Service]:
    """The service when a deployment was begun a minute after the newest one."""

    def change(service: Service) -> Service:
        made = service.rollouts[0].made + timedelta(minutes=1)
        later = replace(service.rollouts[0], **{"id": id, "made": made, **changes})
        return replace(service, task_definition=later.task_definition, rollouts=(later, *service.rollouts))

    return change


def alone(service: Service) -> Service:
    return replace(service, rollouts=(replace(service.rollouts[0], state=RolloutState.UNKNOWN, running=2),))


def taken_back(service: Service) -> Service:
    return replace(service, rollouts=service.rollouts[1:])


ROLLED_BACK, WAITING, DONE, FAILED = (getattr(RedeployState, n) for n in ("ROLLED_BACK", "WAITING", "DONE", "FAILED"))
BACK_BY_ECS = followed_by("ecs-svc/back", task_definition=revision("clinic", 1), running=0)
THEIRS = followed_by("ecs-svc/theirs", task_definition=revision("clinic", 9))
OURS, FORMER = "update clinic:2 forced", "update clinic:1"
CANARY = {"strategy": "CANARY", "shift_minutes": 240, **STAGED}
BLUE_GREEN = {"strategy": "BLUE_GREEN", "bake_minutes": 1440, **STAGED}
COURSES: dict[str, tuple[dict[str, Any], list[Any], list[ServiceDeployment], RedeployState, str, str, str]] = {
    "without a state of its own it is steady when one deployment runs all": (
        *({}, [[newest(state=RolloutState.UNKNOWN, running=1), alone]], []),
        *(DONE, OURS, "clinic:2", ""),
    ),
    "two failures are not enough, for ECS tries again": (
        *({}, [[failing(1), failing(2), running, complete]], []),
        *(DONE, OURS, "clinic:2", ""),
    ),
    "not steady in time it is taken back": (
        *({"grace_seconds": 300}, [[newest(running=1)], [complete]], []),
        *(ROLLED_BACK, FORMER, "clinic:1", "not steady after 20 minutes: 1 of 2 tasks run"),
    ),
    "a circuit breaker without a rollback is taken back by us": (
        *({"breaks": True}, [[failing(2), broken], [complete]], []),
        *(ROLLED_BACK, FORMER, "clinic:1", "“ECS deployment circuit breaker: tasks failed to start”"),
    ),
    "a circuit breaker that rolls back is left to it and waited for": (
        *({"breaks": True, "rolls_back": True}, [[failing(2), broken, BACK_BY_ECS, complete]], []),
        *(ROLLED_BACK, OURS, "ecs-svc/back", ""),
    ),
    "a circuit breaker that does not roll back after all is helped": (
        *({"breaks": True, "rolls_back": True}, [[broken], [complete]], []),
        *(ROLLED_BACK, FORMER, "clinic:1", ""),
    ),
    "somebody's deployment that takes its place is not taken back": (
        *({}, [[running, THEIRS]], []),
        *(FAILED, OURS, "ecs-svc/theirs", "ecs-svc/theirs of clinic:9, took its place"),
    ),
    "the same revision deployed again by somebody is waited for": (
        *({}, [[running, followed_by("ecs-svc/theirs"), complete]], []),
        *(DONE, OURS, "ecs-svc/theirs", ""),
    ),
    "with no other revision to go back to the former tasks run on": (
        *({"body": READY}, [[failing(3)]], []),
        *(FAILED, "update clinic:1 forced", "ecs-svc/web-0", "no other revision to roll back to"),
    ),
    "a rollback that fails too is told": (
        *({}, [[failing(3)], [failing(3)]], []),
        *(FAILED, FORMER, "ecs-svc/web-0", "did not start; and clinic:1 is not steady either (3 tasks in a row"),
    ),
    "tasks that do not start are rolled back whatever the strategy": (
        *(CANARY, [[failing(3)], [running, complete]], [stage("SCALE_UP")]),
        *(ROLLED_BACK, FORMER, "clinic:1", ""),
    ),
    "while the former tasks drain it is not rolled back": (
        *({}, [[running]], []),
        *(WAITING, OURS, "clinic:2", "2 of 2 tasks run"),
    ),
    "what ECS itself takes back is told with its reason": (
        *(
            BLUE_GREEN,
            [[running, taken_back]],
            [stage("", status="ROLLBACK_IN_PROGRESS", reason="The alarm rang.")],
        ),
        *(ROLLED_BACK, OURS, "ecs-svc/web-0", "The alarm rang"),
    ),
}


@pytest.mark.parametrize("course", COURSES)
def test_how_a_rollout_ends(world: World, course: str) -> None:
    have, world.ecs_services.scripts, world.ecs_services.progress, state, last, runs, why = COURSES[course]
    world.ecs_services.have(**{"body": BODY, **have})
    redeployed = world.redeploy()

    assert (redeployed.state, world.done[-1]) == (state, last) and why in redeployed.why
    assert redeployed.after is not None and runs in f"{redeployed.after.id} {redeployed.after.revision}"


@pytest.mark.parametrize(
    ("strategy", "shifting", "last", "bounds"),
    [
        (
            {"strategy": "LINEAR", "shift_minutes": 30, **STAGED},
            120,
            "for the bake time (0 minutes)",
            (15 * 60, 75 * 60),
        ),
        (BLUE_GREEN, 1, "for the bake time (1440 minutes)", (0, 60)),
    ],
    ids=["a shift of minutes is waited for", "a day of bake time is not"],
)
def test_a_deployment_whose_traffic_has_shifted_is_done(world: World, strategy, shifting, last, bounds) -> None:
    world.ecs_services.have(BODY, **strategy)
    world.ecs_services.scripts = [[running]]
    world.ecs_services.progress = [stage("PRODUCTION_TRAFFIC_SHIFT", traffic=50.0)] * shifting
    world.ecs_services.progress.append(stage("BAKE_TIME", traffic=100.0))
    redeployed = world.redeploy()

    assert redeployed.state is DONE and bounds[0] < redeployed.seconds < bounds[1]
    assert redeployed.after is not None and redeployed.after.revision == revision("clinic", 2)
    assert last in world.told[-1]


def test_a_rollout_whose_tasks_do_not_start_is_taken_back(world: World) -> None:
    world.ecs_services.have(BODY)
    world.ecs_services.scripts = [[failing(1), failing(2), failing(3)], [running, complete]]
    world.ecs_services.reasons = ("ResourceInitializationError: unable to pull secrets",)

    redeployed = world.redeploy()

    assert redeployed.state is RedeployState.ROLLED_BACK
    assert world.done == ["register clinic", "update clinic:2 forced", "update clinic:1"]
    assert redeployed.why == "3 tasks in a row did not start; “ResourceInitializationError: unable to pull secrets”"
    assert redeployed.after is not None and redeployed.after.revision == revision("clinic", 1)


def test_a_rollback_that_is_refused_is_told_with_what_to_type(world: World) -> None:
    world.ecs_services.have(BODY)

    class Refusing(FakeEcsServices):
        def update(self, service: Service, task_definition: str, *, force: bool) -> Rollout:
            if not force:
                raise ResourceError("TaskDefinition is inactive", "see the message")
            return super().update(service, task_definition, force=force)

    world.ecs_services = Refusing(
        definitions=world.ecs_services.definitions, there=world.ecs_services.there, scripts=[[failing(3)]]
    )
    redeployed = world.redeploy()

    assert redeployed.state is RedeployState.FAILED
    assert "the rollback to clinic:1 failed: TaskDefinition is inactive; see the message" in redeployed.why


def test_a_healthy_canary_that_takes_hours_is_not_rolled_back(world: World) -> None:
    world.ecs_services.have(BODY, strategy="CANARY", shift_minutes=240, **STAGED)
    world.ecs_services.scripts = [[running]]
    world.ecs_services.progress = [stage("SCALE_UP"), stage("PRODUCTION_TRAFFIC_SHIFT", traffic=10.0)]

    redeployed = world.redeploy()

    assert redeployed.state is RedeployState.WAITING
    assert world.done == ["register clinic", "update clinic:2 forced"]
    assert redeployed.why == "CANARY, production traffic shift: 2 of 2 tasks run, 10 % of the production traffic"
    assert redeployed.command == "python -m wizard push --redeploy --stack production"
    assert world.told[-2:] == ["CANARY, scale up: 2 of 2 tasks run", redeployed.why]
    assert redeployed.seconds <= 75 * 60, "a shift of hours is not sat through"


def test_a_deployment_that_waits_for_a_persons_consent_is_left_waiting_with_the_command(world: World) -> None:
    world.ecs_services.have(BODY, has_hooks=True, **STAGED)
    world.ecs_services.scripts = [[running]]
    hook = PausedHook(id="ecs-pause-1", expires=BEGAN + timedelta(days=14))
    world.ecs_services.progress = [stage("SCALE_UP"), stage("POST_SCALE_UP", paused=hook)]

    redeployed = world.redeploy()

    assert redeployed.state is RedeployState.WAITING and redeployed.seconds < 60
    assert world.done == ["register clinic", "update clinic:2 forced"]
    assert "ECS rolls it back at 2026-03-15 12:00 UTC" in redeployed.why
    assert redeployed.command == (
        "aws ecs continue-service-deployment --service-deployment-arn "
        f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-deployment/clinic/web/d1 --hook-id ecs-pause-1 --action CONTINUE "
        f"--region {REGION}"
    )


def test_a_release_of_somebody_else_that_is_still_tested_is_not_pushed_to_everybody(world: World) -> None:
    there = world.ecs_services.have(BODY, strategy="CANARY", **STAGED)
    theirs = replace(there.rollouts[0], id="ecs-svc/theirs", state=RolloutState.IN_PROGRESS, made=BEGAN)
    world.ecs_services.there["web"] = replace(there, rollouts=(theirs, *there.rollouts))
    world.ecs_services.progress = [stage("PRODUCTION_TRAFFIC_SHIFT", traffic=10.0)]

    with pytest.raises(SetupError, match="is in progress .CANARY, production traffic shift: .* nothing was changed"):
        world.redeploy()

    assert world.done == []


def test_while_a_deployment_bakes_the_tasks_that_get_the_traffic_are_what_runs(world: World) -> None:
    there = world.ecs_services.have(READY, strategy="BLUE_GREEN", **STAGED)
    green = replace(there.rollouts[0], id="ecs-svc/green", state=RolloutState.IN_PROGRESS, made=BEGAN)
    world.ecs_services.there["web"] = replace(there, rollouts=(green, *there.rollouts))
    world.ecs_services.progress = [stage("PRODUCTION_TRAFFIC_SHIFT"), stage("BAKE_TIME")]

    shifting = service.running(world.ecs_services, world.settings)
    baking = service.running(world.ecs_services, world.settings)

    assert shifting is not None and shifting.id == "ecs-svc/web-0"
    assert baking is not None and baking.id == "ecs-svc/green"


def test_an_express_service_is_left_to_ecs_with_the_commands_that_complete_it(world: World) -> None:
    world.ecs_services.have(BODY, is_express=True, **STAGED)

    with pytest.raises(SetupError, match="is an Express service: .* nothing was changed") as refused:
        world.redeploy()

    assert world.done == []
    hint = refused.value.hint
    assert f"aws ecs update-express-gateway-service --service-arn {STAGED['arn']} --region {REGION}" in hint
    assert all(source in hint for _, source in SECRETS)


def test_an_express_service_that_has_it_all_is_started_anew(world: World) -> None:
    world.ecs_services.have(READY, is_express=True, strategy="CANARY", **STAGED)

    assert world.redeploy().state is RedeployState.DONE
    assert world.done == ["update clinic:1 forced"]


# A run that was killed


def test_a_revision_that_a_killed_run_registered_is_taken_up(world: World) -> None:
    world.ecs_services.have(BODY)
    world.ecs_services.failures["update"] = Unreachable("the line is cut", "again")
    with pytest.raises(Unreachable):
        world.redeploy()
    del world.ecs_services.failures["update"]

    assert world.redeploy().state is RedeployState.DONE
    assert world.done.count("register clinic") == 1 and world.done[-1] == "update clinic:2 forced"


def test_a_deployment_that_a_killed_run_began_is_waited_for_and_not_begun_again(world: World) -> None:
    world.ecs_services.have(BODY)
    world.ecs_services.written = BEGAN - timedelta(minutes=1)

    class Killed(FakeEcsServices):
        def pause(self, seconds: float) -> None:
            raise KeyboardInterrupt

    killed = Killed(
        definitions=world.ecs_services.definitions, there=world.ecs_services.there, written=world.ecs_services.written
    )
    world.ecs_services, again = killed, world.ecs_services
    with pytest.raises(KeyboardInterrupt):
        world.redeploy()
    world.ecs_services = again
    again.there = killed.there
    again._script = [running, failing(3)]
    again.scripts = [[complete]]
    redeployed = world.redeploy()

    assert world.done == ["update clinic:1"], "it waited for that deployment, and took it back when it failed"
    assert redeployed.state is RedeployState.ROLLED_BACK
    assert redeployed.before is not None and redeployed.before.id == "ecs-svc/web-0"


def test_a_deployment_that_began_before_the_values_changed_is_not_waited_for(world: World) -> None:
    there = world.ecs_services.have(READY)
    under_way = replace(there.rollouts[0], id="ecs-svc/early", state=RolloutState.IN_PROGRESS, made=BEGAN)
    world.ecs_services.there["web"] = replace(there, rollouts=(under_way, *there.rollouts))
    world.ecs_services.written = BEGAN + timedelta(seconds=1)
    world.redeploy()

    assert world.done == ["update clinic:1 forced"]


# What the running tasks hold


@pytest.mark.parametrize(
    ("body", "written", "stale"),
    [(READY, BEGAN, True), (READY, BEGAN - timedelta(days=60), False), (READY, None, None)],
    ids=["written after it began", "written before", "nothing written"],
)
def test_tasks_that_began_before_the_last_change_hold_old_values(
    world: World, body: Mapping[str, Any], written: Any, stale: bool | None
) -> None:
    world.ecs_services.have(body)
    world.ecs_services.written = written
    found = service.running(world.ecs_services, world.settings)

    assert found is not None
    assert inspect(world.ecs_services, world.settings, found).stale is stale


# Rights


def test_a_refusal_names_the_command_that_prints_all_the_rights(world: World) -> None:
    world.ecs_services.have(BODY)
    world.ecs_services.failures["register"] = PermissionDenied(
        "the caller may not do ecs:RegisterTaskDefinition", "ask"
    )

    with pytest.raises(PermissionDenied, match="ecs:RegisterTaskDefinition") as refused:
        world.redeploy()

    assert refused.value.hint.startswith("ask; ")
    assert "policy delivery --stack production" in refused.value.hint
    assert refused.value.exit_code == 3


def test_the_rights_name_the_service_the_two_roles_and_to_whom_they_are_passed(world: World) -> None:
    found = {one["Sid"]: one for one in redeploy_statements(world.settings, task_role=APP)}

    assert found["UpdateTheService"]["Resource"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/clinic/web"
    assert found["PassItsRoles"]["Resource"] == [APP, EXECUTION]
    assert found["PassItsRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    every = {
        action
        for one in found.values()
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert every == {
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeTasks",
        "ecs:ListServices",
        "ecs:ListTasks",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "ecs:UpdateService",
        "iam:PassRole",
        "ssm:GetParameters",
    }


def test_a_look_at_a_starting_service_tells_how_many_run(world: World) -> None:
    world.ecs_services.have(BODY)
    world.ecs_services.scripts = [[starting, failing(1), running, complete]]
    world.redeploy()

    assert [line for line in world.told if "tasks run" in line] == [
        "0 of 2 tasks run",
        "0 of 2 tasks run, 1 did not start",
        "2 of 2 tasks run, 1 did not start",
    ]


# Variables of somebody else


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"environment": [{"name": "AWS_REGION", "value": "eu-west-1"}]}, "AWS_REGION of .* is eu-west-1"),
        ({"environment": [{"name": "AWS_KMS_KEY_ID", "value": "alias/uploads"}]}, "AWS_KMS_KEY_ID of .*alias/uploads"),
        ({"secrets": [{"name": "AWS_KMS_KEY_ID", "valueFrom": "/uploads/key"}]}, "AWS_KMS_KEY_ID of .*/uploads/key"),
        ({"environment": [{"name": "ENCRYPTED_PHI_KEY", "value": "c2VjcmV0"}]}, "ENCRYPTED_PHI_KEY of [^;]*web;"),
    ],
)
def test_a_variable_of_somebody_else_is_not_replaced_before_somebody_says_so(
    world: World, variables: dict[str, Any], words: str
) -> None:
    world.replaces = frozenset()
    world.ecs_services.have({**BODY, "containerDefinitions": [{"name": "web", **variables}]})
    with pytest.raises(VariablesNotOurs, match=words) as refused:
        world.redeploy()
    assert world.done == []
    assert f"--replace-variable {refused.value.variables[0].name}" in refused.value.hint
    world.replaces = frozenset({refused.value.variables[0].name})
    assert world.redeploy().state is RedeployState.DONE
