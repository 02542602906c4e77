"""A stack with the clients that reach its deploy targets: what a target is given for each of its operations.

Pure. Holds clients, and calls none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.settings import Outputs, Settings, Target
from wizard.core.errors import SetupError, StackNotFound
from wizard.core.models.vercel import Scope, VercelProject
from wizard.core.next_command import eonpro

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.vercel.client import VercelClient


@dataclass(frozen=True, kw_only=True)
class TargetContext:
    """A stack with the clients that reach its targets, and the targets of this run."""

    stack: str
    settings: Settings
    aws: AwsClient
    """In the stack's own Region."""
    targets: tuple[Target, ...]
    outputs: Outputs | None = None
    """None if the stack is not deployed, or its state cannot be read."""
    vercel: VercelClient | None = None
    """None without a token, and if no target uses it."""
    project: VercelProject | SetupError | None = None
    """The Vercel project, or why it cannot be read."""
    replaces: frozenset[str] = frozenset()
    """The names of the variables of somebody else that this run may replace."""

    @property
    def scope(self) -> Scope:
        """The environment on Vercel that the stack is for."""
        return self.project.scope if isinstance(self.project, VercelProject) else Scope.of(self.settings)

    def require_outputs(self) -> Outputs:
        """The stack's outputs. Raises StackNotFound if it is not deployed."""
        if self.outputs is None:
            raise StackNotFound(f"the stack {self.stack} is not deployed yet", eonpro("setup", "--stack", self.stack))
        return self.outputs
