"""A deployed stack as the commands read it: its settings, the caller, the Pulumi state, the Vercel project.

Reads through the ports, asks nobody and changes nothing. It goes on if the state or the project cannot be read: what
is wrong there is what these commands report.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from components.settings import Outputs, Settings
from wizard.account.deployed_stack import DeployedStack
from wizard.core.clients import Clients, Request
from wizard.core.errors import CredentialsError, DataKeyConflict, SetupError, StackNotFound, attempted, known
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, VercelClient
from wizard.core.retry import Threads, ahead
from wizard.core.state_backend import Circumstances, resolve
from wizard.data_key.delivery import find_stored_data_key
from wizard.inputs.registry import by_key
from wizard.setup.steps import settings_of, settings_refresh


def find(
    request: Request, clients: Clients, *, reads_data_key: bool = False, reads_variables: bool = False
) -> DeployedStack:
    """Read the stack. Raises StackNotFound without settings, CredentialsError without credentials of its account.

    A file with its passphrase that others can read is refused, as in the set-up.

    `reads_data_key`: read the stored data key too, at the same time. `reads_variables`: begin to read the project's
    variables, with a client that is asked once.
    """
    settings = settings_of(request, clients)
    values: dict[str, Any] = {key: answer.value for key, answer in request.answers.items()}
    aws = clients.connect(values.get("profile"), settings.region)
    token = values.get("vercel_token")
    is_used = by_key["vercel_token"].needed({"target": settings.deploy_targets})
    vercel = clients.vercel(token) if token and is_used else None
    with Threads(max_workers=3) as pool:
        # Vercel needs no answer of AWS.
        project = pool.submit(_read_project, vercel, settings, reads_variables) if vercel else None
        if (account := aws.account_id()) != settings.account_id:
            raise _other_account(account, request.stack, settings, values, clients, aws)
        engine = clients.engine({**aws.environment(), **_state_environment(request.stack, settings, values, clients)})
        state = pool.submit(attempted, engine.state, request.stack)
        stored = pool.submit(attempted, find_stored_data_key, aws, settings) if reads_data_key else None
        return DeployedStack(
            stack=request.stack,
            settings=settings,
            aws=aws,
            identity=aws.caller(),
            engine=engine,
            state=state.result(),
            vercel=vercel,
            project=project.result() if project else None,
            stored_data_key=stored.result() if stored else None,
        )


def _read_project(vercel: VercelClient, settings: Settings, reads_variables: bool) -> VercelProject | SetupError:
    project = attempted(vercel.find_project, *settings.vercel_place)
    if not isinstance(project, VercelProject):
        return project
    project = project.with_names(settings.delivered_names)
    if reads_variables:
        ahead(partial(vercel.read_variables, project))
    return project


def _other_account(
    account: str, stack: str, settings: Settings, values: Mapping[str, Any], clients: Clients, aws: AwsClient
) -> CredentialsError:
    identity = aws.caller()
    last = attempted(lambda: clients.engine(_state_environment(stack, settings, values, clients)).state(stack))
    # The settings file is at fault where the last update was made in the caller's account.
    is_here = isinstance(last, StackState) and last.outputs and f":{account}:" in last.outputs.key_arn
    return CredentialsError(
        f"the stack {stack} is in the account {settings.account_id}, by its settings file, but the "
        f"credentials ({identity.arn}, from {identity.source}) belong to the account {account}"
        + (", and so does the stack's key" if is_here else ""),
        settings_refresh(stack) if is_here else "use a profile of that account: --profile NAME",
    )


def _state_environment(
    stack: str, settings: Settings, values: Mapping[str, Any], clients: Clients
) -> Mapping[str, str]:
    """The backend and the passphrase, as far as the engine does not know them itself. Raises SetupError."""
    account, region = settings.account_id, settings.region
    if clients.state is None:
        return resolve(values, Circumstances(account=account, region=region)).environment
    found = clients.state.circumstances(stack, account=account, region=region, interactive=False)
    return resolve(values, found).environment


def outputs_of(deployed: DeployedStack) -> Outputs:
    """The outputs. Raises StackNotFound if the stack is not deployed, or the error of reading its state."""
    outputs = known(deployed.state).outputs
    if outputs is None:
        raise StackNotFound(
            f"the stack {deployed.stack} is not deployed yet", wizard("setup", "--stack", deployed.stack)
        )
    return outputs


def stored_data_key_of(deployed: DeployedStack) -> StoredDataKey | None:
    """The stored data key. Raises the error of reading it; of a replaced value with the command that puts it back."""
    found = deployed.stored_data_key
    if isinstance(found, DataKeyConflict):
        rotation, settings = deployed.aws.key_rotation, deployed.settings
        stored = attempted(rotation.stored_key, settings)
        tagged = None if isinstance(stored, SetupError) else stored.tagged
        version = attempted(rotation.version, settings, tagged) if tagged else None
        if isinstance(version, DataKeyVersion) and not version.current:
            back = ("--version", version.fingerprint, "--stack", deployed.stack, "--confirm", deployed.stack)
            raise DataKeyConflict(found.message, wizard("restore", *back, "--no-redeploy")) from found
    return known(found)
