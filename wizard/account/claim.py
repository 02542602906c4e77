"""The claim of an environment: which stack, with its state where, set it up.

Reads through the AWS port.
"""

import platform

from components.settings import SecretStore, Settings
from wizard.core.errors import Problem, ResourceError, SetupError, attempted
from wizard.core.next_command import Text, chain, plain_name, shell, wizard
from wizard.core.ports.run import AwsClient
from wizard.core.safe_text import quoted
from wizard.core.state_backend import CLOUD_URL


def claim_of(stack: str, backend: str) -> str:
    """The text of an environment's claim: its stack, and where the state is. `backend`: of `Engine.check_backend`."""
    place = backend.partition(" as ")[0]
    # The path of a local backend names a folder of this machine only.
    place = f"{platform.node()}:{place}" if place.startswith(("/", "~")) else place
    return f"stack {plain_name(stack)}, state in {place}"


def foreign_claim(settings: Settings, owner: str, own: str) -> Problem | None:
    """The problem where the environment's claim is another stack's or another backend's; None where it is `own`."""
    if owner == own:
        return None
    stack, _, place = owner.removeprefix("stack ").partition(", state in ")
    machine, is_local, path = place.partition(":/")
    url = CLOUD_URL if place == "Pulumi Cloud" else place
    if is_local and "://" not in place:
        url = f"file:///{path.removesuffix('/.pulumi')}" if machine == platform.node() else ""
    gone = shell("aws", "ssm", "delete-parameter", "--name", settings.names.claim, "--region", settings.region)
    advice = Text("only if that state is gone for good: ", gone, "; then: ", wizard("doctor", "--stack", stack))
    next_step: Text = chain(shell("pulumi", "login", url), shell("export", f"PULUMI_BACKEND_URL={url}"), advice=advice)
    if "://" not in url:
        next_step = Text("run the wizard on the machine that has the state; ", advice)
    if place and own.endswith(f", state in {place}"):
        # The backend in use has both stacks: no other login shows the first one.
        second = own.removeprefix("stack ").partition(", state in ")[0]
        alone = wizard("setup", "--stack", second, "--environment", "NAME")
        next_step = wizard("setup", "--stack", stack, advice=Text("or, for an environment of its own: ", alone))
    return Problem(
        what=f"the environment {settings.environment} of the account {settings.account_id} belongs to another stack: "
        f"{quoted(owner)}. This is {own}",
        why="two states of one environment would create, change and delete the same resources",
        next=next_step,
        exit_code=ResourceError.exit_code,
    )


def claimed_elsewhere(aws: AwsClient, settings: Settings, own: str) -> Problem | None:
    """The same, by the claim in the account; None without a claim, or where it cannot be read."""
    name = settings.names.claim
    claims = attempted(aws.access_diagnostics.read_values, [name], SecretStore.PARAMETER_STORE)
    owner = None if isinstance(claims, SetupError) else claims.get(name)
    return None if owner is None else foreign_claim(settings, owner, own)
