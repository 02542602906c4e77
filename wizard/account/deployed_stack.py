"""A deployed stack: its settings, the caller, the Pulumi state, the Vercel project; the latter two may be errors.

Pure: `wizard/commands/deployed_stack.py` finds one.
"""

from dataclasses import dataclass

from components.settings import Outputs, Settings, Target
from wizard.core.errors import SetupError
from wizard.core.models.account import Identity
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.ports.run import AwsClient, Engine, TargetContext, VercelClient
from wizard.targets.port import deploy_target


@dataclass(frozen=True, kw_only=True)
class DeployedStack:
    """A stack with its settings, whose account the caller is in; the state and the project may be errors."""

    stack: str
    settings: Settings
    aws: AwsClient
    """In the stack's own Region."""
    identity: Identity
    """Without the account's alias: nothing waits for that."""
    engine: Engine
    state: StackState | SetupError
    vercel: VercelClient | None = None
    """None without a token, or if Vercel is not a target."""
    project: VercelProject | SetupError | None = None
    stored_data_key: StoredDataKey | SetupError | None = None
    """None where there is none, and where it was not asked for."""

    @property
    def outputs(self) -> Outputs | None:
        """The stack's outputs; None if it is not deployed or its state cannot be read."""
        return None if isinstance(self.state, SetupError) else self.state.outputs

    def context(self, targets: tuple[Target, ...] | None = None) -> TargetContext:
        """The context of these targets, or of all of the stack's."""
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
        """The same context. Raises the SetupError of the first target that cannot be accessed."""
        context = self.context(targets)
        for target in context.targets:
            if problem := deploy_target(target).access_problem(context):
                raise problem
        return context
