"""The service on ECS: whether its tasks run as the application, and take the variables from the stack's store.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.contract import Target
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.push.task_definition import Wanted, changes, container_of, with_variables


def the_task_definition(evidence: Evidence) -> Iterator[Told]:
    """Whether the service's task definition has the stack's roles and secrets."""
    settings, outputs = evidence.settings, evidence.outputs
    cluster, name = settings.ecs_cluster, settings.ecs_service
    if Target.ECS not in settings.deploy_targets or outputs is None or not cluster or not name:
        return  # Without a service named there is none to look at; what runs is told by the check of what runs.
    service = evidence.once("service", lambda: evidence.cloud.fleet().service(cluster, name))
    if service is None or isinstance(service, SetupError):
        return
    arn = service.task_definition
    definition = evidence.once("task definition", lambda: evidence.cloud.fleet().task_definition(arn))
    if isinstance(definition, SetupError):
        yield Unlooked.of(f"the task definition {arn}", definition)
        return
    if definition is None:
        yield Unlooked(what=f"the task definition {arn}", why="ECS does not find it")
        return
    wanted = Wanted.of(settings, outputs)
    found = definition.body.get("taskRoleArn")
    if found != wanted.task_role:
        yield Finding(
            cause="wrong-principal",
            what=f"the service {cluster}/{name} runs as {found or 'no role at all'}, not as {wanted.task_role}",
            why="the key lets the application's own role in and nobody else: KMS answers AccessDeniedException"
            if found
            else "its tasks have no credentials for KMS",
            command=remedies.wizard(evidence, "push", "--redeploy", "--yes"),
        )
    try:
        container = container_of(definition, wanted, service)
    except SetupError as error:
        yield Unlooked.of(f"which container of {arn} is the application's", error)
        return
    rest = {**definition.body, "taskRoleArn": wanted.task_role}
    told = changes(rest, with_variables(rest, container, wanted), container)
    if told:
        yield Finding(
            cause="task-definition-behind",
            what=f"the task definition of {cluster}/{name} lacks: {'; '.join(told)}",
            why="its tasks do not get the variables from the stack's store, and say “Encryption key not initialized”",
            command=remedies.wizard(evidence, "push", "--redeploy", "--yes"),
        )
    elif found == wanted.task_role:
        yield Well(what=f"the service {cluster}/{name} runs as the application, with the stack's variables")
