"""Pulumi's Automation API, with what this package uses of it that is private or relies on its inner order.

Part of the client of Pulumi: starts the `pulumi` program. No other file imports a private module of the SDK;
`tests/wizard/pulumi_engine/test_automation.py` fails where a new version lacks what is used here.
"""

from datetime import UTC, datetime

from pulumi.automation import OutputMap, Stack, UpdateSummary, Workspace
from pulumi.automation._stack import StackInitMode


class MinimalStack(Stack):
    """A stack whose `up` reads nothing from the backend afterwards: its outputs are in the engine's events.

    The Automation API's would start the CLI three more times, for outputs with and without secrets and for the history.
    """

    def outputs(self) -> OutputMap:
        """Empty: see `Watch.outputs`."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:
        """The return value of `up`, which is not used."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


class ReadOnlyStack(MinimalStack):
    """A stack that is only read: the selected stack of the Pulumi CLI does not change."""

    def __init__(self, name: str, workspace: Workspace) -> None:
        """Makes no request; the first command fails for a stack that does not exist."""
        self.name = name
        self.workspace = workspace
        self._mode = StackInitMode.SELECT


def select(stack: str, workspace: Workspace) -> MinimalStack:
    """The stack, selected for the CLI too. Raises StackNotFoundError."""
    return MinimalStack(stack, workspace, StackInitMode.SELECT)


def create(stack: str, workspace: Workspace) -> MinimalStack:
    """A new stack, selected. Raises StackAlreadyExistsError."""
    return MinimalStack(stack, workspace, StackInitMode.CREATE)
