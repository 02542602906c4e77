"""A fake of `EcsServices`: services of ECS in memory, whose rollouts a test scripts.

It keeps what ECS promises: the former's tasks run on until a rollout is complete; without a circuit breaker none fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from components.settings import SecretStore
from wizard.aws.ecs import EcsServices
from wizard.core.errors import SetupError
from wizard.core.models.deployment import Rollout, RolloutState, Service, ServiceDeployment, TaskDefinition

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REVISIONS = "arn:aws:ecs:us-east-1:111122223333:task-definition/"

# What the looks at a service make of its newest rollout, one after the other; the last one stays.
Script = Sequence[Callable[[Service], Service]]


def revision(family: str, number: int) -> str:
    return f"{REVISIONS}{family}:{number}"


def newest(**changes: Any) -> Callable[[Service], Service]:
    """A look that finds the newest rollout changed; what is complete has no former beside it."""

    def look(service: Service) -> Service:
        first = replace(service.rollouts[0], **changes)
        rest = () if first.state is RolloutState.COMPLETED else service.rollouts[1:]
        return replace(service, rollouts=(first, *rest))

    return look


starting = newest(running=0)
running = newest(running=2)
complete = newest(state=RolloutState.COMPLETED, running=2)


def failing(times: int) -> Callable[[Service], Service]:
    return newest(running=0, failed=times)


def broken(service: Service) -> Service:
    """The circuit breaker opens."""
    why = "ECS deployment circuit breaker: tasks failed to start."
    return newest(state=RolloutState.FAILED, running=0, failed=3, reason=why)(service)


@dataclass(kw_only=True)
class FakeEcsServices(EcsServices):
    """Services of one cluster, and the families of their task definitions."""

    log: list[str] = field(default_factory=list)
    failures: dict[str, SetupError] = field(default_factory=dict)
    """The error that a method raises, by its name."""
    definitions: dict[str, list[TaskDefinition]] = field(default_factory=dict)
    """By family, in order."""
    there: dict[str, Service] = field(default_factory=dict)
    """By name."""
    scripts: list[Script] = field(default_factory=list)
    """For each rollout that is begun, in turn; complete at the second look where there is none."""
    reasons: tuple[str, ...] = ()
    progress: list[ServiceDeployment] = field(default_factory=list)
    """What each look at the service deployment finds; the last one stays."""
    written: datetime | None = None
    """When the values were written last."""
    now: datetime = BEGAN
    paused: list[float] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    _script: list[Callable[[Service], Service]] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += timedelta(seconds=seconds)

    def have(self, body: Mapping[str, Any], *, name: str = "web", cluster: str = "clinic", **changes: Any) -> Service:
        """A service that runs a first revision of that body, steadily."""
        made = self._registered(body)
        steady = Rollout(
            id=f"ecs-svc/{name}-0",
            task_definition=made.arn,
            state=RolloutState.COMPLETED,
            reason="completed",
            made=BEGAN - timedelta(days=30),
            desired=2,
            running=2,
        )
        values = {"cluster": cluster, "name": name, "task_definition": made.arn, "rollouts": (steady,)}
        self.there[name] = Service(**{**values, **changes})
        return self.there[name]

    def body_of(self, arn: str) -> Mapping[str, Any]:
        found = self._find(arn)
        assert found is not None
        return found.body

    def _registered(self, body: Mapping[str, Any]) -> TaskDefinition:
        revisions = self.definitions.setdefault(str(body["family"]), [])
        made = TaskDefinition(arn=revision(body["family"], len(revisions) + 1), active=True, body=body)
        revisions.append(made)
        return made

    def _find(self, name: str) -> TaskDefinition | None:
        if name in self.definitions:
            return next((one for one in reversed(self.definitions[name]) if one.active), None)
        return next((one for all_ in self.definitions.values() for one in all_ if one.arn == name), None)

    def _call(self, name: str, detail: str = "") -> None:
        self.log.append(f"ecs_services.{name} {detail}".rstrip())
        if name in self.failures:
            raise self.failures[name]

    # --- the Protocol

    def names(self) -> tuple[str, ...]:
        self._call("names")
        return tuple(f"{one.cluster}/{one.name}" for one in self.there.values())

    def services(self, cluster: str) -> tuple[Service, ...]:
        self._call("services", cluster)
        return tuple(one for one in self.there.values() if one.cluster == cluster)

    def service(self, cluster: str, name: str) -> Service | None:
        self.looks.append(self.now)
        if self._script and name in self.there:
            step = self._script[0] if len(self._script) == 1 else self._script.pop(0)
            self.there[name] = step(self.there[name])
        self._call("service", f"{cluster}/{name}")
        found = self.there.get(name)
        return found if found and found.cluster == cluster else None

    def task_definition(self, name: str) -> TaskDefinition | None:
        self._call("task_definition", name.rpartition("/")[2])
        return self._find(name)

    def register(self, body: Mapping[str, Any]) -> TaskDefinition:
        self._call("register", str(body["family"]))
        return self._registered(body)

    def update(self, service: Service, task_definition: str, *, force: bool) -> Rollout:
        self._call("update", task_definition.rpartition("/")[2] + (" forced" if force else ""))
        there = self.there[service.name]
        if task_definition == there.rollouts[0].task_definition and not force:
            return there.rollouts[0]
        begun = Rollout(
            id=f"ecs-svc/{service.name}-{len([line for line in self.log if line.startswith('fleet.update')])}",
            task_definition=task_definition,
            state=RolloutState.IN_PROGRESS,
            reason="in progress",
            made=self.now,
            desired=2,
            running=0,
        )
        self.there[service.name] = replace(there, task_definition=task_definition, rollouts=(begun, *there.rollouts))
        self._script = list(self.scripts.pop(0)) if self.scripts else [running, complete]
        return begun

    def deployment(self, service: Service) -> ServiceDeployment | None:
        self._call("deployment")
        if self.progress and len(self.progress) > 1:
            return self.progress.pop(0)
        return self.progress[0] if self.progress else None

    def stopped(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        self._call("stopped")
        return self.reasons

    def changed_at(self, names: Sequence[str], *, store: SecretStore = SecretStore.PARAMETER_STORE) -> datetime | None:
        self._call("changed_at", store)
        return self.written
