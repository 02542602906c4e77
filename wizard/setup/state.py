"""The step that settles where Pulumi keeps the state, before Pulumi is asked anything.

Pure: runs over the edges' Protocols. A bucket, or a file with a passphrase, is made here and nowhere else, on request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from wizard.core.errors import Problem, SetupError
from wizard.core.models.account import Identity
from wizard.core.models.progress import Mark
from wizard.core.ports.run import AwsClient, UserInterface
from wizard.core.state_backend import KEY_ALIAS, Circumstances, StateBackend, resolve
from wizard.inputs.answers import Source
from wizard.inputs.interview import Interview

PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"


class StatePlaces(Protocol):
    """What this machine knows of states and passphrases (`wizard/pulumi_engine/backend.py`)."""

    def circumstances(self, stack: str, *, account: str, region: str, interactive: bool) -> Circumstances:
        """What was found, but for the key, which only the account knows of."""
        ...

    def make_passphrase(self, stack: str) -> str:
        """A new passphrase in a file that only its owner can read; the file's path."""
        ...


@dataclass(frozen=True, kw_only=True)
class StateLocation:
    """Where the state goes, as the engine has to be told."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets_provider: str | None = None
    log_in_to: str | None = None
    """The backend that a person chose: logged in to, so that the plain `pulumi` finds it later."""
    problems: tuple[Problem, ...] = ()


def settle(stack: str, interview: Interview, ui: UserInterface, places: StatePlaces | None) -> StateLocation:
    """The backend and what opens the stack; makes what was asked for. A fault is a problem among the others."""
    aws, identity = interview.aws, interview.identity
    if places is None or aws is None or not isinstance(identity, Identity):
        return StateLocation()  # Whose account it is comes first, and is told by the pass for problems.
    try:
        found = places.circumstances(stack, account=identity.account_id, region=aws.region, interactive=ui.interactive)
        if found.provider is None and not interview.values.get("secrets_provider"):
            found = _with_key(found, aws)
        state = resolve(interview.values, found)
        if state.problems:
            return StateLocation(problems=state.problems)
        return _made(stack, state, interview, ui, places, aws)
    except SetupError as error:
        why = "Pulumi cannot be asked without the place of its state"
        return StateLocation(
            problems=(Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code),)
        )


def _with_key(found: Circumstances, aws: AwsClient) -> Circumstances:
    try:
        return replace(found, key_found=aws.kms.describe_key(KEY_ALIAS) is not None)
    except SetupError:
        return found  # A convenience: what may not be looked at is not used.


def _made(
    stack: str, state: StateBackend, interview: Interview, ui: UserInterface, places: StatePlaces, aws: AwsClient
) -> StateLocation:
    environment = dict(state.environment)
    # Where it is was told among what was found, unless it was chosen just now.
    for sentence in state.sentences if interview.values.get("backend") else state.sentences[1:]:
        ui.line(sentence, mark=Mark.INFO)
    if state.make_bucket:
        ui.working("making the bucket for the state")
        made = "made" if aws.state_storage.make_state_bucket(state.make_bucket) else "there already"
        ui.line(f"{state.make_bucket}: {made}; private, versioned, encrypted", mark=Mark.OK)
    if state.make_passphrase:
        environment[PASSPHRASE_FILE] = path = places.make_passphrase(stack)
        ui.line(f"the stack's passphrase is in {path}: keep a copy where you keep secrets", mark=Mark.WARN)
        ui.line("to use the Pulumi CLI directly:", mark=Mark.INFO)
        ui.verbatim(f"export {PASSPHRASE_FILE}={path}")
    backend = interview.answers.get("backend")
    chosen = backend is not None and backend.source is Source.ASKED
    return StateLocation(
        environment=environment,
        secrets_provider=state.secrets_provider,
        log_in_to=state.url if chosen else None,
    )
