"""A stack as the commands of day two find it: its settings, the caller, the state, the project on Vercel.

Pure: reads through the edges' Protocols, asks nobody and changes nothing. Unlike a set-up's pass for problems it goes
on where one of them cannot be had, for what is wrong is what these commands are asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from components.settings import Outputs, Settings, Target
from wizard.core.errors import CredentialsError, SetupError, StackNotFound
from wizard.core.models.account import Identity
from wizard.core.models.delivery import StackState, VercelProject
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, Engine, VercelClient
from wizard.core.state_backend import S3, url_of
from wizard.inputs.registry import by_key
from wizard.setup.steps import Clients, Request
from wizard.targets.port import TargetContext, deploy_target

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class DeployedStack:
    """A stack whose settings are here and whose account the caller is in; the rest as far as it could be had."""

    stack: str
    settings: Settings
    aws: AwsClient
    """In the stack's own Region."""
    identity: Identity
    engine: Engine
    state: StackState | SetupError
    vercel: VercelClient | None = None
    """None where no token was given, or Vercel is no target."""
    project: VercelProject | SetupError | None = None

    @property
    def outputs(self) -> Outputs | None:
        """What the stack tells; None where it is not built or could not be asked."""
        return None if isinstance(self.state, SetupError) else self.state.outputs

    def context(self, targets: tuple[Target, ...] | None = None) -> TargetContext:
        """What reaches the targets of a run; all of the stack's, unless some are named."""
        return TargetContext(
            stack=self.stack,
            settings=self.settings,
            aws=self.aws,
            targets=self.settings.deploy_targets if targets is None else targets,
            outputs=self.outputs,
            vercel=self.vercel,
            project=self.project,
        )

    def reachable(self, targets: tuple[Target, ...] | None = None) -> TargetContext:
        """The same, where every target can be asked. Raises SetupError for the first that cannot."""
        context = self.context(targets)
        for target in context.targets:
            if problem := deploy_target(target).access_problem(context):
                raise problem
        return context


def find(request: Request, clients: Clients) -> DeployedStack:
    """The stack as it stands.

    Raises StackNotFound without settings, CredentialsError for no credentials or those of another account.
    """
    settings = request.saved
    name = request.stack.rsplit("/", 1)[-1]
    if settings is None:
        raise StackNotFound(
            f"the settings of the stack {request.stack}, Pulumi.{name}.yaml, are not here",
            wizard("status", "--all", advice="which stacks there are; the file belongs with the code"),
        )
    value: dict[str, Any] = {key: answer.value for key, answer in request.answers.items()}
    aws = clients.connect(value.get("profile"), settings.region)
    identity = aws.identify()
    if identity.account_id != settings.account_id:
        raise CredentialsError(
            f"the stack {request.stack} is in the account {settings.account_id}, and these credentials "
            f"({identity.arn}, by {identity.source}) are of {identity.account_id}",
            "use a profile of that account: --profile NAME",
        )
    told = str(value.get("backend") or "")
    backend = {"PULUMI_BACKEND_URL": url_of(told, account="", region="")} if told not in ("", S3) else {}
    engine = clients.engine({**aws.environment(), **backend})
    token = value.get("vercel_token")
    is_used = by_key["vercel_token"].needed({"target": settings.deploy_targets})
    vercel = clients.vercel(token) if token and is_used else None
    with ThreadPoolExecutor(max_workers=2) as pool:
        state = pool.submit(attempted, engine.state, request.stack)
        project = (
            pool.submit(attempted, vercel.find_project, settings.vercel_team or "", settings.vercel_project or "")
            if vercel
            else None
        )
        return DeployedStack(
            stack=request.stack,
            settings=settings,
            aws=aws,
            identity=identity,
            engine=engine,
            state=state.result(),
            vercel=vercel,
            project=project.result() if project else None,
        )


def outputs_of(found: DeployedStack) -> Outputs:
    """The outputs of a stack that has to be built. Raises StackNotFound, or what kept the state from being read."""
    if isinstance(found.state, SetupError):
        raise found.state
    if found.state.outputs is None:
        raise StackNotFound(f"the stack {found.stack} is not deployed yet", wizard("setup", "--stack", found.stack))
    return found.state.outputs


def attempted(call: Callable[..., T], *arguments: Any, **more: Any) -> T | SetupError:
    """What the call returns, or the error it raised, as a value."""
    try:
        return call(*arguments, **more)
    except SetupError as error:
        return error
