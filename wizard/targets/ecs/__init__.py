"""Amazon ECS as a deploy target: tasks that read the three variables from the stack's store when they start.

Acts through the clients of the context; imports a library only in the method that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wizard.core.errors import SetupError
from wizard.core.models.inputs import CREATE, Choice, Input, InputType
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.targets.port import Files, NextStep, OnMessage, StoreTarget, TargetDescription

if TYPE_CHECKING:
    from components.settings import Outputs, Settings
    from wizard.aws.client import AwsClient
    from wizard.core.models.deployment import Instances, Redeployed
    from wizard.core.models.vercel import Scope
    from wizard.core.target_context import TargetContext
    from wizard.core.variable_ownership import ForeignVariable, OwnValues

NAME = "ecs"
_TASK_DEFINITIONS = ("taskdef.json", "task-definition.json", ".aws/task-definition.json", "ecs/task-definition.json")


class Ecs(StoreTarget):
    """A service on Amazon ECS."""

    name = NAME
    order = 2
    title = "Amazon ECS"
    note = "a task's parameters"
    can_redeploy = True
    free_inputs = ("ecs_cluster",)
    container_credentials_first = True
    inputs = (
        Input(
            key="ecs_cluster",
            prompt="Which ECS service? (CLUSTER/SERVICE, or empty)",
            why="A task reads its values when it starts: this service has to be redeployed.",
            safeguard="164.308(a)(4)(ii)(B), access authorization",
            link="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html",
            help="name of the ECS cluster",
            metavar="NAME",
            rest="ecs_service",
            is_listed=True,
            own=True,
            optional=True,
        ),
        Input(
            key="ecs_service",
            prompt="Which ECS service? (empty: none)",
            why="A task reads its values when it starts: this service has to be redeployed.",
            safeguard="164.308(a)(4)(ii)(B), access authorization",
            link="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html",
            help="name of the ECS service",
            metavar="NAME",
            own=True,
            needed=lambda values: bool(values.get("ecs_cluster")),
            optional=True,
            follows="ecs_cluster",
        ),
        Input(
            key="ecs_execution_role",
            saved_as="ecs_execution_role_arn",
            kind=InputType.SELECT,
            prompt="Which role reads the parameters for the task?",
            why="ECS reads them, not the application: the task execution role may read these and no others.",
            safeguard="164.308(a)(4)(ii)(B), access authorization",
            link="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html",
            help=f"ARN of the task execution role; `{CREATE}`: one is made (default)",
            metavar="ARN",
            optional=True,
            words=(CREATE,),
            recommended=CREATE,
            principal="execution role",
            choices=(Choice(value=CREATE, title="Create a role for it (recommended)"),),
            free_text=True,
        ),
    )

    def evidence(self, files: Files) -> Iterator[str]:
        """A task definition, or the files of a tool that writes one."""
        for name in _TASK_DEFINITIONS:
            if "containerDefinitions" in files.content(name):
                yield f"{name}{' and a Dockerfile' if files.has('Dockerfile') else ''}"
        yield from filter(files.has, ("ecs-params.yml", "ecs-params.yaml"))
        if files.has("copilot/.workspace"):
            yield "copilot/"

    def places(self, key: str, aws: AwsClient) -> tuple[str, ...]:
        """The services of the Region, each as CLUSTER/SERVICE."""
        return aws.ecs_services.names() if key == "ecs_cluster" else ()

    def foreign_variables(
        self, context: TargetContext, own: OwnValues, *, scopes: tuple[Scope, ...] = (), redeploys: bool = False
    ) -> tuple[ForeignVariable, ...]:
        """The foreign values of the store, and of the service's task definition, which a redeploy replaces."""
        from wizard.targets.ecs import service

        stored = super().foreign_variables(context, own)
        services, settings = context.aws.ecs_services, context.settings
        if not (redeploys and context.outputs and context.outputs.task_secrets and settings.ecs_cluster):
            return stored
        try:
            located = service.locate(services, settings)
            definition = services.task_definition(located.task_definition)
            if definition is None:
                return stored
            expected = service.ExpectedDefinition.of(settings, context.outputs)
            container = service.container_of(definition, expected, located)
        except SetupError:
            # What keeps the redeploy from finding it is the redeploy's own to report.
            return stored
        return (*stored, *service.foreign_in(definition, container, located, settings, own))

    def former_key(self, context: TargetContext) -> str | None:
        """The container of the named service's task definition that has one."""
        from wizard.targets.ecs.service import former_key_in

        services, cluster, name = context.aws.ecs_services, context.settings.ecs_cluster, context.settings.ecs_service
        service = services.service(cluster, name) if cluster and name else None
        definition = services.task_definition(service.task_definition) if service else None
        return former_key_in(definition, f"{cluster}/{name}") if definition else None

    def running(self, context: TargetContext) -> Instances:
        """The service's deployment whose tasks run, and whether they have the values of the store."""
        from wizard.core.models.deployment import Instances
        from wizard.targets.ecs import service

        services, settings = context.aws.ecs_services, context.settings
        cluster, name = settings.ecs_cluster, settings.ecs_service
        if cluster is None:
            unnamed = Text(
                "the stack's settings do not name the ECS cluster of the application (",
                *(shell("pulumi", "config", "set", "eonpro-kms:ecsCluster", "NAME"), ")"),
            )
            return Instances(target=NAME, deployment=None, why=unnamed, is_inspected=False)
        deployment = service.running(services, settings)
        if deployment is None:
            is_absent = not (services.service(cluster, name) if name else services.services(cluster))
            what = f"the service {cluster}/{name} does not exist" if name else f"the cluster {cluster} has no service"
            why = f"{what} yet, so nothing runs with outdated values"
            if not is_absent:
                why = "which service runs the application is not known"
            return Instances(
                target=NAME, deployment=None, stale=False if is_absent else None, why=why, is_absent=is_absent
            )
        return service.inspect(services, settings, deployment)

    def redeploy(
        self,
        context: TargetContext,
        running: Instances,
        *,
        on_message: OnMessage,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
        until_complete: bool = False,
    ) -> Redeployed:
        """Restart the service's tasks with the three variables, and wait until they run, whatever is asked for."""
        from wizard.targets.ecs import redeploy

        return redeploy.redeploy(context.aws.ecs_services, context, on_message=on_message, now=now, pause=pause)

    def redeploy_statements(self, settings: Settings) -> list[dict[str, Any]]:
        """The permissions for the service; none if the stack names no cluster."""
        from wizard.targets.ecs.redeploy import redeploy_statements

        if not settings.ecs_cluster:
            return []
        role = settings.arn("iam", f"role/{settings.names.app_role}")
        return redeploy_statements(settings, task_role=settings.app_principal_arn or role)

    def resources(self, settings: Settings) -> dict[str, tuple[str, ...]]:
        """The service and its tasks; none if the stack names no cluster."""
        if not settings.ecs_cluster:
            return {}
        ecs = settings.arn("ecs", "")
        return {
            "service": (f"{ecs}service/{settings.ecs_cluster}/{settings.ecs_service or '*'}",),
            "service deployments": (f"{ecs}service-deployment/{settings.ecs_cluster}/{settings.ecs_service or '*'}/*",),
            "tasks": (f"{ecs}task/{settings.ecs_cluster}/*",),
            "container instances": (f"{ecs}container-instance/{settings.ecs_cluster}/*",),
        }

    def reader(self) -> str:
        """The `secrets` of a container definition."""
        return "the task definition's `secrets`"

    def runtime(self, settings: Settings) -> str:
        return "the service on ECS"

    def summary(self, settings: Settings) -> tuple[str, str, str]:
        """The prefix of the names, and the service."""
        service = _service(settings)
        return "ECS", f"{settings.names.parameter_prefix}/*" + (f", for {service}" if service else ""), "ecs_cluster"

    def describe(self, settings: Settings) -> TargetDescription:
        """The service, its task role and its execution role."""
        return TargetDescription(
            place="/".join(filter(None, (settings.ecs_cluster or "any cluster", settings.ecs_service))),
            identity="the task role of the service",
            reads_from=f"{settings.secret_store.service}, by the task execution role, when a task starts",
        )

    def next_steps(self, settings: Settings, outputs: Outputs, stack: str) -> Iterator[NextStep]:
        """What the task definition needs, then the restart of the service."""
        import json

        regions = ", ".join(settings.replica_regions)
        elsewhere = f"; in {regions} the same, with that Region in each" if regions else ""
        container = {"secrets": [{"name": name, "valueFrom": source} for name, source in outputs.task_secrets]}
        yield NextStep(
            what=f"Give the task definition the task role {outputs.app_principal_arn}, the execution role "
            f"{settings.execution_role_arn}, and its container the secrets of the stack output taskSecrets{elsewhere}",
            verbatim=json.dumps(container, indent=2),
            deploys=True,
        )
        service = _service(settings)
        named = shell("pulumi", "config", "set", "eonpro-kms:ecsCluster", "CLUSTER")
        yield NextStep(
            what=f"Restart the tasks{f' of {service}' if service else ''}, then save a record. This registers that "
            "revision, waits until it runs, and rolls back if it does not:",
            verbatim=Command(
                *(() if settings.ecs_cluster else (named, "\n")), eonpro("push", "--redeploy", "--stack", stack)
            ),
            deploys=True,
        )


def _service(settings: Settings) -> str:
    return "/".join(filter(None, (settings.ecs_cluster, settings.ecs_service)))


TARGET = Ecs()
