"""The deployments of ECS services, and tasks that read their secrets once, when they start. Nothing runs.

Reads moto's ECS, IAM, Parameter Store and Secrets Manager in this process. A deployment does not depend on
time: each `advance` is one step.
"""

import math
import random
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.models import ecs_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends

from sandbox.arns import name_of
from sandbox.arns import parse as parse_arn
from sandbox.aws.iam.enforcement import enforce_identity_policies
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.sts import ecs_can_assume
from sandbox.aws.protocol import AwsError, Call
from sandbox.state import ACCOUNT

IN_PROGRESS, COMPLETED, FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"
STAGES = (
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
)
"""The lifecycle stages of a deployment with a strategy, in order.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
"""
_MAX_STOPPED_TASKS = 20


@dataclass(kw_only=True)
class Task:
    """A task of a service; `environment` has the variables of each container at its start, by the container's name."""

    arn: str
    task_definition: str
    deployment: str
    started: float
    environment: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    stop_code: str = ""
    stopped_reason: str = ""
    exit_code: int | None = None


@dataclass(kw_only=True)
class Deployment:
    task_definition: str
    desired: int
    reason: str = ""
    id: str = field(default_factory=lambda: f"ecs-svc/{random.randrange(10**18, 10**19)}")
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    state: str = IN_PROGRESS
    failed: int = 0
    tasks: list[Task] = field(default_factory=list)
    stage: str = STAGES[0]
    stage_at: float = field(default_factory=time.time)
    waits_for: str = ""
    """The id of the PAUSE hook that somebody has to answer; empty for none."""
    answered: list[str] = field(default_factory=list)
    """The stages whose PAUSE hooks somebody let go on."""

    def __post_init__(self) -> None:
        self.reason = self.reason or f"ECS deployment {self.id} in progress."


@dataclass(kw_only=True)
class Service:
    """A service with its deployments, the newest first, and the settings that moto drops."""

    region: str
    cluster: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[Task] = field(default_factory=list)
    exit_code: int | None = None
    """The exit code of an essential container in the next `tasks_to_end` tasks; None: they keep running."""
    tasks_to_end: int = 0

    def add_event(self, message: str) -> None:
        """Add an event of the service; the newest is the first."""
        event = {"id": secrets.token_hex(16), "createdAt": time.time(), "message": f"(service {self.name}) {message}"}
        self.events.insert(0, event)

    def start_deployment(self, task_definition: str, desired: int, reason: str = "") -> None:
        """Start a deployment; the previous one keeps running until this one is complete."""
        self.deployments.insert(0, Deployment(task_definition=task_definition, desired=desired, reason=reason))

    def advance(self) -> None:
        """One step: start the tasks, then complete the deployment; or count a failure and check the circuit breaker."""
        current = self.deployments[0]
        if current.state != IN_PROGRESS:
            return
        if self.is_staged and not self._advance_stage(current):
            return
        if len(current.tasks) >= current.desired:
            current.state, current.reason = COMPLETED, f"ECS deployment {current.id} completed."
            current.updated_at, current.failed = time.time(), 0
            self.deployments = [current]
            self.add_event(f"(deployment {current.id}) deployment completed.")
            self.add_event("has reached a steady state.")
            return
        started = [self._start(current) for _ in range(current.desired - len(current.tasks))]
        running = [task for task in started if task is not None and not task.stop_code]
        stopped = [task for task in started if task is not None and task.stop_code]
        self.stopped = [*stopped, *self.stopped][:_MAX_STOPPED_TASKS]
        current.tasks += running
        current.updated_at = time.time()
        if len(running) < len(started):
            current.failed += 1
            self._break_circuit(current)

    @property
    def configuration(self) -> dict[str, Any]:
        configuration: dict[str, Any] = self.settings.get("deploymentConfiguration", {})
        return configuration

    @property
    def is_staged(self) -> bool:
        """Whether a deployment goes through lifecycle stages: by its strategy, its hooks or its bake time."""
        staged = self.configuration.get("strategy", "ROLLING") != "ROLLING"
        return bool(staged or self.configuration.get("lifecycleHooks") or self.configuration.get("bakeTimeInMinutes"))

    def _advance_stage(self, deployment: Deployment) -> bool:
        """One stage further, but for a hook or a wait of the strategy; whether tasks start or the deployment ends now.

        The waits pass by the clock, the rest step by step.
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
        """
        if deployment.stage == "SCALE_UP" and len(deployment.tasks) < deployment.desired:
            return True
        if self._waits(deployment):
            return False
        if deployment.stage == STAGES[-1]:
            return True
        deployment.stage = STAGES[STAGES.index(deployment.stage) + 1]
        deployment.stage_at = deployment.updated_at = time.time()
        return deployment.stage == "SCALE_UP"

    def _waits(self, deployment: Deployment) -> bool:
        for hook in self.configuration.get("lifecycleHooks") or ():
            is_here = hook.get("targetType") == "PAUSE" and deployment.stage in (hook.get("lifecycleStages") or ())
            if is_here and deployment.stage not in deployment.answered:
                deployment.waits_for = deployment.waits_for or f"ecs-pause-{secrets.token_urlsafe(32)}"
                return True
        canary, linear = (self.configuration.get(f"{name}Configuration", {}) for name in ("canary", "linear"))
        minutes = 0
        if deployment.stage == "PRODUCTION_TRAFFIC_SHIFT":
            minutes = canary.get("canaryBakeTimeInMinutes", 0) or linear.get("stepBakeTimeInMinutes", 0)
        elif deployment.stage == "BAKE_TIME":
            minutes = self.configuration.get("bakeTimeInMinutes", 0)
        return time.time() < deployment.stage_at + 60 * minutes

    def answer_hook(self, action: str) -> None:
        """CONTINUE or ROLLBACK, as ContinueServiceDeployment has it."""
        current = self.deployments[0]
        current.waits_for = ""
        current.answered.append(current.stage)
        if action == "ROLLBACK":
            current.state, current.reason = FAILED, "A lifecycle hook rolled it back."
            last = next(item for item in self.deployments if item.state == COMPLETED)
            self.deployments = [last, current]
            current.tasks = []

    def _start(self, deployment: Deployment) -> Task | None:
        """A running task, a task that stopped at once, or None when ECS cannot assume a role."""
        arn = f"arn:aws:ecs:{self.region}:{ACCOUNT}:task/{self.cluster}/{secrets.token_hex(16)}"
        task_definition = ecs_backends[ACCOUNT][self.region].describe_task_definition(deployment.task_definition)
        task = Task(arn=arn, task_definition=deployment.task_definition, deployment=deployment.id, started=time.time())
        for role in filter(None, (getattr(task_definition, "task_role_arn", ""), _execution_role(task_definition))):
            if not ecs_can_assume(role, arn):
                self.add_event(
                    f"failed to launch a task with (error ECS was unable to assume the role '{role}' that was provided "
                    "for this task. Please verify that the role being passed has the proper trust relationship and "
                    "permissions and that your IAM user has permissions to pass this role.)."
                )
                return None
        try:
            for container in task_definition.container_definitions:
                task.environment[str(container["name"])] = _read_environment(
                    container, _execution_role(task_definition), arn, self.region
                )
        except AwsError as refused:
            task.stop_code, task.stopped_reason = "TaskFailedToStart", refused.message
            return task
        if self.exit_code is not None and self.tasks_to_end > 0:
            self.tasks_to_end -= 1
            task.stop_code, task.stopped_reason = "EssentialContainerExited", "Essential container in task exited"
            task.exit_code = self.exit_code
        self.add_event(f"has started 1 tasks: (task {name_of(arn)}).")
        return task

    def _break_circuit(self, failing: Deployment) -> None:
        """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html"""
        breaker = self.configuration.get("deploymentCircuitBreaker", {})
        threshold = min(200, max(3, math.ceil(failing.desired / 2)))
        if not breaker.get("enable") or failing.failed < threshold:
            return
        failing.state, failing.reason = FAILED, "ECS deployment circuit breaker: tasks failed to start."
        self.add_event(f"(deployment {failing.id}) deployment failed: tasks failed to start.")
        last = next((item for item in self.deployments if item.state == COMPLETED), None)
        if breaker.get("rollback") and last is not None:
            self.add_event(f"rolling back to deployment {last.id}.")
            reason = f"ECS deployment circuit breaker: rolling back to deploymentId {last.id}."
            self.start_deployment(last.task_definition, failing.desired, reason)


