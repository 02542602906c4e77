"""The settings of a stack that was set up, and the way back to a lost settings file.

Asks the engine only where the file is missing.
"""

from components.settings import Settings
from wizard.core.clients import Clients, Request
from wizard.core.errors import DamagedState, Problem, StackNotFound
from wizard.core.next_command import Command, eonpro, plain_name, shell
from wizard.setup.preflight import services


def settings_of(request: Request, clients: Clients) -> Settings:
    """The settings of a stack that was set up. Raises StackNotFound with the way back to a lost settings file."""
    if request.saved is not None:
        return request.saved
    state, error = services.attempt(clients.engine({}).state, request.stack)
    message = f"Pulumi.{plain_name(request.stack)}.yaml, the settings file of the stack {request.stack}, does not exist"
    if isinstance(error, DamagedState):
        # Only from a state that can be read the settings are taken again.
        raise StackNotFound(f"{message}, and {error.message}", error.hint)
    raise StackNotFound(
        message,
        settings_refresh(request.stack)
        if state and state.outputs
        else eonpro("status", "--all", advice="lists the stacks; the settings file is kept with the code"),
    )


def lost_settings(stack: str) -> Problem:
    return Problem(
        what=f"the stack {stack} is deployed, and its settings file does not exist",
        why="this run would go by its own answers, not by the settings of the last update",
        next=settings_refresh(stack),
    )


def settings_refresh(stack: str) -> Command:
    """The command that brings a lost settings file back."""
    return shell("pulumi", "config", "refresh", "--stack", stack, advice="takes them from the last update")
