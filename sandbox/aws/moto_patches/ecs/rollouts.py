"""ECS services in the sandbox: their rollouts, and tasks that read their values once, when they start. Nothing runs.

It may read the emulator's ECS, IAM, Parameter Store and Secrets Manager in this process. Time plays no part: a rollout
goes one step on with each `advance`.
"""

from __future__ import annotations

import math
import random
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.models import ecs_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends

from sandbox.aws.iam.enforcement import a_call_needs_its_callers_policies_leave as needs_leave
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.sts import ecs_may_assume
from sandbox.aws.protocol import AwsError, Call
from sandbox.state import ACCOUNT

IN_PROGRESS, COMPLETED, FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"
_KEPT_STOPPED = 20


@dataclass(kw_only=True)
class Task:
    """A task of a service; `environment` is what each container found when it started, by the container's name."""

    arn: str
    definition: str
    rollout: str
    started: float
    environment: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    stop_code: str = ""
    stopped_reason: str = ""
    exit_code: int | None = None


@dataclass(kw_only=True)
class Rollout:
    """A deployment of a service."""

    definition: str
    desired: int
    reason: str = ""
    id: str = field(default_factory=lambda: f"ecs-svc/{random.randrange(10**18, 10**19)}")
    made: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    state: str = IN_PROGRESS
    failed: int = 0
    tasks: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reason = self.reason or f"ECS deployment {self.id} in progress."


@dataclass(kw_only=True)
class Service:
    """A service with its rollouts, the newest first; it keeps what the emulator drops of its parameters."""

    region: str
    cluster: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    rollouts: list[Rollout] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[Task] = field(default_factory=list)
    exit_code: int | None = None
    """With which an essential container of each of the next `ending` tasks ends; None: they go on running."""
    ending: int = 0

    def say(self, what: str) -> None:
        """An event of the service, the newest first."""
        told = {"id": secrets.token_hex(16), "createdAt": time.time(), "message": f"(service {self.name}) {what}"}
        self.events.insert(0, told)

    def begin(self, definition: str, desired: int, reason: str = "") -> None:
        """A new rollout; the one before goes on until this one is complete."""
        self.rollouts.insert(0, Rollout(definition=definition, desired=desired, reason=reason))

    def advance(self) -> None:
        """One step: start the tasks, then call the service steady; or count a failure, and break the circuit."""
        now = self.rollouts[0]
        if now.state != IN_PROGRESS:
            return
        if len(now.tasks) >= now.desired:
            now.state, now.reason, now.updated = COMPLETED, f"ECS deployment {now.id} completed.", time.time()
            now.failed = 0
            self.rollouts = [now]
            self.say(f"(deployment {now.id}) deployment completed.")
            self.say("has reached a steady state.")
            return
        started = [self._start(now) for _ in range(now.desired - len(now.tasks))]
        alive = [task for task in started if task is not None and not task.stop_code]
        dead = [task for task in started if task is not None and task.stop_code]
        self.stopped = [*dead, *self.stopped][:_KEPT_STOPPED]
        now.tasks += alive
        now.updated = time.time()
        if len(alive) < len(started):
            now.failed += 1
            self._break_circuit(now)

    def _start(self, rollout: Rollout) -> Task | None:
        """A task that runs, one that stopped at once, or none, where ECS cannot even try."""
        arn = f"arn:aws:ecs:{self.region}:{ACCOUNT}:task/{self.cluster}/{secrets.token_hex(16)}"
        definition = ecs_backends[ACCOUNT][self.region].describe_task_definition(rollout.definition)
        task = Task(arn=arn, definition=rollout.definition, rollout=rollout.id, started=time.time())
        for role in filter(None, (getattr(definition, "task_role_arn", ""), _execution_role(definition))):
            if not ecs_may_assume(role, arn):
                self.say(
                    f"failed to launch a task with (error ECS was unable to assume the role '{role}' that was provided "
                    "for this task. Please verify that the role being passed has the proper trust relationship and "
                    "permissions and that your IAM user has permissions to pass this role.)."
                )
                return None
        try:
            for container in definition.container_definitions:
                task.environment[str(container["name"])] = _found(
                    container, _execution_role(definition), arn, self.region
                )
        except AwsError as refused:
            task.stop_code, task.stopped_reason = "TaskFailedToStart", refused.message
            return task
        if self.exit_code is not None and self.ending > 0:
            self.ending -= 1
            task.stop_code, task.stopped_reason = "EssentialContainerExited", "Essential container in task exited"
            task.exit_code = self.exit_code
        self.say(f"has started 1 tasks: (task {arn.rpartition('/')[2]}).")
        return task

    def _break_circuit(self, failing: Rollout) -> None:
        """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html"""
        breaker = self.settings.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
        threshold = min(200, max(3, math.ceil(failing.desired / 2)))
        if not breaker.get("enable") or failing.failed < threshold:
            return
        failing.state, failing.reason = FAILED, "ECS deployment circuit breaker: tasks failed to start."
        self.say(f"(deployment {failing.id}) deployment failed: tasks failed to start.")
        last = next((one for one in self.rollouts if one.state == COMPLETED), None)
        if breaker.get("rollback") and last is not None:
            self.say(f"rolling back to deployment {last.id}.")
            why = f"ECS deployment circuit breaker: rolling back to deploymentId {last.id}."
            self.begin(last.definition, failing.desired, why)


