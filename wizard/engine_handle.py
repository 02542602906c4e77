"""The Automation API's stack, less what it asks the backend in vain.

Part of the engine's edge: touches nothing that the Automation API does not touch.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pulumi.automation import OutputMap, Stack, UpdateSummary, Workspace
from pulumi.automation._stack import StackInitMode


class LeanStack(Stack):
    """A stack whose `up` asks the backend nothing afterwards: its outputs are in the engine's own events.

    The Automation API's would start the CLI three more times, for outputs with and without secrets and for the history.
    """

    def outputs(self) -> OutputMap:
        """Nothing: see `Watch.outputs`."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:
        """What `up` returns and nobody here reads."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


class UnselectedStack(LeanStack):
    """A stack that is only looked at: the plain `pulumi` goes on meaning the stack that a person selected."""

    def __init__(self, name: str, workspace: Workspace) -> None:
        """Asks nobody; a stack that is not there is told by the first command."""
        self.name = name
        self.workspace = workspace
        self._mode = StackInitMode.SELECT
