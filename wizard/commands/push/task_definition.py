"""What a task definition has to have for the application to be given its key: its secrets and its two roles.

Pure: bodies of task definitions in, bodies out. Nothing else of one is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.settings import APPLICATION_VARIABLES, Outputs, Settings
from wizard.core.errors import SetupError
from wizard.core.models.deployment import Service, TaskDefinition
from wizard.setup.report import execution_role


@dataclass(frozen=True, kw_only=True)
class ExpectedDefinition:
    """What the stack wants of the application's task definition."""

    secrets: tuple[tuple[str, str], ...]
    """(name, valueFrom) of each variable."""
    task_role: str
    execution_role: str

    @classmethod
    def of(cls, settings: Settings, outputs: Outputs) -> ExpectedDefinition:
        """As the stack tells it."""
        return cls(
            secrets=outputs.task_secrets,
            task_role=outputs.principal_of("ecs"),
            execution_role=execution_role(settings),
        )


def container_of(definition: TaskDefinition, wanted: ExpectedDefinition, service: Service) -> str:
    """The name of the application's container. Raises SetupError where it cannot be told, naming all of them.

    It is the one that has any of the variables already, else the only one, else the only essential one.
    """
    containers: Sequence[Mapping[str, Any]] = definition.body.get("containerDefinitions") or ()
    having = [one for one in containers if names_of(one) & set(APPLICATION_VARIABLES)]
    # A container is essential unless it says that it is not.
    essential = [one for one in containers if one.get("essential", True)]
    for choice in (having, containers, essential):
        if len(choice) == 1:
            return str(choice[0]["name"])
    named = ", ".join(str(one["name"]) for one in (having or containers))
    what = "several have the variables" if having else "none of them has any of the variables yet"
    raise SetupError(
        f"which container of {definition.arn.rpartition('/')[2]} is the application's cannot be told: {named} "
        f"({what}); nothing was registered",
        _by_hand(definition, wanted, service),
    )


def names_of(container: Mapping[str, Any]) -> set[str]:
    """The names of a container's variables, plain or secret."""
    return {str(one["name"]) for kind in ("environment", "secrets") for one in container.get(kind) or ()}


def with_variables(body: Mapping[str, Any], container: str, wanted: ExpectedDefinition) -> dict[str, Any]:
    """The same task definition, whose container takes the variables from the stack's store, under the stack's roles.

    A variable of these names is taken out of `environment`: ECS refuses a name that is in both. Everything else stays.
    """
    containers = [
        _with_secrets(one, wanted.secrets) if one["name"] == container else one for one in body["containerDefinitions"]
    ]
    return {
        **body,
        "containerDefinitions": containers,
        "taskRoleArn": wanted.task_role,
        "executionRoleArn": wanted.execution_role,
    }


def _with_secrets(container: Mapping[str, Any], secrets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    source = dict(secrets)
    there = container.get("secrets") or ()
    kept = [
        {**one, "valueFrom": source[one["name"]]} if one["name"] in source else one
        # The first of a name; there can be no other.
        for one in there
    ]
    added = [
        {"name": name, "valueFrom": value} for name, value in secrets if name not in {one["name"] for one in there}
    ]
    changed: dict[str, Any] = {**container, "secrets": [*kept, *added]}
    if any(one["name"] in source for one in container.get("environment") or ()):
        changed["environment"] = [one for one in container["environment"] if one["name"] not in source]
    return changed


def changes(before: Mapping[str, Any], after: Mapping[str, Any], container: str) -> tuple[str, ...]:
    """What a revision changes, in words, without a value."""
    told = []
    for field, role in (("taskRoleArn", "task role"), ("executionRoleArn", "execution role")):
        if before.get(field) != after.get(field):
            was = f", in place of {before[field]}" if before.get(field) else ""
            told.append(f"{role} {after[field]}{was}")
    mine = [next(one for one in body["containerDefinitions"] if one["name"] == container) for body in (before, after)]
    sources = [{one["name"]: one["valueFrom"] for one in each.get("secrets") or ()} for each in mine]
    if fresh := [name for name, source in sources[1].items() if sources[0].get(name) != source]:
        told.append(f"{', '.join(fresh)} as secrets of the container {container}")
    plain = [{one["name"] for one in each.get("environment") or ()} for each in mine]
    if gone := sorted(plain[0] - plain[1]):
        told.append(f"{', '.join(gone)} no longer in its plain environment")
    return tuple(told)


def _by_hand(definition: TaskDefinition, wanted: ExpectedDefinition, service: Service) -> str:
    """The commands that give a container its first secret; from then on it is known."""
    fields = ", ".join(f"{name}: {name}" for name in definition.body if name != "tags")
    secret = wanted.secrets[0] if wanted.secrets else (APPLICATION_VARIABLES[0], "…")
    return (
        f"aws ecs describe-task-definition --task-definition {definition.arn} "
        f"--query 'taskDefinition.{{{fields}}}' > task.json\n"
        f'  # add to the "secrets" of the application\'s container: '
        f'{{"name": "{secret[0]}", "valueFrom": "{secret[1]}"}}\n'
        f'  # and see to it that "executionRoleArn" is {wanted.execution_role}\n'
        "aws ecs register-task-definition --cli-input-json file://task.json\n"
        f"aws ecs update-service --cluster {service.cluster} --service {service.name} "
        f"--task-definition {definition.family}   # then run the same command again"
    )
