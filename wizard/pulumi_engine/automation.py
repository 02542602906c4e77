"""The private parts of Pulumi's Automation API that this package uses.

Part of the client of Pulumi: starts the `pulumi` program. No other file imports a private module of the SDK;
`tests/wizard/pulumi_engine/test_automation.py` fails where a new version lacks one of them.
"""

import os
import subprocess
from datetime import UTC, datetime

from pulumi.automation import OutputMap, PulumiCommand, Stack, UpdateSummary, Workspace
from pulumi.automation._cmd import _parse_and_validate_pulumi_version
from pulumi.automation._env import _SKIP_VERSION_CHECK_VAR
from pulumi.automation._minimum_version import _MINIMUM_VERSION
from pulumi.automation._stack import StackInitMode

from wizard.core.child_environment import of_pulumi

VERSION_SECONDS = 30.0
"""For `pulumi version`, which asks nobody."""


class Cli(PulumiCommand):
    """The `pulumi` program on the PATH with its version, asked with the environment of every other Pulumi command.

    The Automation API's own class passes on the whole environment, with the secrets of the application and of Vercel.
    """

    def __init__(self) -> None:
        """Raises OSError, CalledProcessError, TimeoutExpired, or InvalidVersionError for an unsupported version."""
        self.command = "pulumi"
        said = subprocess.run(
            [self.command, "version"],
            env={**of_pulumi(os.environ), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_SECONDS,
            check=True,
        ).stdout
        self.version = _parse_and_validate_pulumi_version(
            min_version=_MINIMUM_VERSION,
            current_version=said.decode("utf-8", "replace").strip().removeprefix("v"),
            opt_out=os.environ.get(_SKIP_VERSION_CHECK_VAR) is not None,
        )


class MinimalStack(Stack):
    """A stack whose `up` reads nothing from the backend afterwards: its outputs are in the engine's events.

    The Automation API's would start the CLI three more times, for outputs with and without secrets and for the history.
    """

    def outputs(self) -> OutputMap:
        """No outputs: `Watch.outputs` reads them."""
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