def _execution_role(definition: Any) -> str:
    return str(getattr(definition, "execution_role_arn", "") or "")


def _found(container: dict[str, Any], role: str, task: str, region: str) -> dict[str, str]:
    """What a container finds in its environment; AwsError with the reason for which the task stops."""
    found = {one["name"]: one["value"] for one in container.get("environment") or ()}
    session = f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{task.rpartition('/')[2]}"
    who = Principal(arn=session, identity=role, user_id=f"AROASANDBOX:{task.rpartition('/')[2]}")
    for one in container.get("secrets") or ():
        source = str(one["valueFrom"])
        found[one["name"]] = (
            _of_secrets_manager(source, who, region) if ":secretsmanager:" in source else _of_ssm(source, who, region)
        )
    return found


def _of_ssm(source: str, who: Principal, region: str) -> str:
    region = source.split(":")[3] if source.startswith("arn:") else region
    name = source.partition(":parameter")[2] if source.startswith("arn:") else source
    doing = "unable to retrieve secrets from ssm:"
    _may(who, Call(service="ssm", operation="GetParameters", region=region, access_key_id="",
                   parameters={"Names": [name]}), doing)  # fmt: skip
    held = ssm_backends[ACCOUNT][region].get_parameters([name]).get(name)
    if held is None:
        raise _stop(f"{doing} invalid parameters: {name}")
    return str(held.decrypt(held.value))


def _of_secrets_manager(source: str, who: Principal, region: str) -> str:
    region = source.split(":")[3] or region
    doing = f"unable to retrieve secret from asm: failed to fetch secret {source} from secrets manager:"
    _may(who, Call(service="secretsmanager", operation="GetSecretValue", region=region, access_key_id="",
                   parameters={"SecretId": source}), doing)  # fmt: skip
    held = secretsmanager_backends[ACCOUNT][region].secrets.get(source)
    if held is None:
        raise _stop(f"{doing} ResourceNotFoundException: Secrets Manager can't find the specified secret.")
    return str(held.versions[str(held.default_version_id)]["secret_string"])


def _may(who: Principal, call: Call, doing: str) -> None:
    try:
        needs_leave(call, who)
    except AwsError as refused:
        raise _stop(f"{doing} service call has been retried 1 time(s): {refused.code}: {refused.message}") from refused


def _stop(why: str) -> AwsError:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html"""
    failed = "unable to pull secrets or registry auth: execution resource retrieval failed"
    return AwsError("ResourceInitializationError", f"ResourceInitializationError: {failed}: {why}")
