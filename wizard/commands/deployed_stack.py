"""A deployed stack as the commands find it: its settings, its account, and where its facts are read.

Asks who the caller is, asks nobody else and changes nothing. All that is known of the stack is a fact of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.settings import Outputs, Settings
from wizard.account.facts import StackFacts
from wizard.core.clients import Clients, Request
from wizard.core.errors import (
    CredentialsError,
    DataKeyConflict,
    SetupError,
    StackNotFound,
    UsageError,
    attempted,
    known,
)
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.models.stack import StackState
from wizard.core.next_command import eonpro, shell
from wizard.core.state_backend import Circumstances, resolve
from wizard.inputs.registry import by_key
from wizard.setup.saved_settings import settings_of, settings_refresh

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient


def find(request: Request, clients: Clients) -> StackFacts:
    """The stack's facts. Raises StackNotFound without settings, CredentialsError without credentials of its account.

    A file with its passphrase that others can read is refused, as in the set-up.
    """
    settings = settings_of(request, clients)
    values = request.values
    aws = clients.connect(values.get("profile"), settings.region)
    token = values.get("vercel_token")
    is_used = by_key["vercel_token"].needed({"target": settings.deploy_targets})
    if (account := aws.account_id()) != settings.account_id:
        raise _other_account(account, request.stack, settings, values, clients, aws)
    environment = {**aws.environment(), **_state_environment(request.stack, settings, values, clients)}
    return StackFacts(
        stack=request.stack,
        settings=settings,
        aws=aws,
        sources=clients,
        open_engine=lambda: clients.engine(environment),
        vercel=clients.vercel(token) if token and is_used else None,
    )


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
        return resolve(
            values, Circumstances(account=account, region=region, application=settings.application)
        ).environment
    found = clients.state.circumstances(stack, account=account, region=region, interactive=False)
    return resolve(values, replace(found, application=settings.application)).environment


def outputs_of(facts: StackFacts) -> Outputs:
    """The outputs. Raises StackNotFound if the stack is not deployed, UsageError if these settings would replace it, or
    the error of reading its state.
    """
    outputs = known(facts.state).outputs
    if outputs is None:
        raise StackNotFound(f"the stack {facts.stack} is not deployed yet", eonpro("setup", "--stack", facts.stack))
    for key, own, wanted in facts.replaced:
        raise UsageError(
            f"the settings of the stack {facts.stack} were changed: {key} is {wanted}, and it was built with {own}",
            shell("pulumi", "config", "set", key, own, "--stack", facts.stack),
        )
    return outputs


def stored_data_key_of(facts: StackFacts) -> StoredDataKey | None:
    """The stored data key. Raises the error of reading it; of a replaced value with the command that puts it back."""
    found = facts.stored_data_key
    if isinstance(found, DataKeyConflict):
        rotation, settings = facts.aws.key_rotation, facts.settings
        stored = attempted(rotation.stored_key, settings)
        tagged = None if isinstance(stored, SetupError) else stored.tagged
        version = attempted(rotation.version, settings, tagged) if tagged else None
        if isinstance(version, DataKeyVersion) and not version.current:
            back = ("--version", version.fingerprint, "--stack", facts.stack, "--confirm", facts.stack)
            raise DataKeyConflict(found.message, eonpro("restore", *back, "--no-redeploy")) from found
    return known(found)
