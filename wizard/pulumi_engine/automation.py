"""Pulumi's Automation API, with what this package uses of it that is private or relies on its inner order.

Part of the client of Pulumi: starts the `pulumi` program. No other file imports a private module of the SDK;
`tests/wizard/pulumi_engine/test_automation.py` fails where a new version lacks what is used here.
"""

import json
from datetime import UTC, datetime

from pulumi.automation import Deployment, LocalWorkspace, OutputMap, Stack, UpdateSummary, Workspace
from pulumi.automation._stack import StackInitMode


class SealedWorkspace(LocalWorkspace):
    """A workspace whose exported states have their secrets encrypted.

    The Automation API's would decrypt them: the CLI derives the passphrase's key for that, or asks KMS. No fact of a
    state is a secret here, and what is imported again is encrypted as it was.
    """

    def export_stack(self, stack_name: str) -> Deployment:
        """The stack's state. Raises what `run` raises."""
        exported = json.loads(run(self, "stack", "export", "--stack", stack_name))
        return Deployment(version=exported.get("version"), deployment=exported.get("deployment"))


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


def run(workspace: LocalWorkspace, *arguments: str) -> str:
    """The output of a command that the Automation API has no method for. Raises its CommandError."""
    return workspace.pulumi_command.run(list(arguments), workspace.work_dir, workspace.env_vars).stdout