def _execution_role(task_definition: Any) -> str:
    return str(getattr(task_definition, "execution_role_arn", "") or "")


def _read_environment(container: dict[str, Any], role: str, task: str, region: str) -> dict[str, str]:
    """The variables of a container. Raises AwsError with the reason why the task stops."""
    environment = {item["name"]: item["value"] for item in container.get("environment") or ()}
    session = f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{name_of(task)}"
    caller = Principal(arn=session, identity=role, user_id=f"AROASANDBOX:{name_of(task)}")
    for item in container.get("secrets") or ():
        source = str(item["valueFrom"])
        environment[item["name"]] = (
            _read_secret(source, caller, region)
            if ":secretsmanager:" in source
            else _read_parameter(source, caller, region)
        )
    return environment


def _read_parameter(source: str, caller: Principal, region: str) -> str:
    name = source
    if source.startswith("arn:"):
        arn = parse_arn(source)
        region, name = arn.region, f"/{arn.path}"
    prefix = "unable to retrieve secrets from ssm:"
    call = Call(service="ssm", operation="GetParameters", region=region, access_key_id="", parameters={"Names": [name]})
    _require_permission(caller, call, prefix)
    stored = ssm_backends[ACCOUNT][region].get_parameters([name]).get(name)
    if stored is None:
        raise _initialization_error(f"{prefix} invalid parameters: {name}")
    return str(stored.decrypt(stored.value))


def _read_secret(source: str, caller: Principal, region: str) -> str:
    region = parse_arn(source).region or region
    prefix = f"unable to retrieve secret from asm: failed to fetch secret {source} from secrets manager:"
    call = Call(
        service="secretsmanager",
        operation="GetSecretValue",
        region=region,
        access_key_id="",
        parameters={"SecretId": source},
    )
    _require_permission(caller, call, prefix)
    stored = secretsmanager_backends[ACCOUNT][region].secrets.get(source)
    if stored is None:
        raise _initialization_error(
            f"{prefix} ResourceNotFoundException: Secrets Manager can't find the specified secret."
        )
    return str(stored.versions[str(stored.default_version_id)]["secret_string"])


def _require_permission(caller: Principal, call: Call, prefix: str) -> None:
    try:
        enforce_identity_policies(call, caller)
    except AwsError as refused:
        raise _initialization_error(
            f"{prefix} service call has been retried 1 time(s): {refused.code}: {refused.message}"
        ) from refused


def _initialization_error(reason: str) -> AwsError:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html"""
    failed = "unable to pull secrets or registry auth: execution resource retrieval failed"
    return AwsError("ResourceInitializationError", f"ResourceInitializationError: {failed}: {reason}")
