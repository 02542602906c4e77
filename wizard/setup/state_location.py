"""Where Pulumi's state of a run is stored.

Creates, on request, the bucket of the state or a passphrase file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wizard.core.clients import Source
from wizard.core.errors import Problem, SetupError
from wizard.core.models.account import Identity
from wizard.core.models.inputs import FILE_VARIABLE, Mark
from wizard.core.next_command import shell
from wizard.core.state_backend import Circumstances, StateBackend, key_alias, resolve
from wizard.inputs.interview import Interview

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.pulumi_engine.backend import StatePlaces
    from wizard.terminal.terminal import Terminal


@dataclass(frozen=True, kw_only=True)
class StateLocation:
    """Where the state is stored, for the engine."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets_provider: str | None = None
    log_in_to: str | None = None
    """The backend that a person chose; logged in to, for the Pulumi CLI."""
    problems: tuple[Problem, ...] = ()


def settle(stack: str, interview: Interview, ui: Terminal, places: StatePlaces | None) -> StateLocation:
    """The state's location, created if requested. An error becomes a problem for the checks."""
    aws, identity = interview.aws, interview.identity
    if places is None or aws is None or not isinstance(identity, Identity):
        return StateLocation()  # The checks report the missing identity.
    try:
        circumstances = places.circumstances(
            stack, account=identity.account_id, region=aws.region, interactive=ui.interactive
        )
        circumstances = replace(circumstances, application=interview.values["application"])
        if circumstances.provider is None and not interview.values.get("secrets_provider"):
            circumstances = _with_key(circumstances, aws)
        state = resolve(interview.values, circumstances)
        if state.problems:
            return StateLocation(problems=state.problems)
        return _create(stack, state, interview, ui, places, aws)
    except SetupError as error:
        why = "Pulumi cannot run without the location of its state"
        return StateLocation(
            problems=(Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code),)
        )


def _with_key(circumstances: Circumstances, aws: AwsClient) -> Circumstances:
    try:
        return replace(circumstances, key_found=aws.kms.describe_key(key_alias(circumstances.application)) is not None)
    except SetupError:
        return circumstances  # Optional: a key that cannot be read is not used.


def _create(
    stack: str, state: StateBackend, interview: Interview, ui: Terminal, places: StatePlaces, aws: AwsClient
) -> StateLocation:
    environment = dict(state.environment)
    # The first sentence was printed with the detected values, unless the backend was chosen now.
    for sentence in state.sentences if interview.values.get("backend") else state.sentences[1:]:
        ui.line(sentence, mark=Mark.INFO)
    if state.make_bucket:
        ui.working("creating the bucket for the state")
        result = (
            "created"
            if aws.state_storage.make_state_bucket(state.make_bucket, interview.values["application"])
            else "there already"
        )
        ui.line(f"{state.make_bucket}: {result}; private, versioned, encrypted", mark=Mark.OK)
    if state.make_passphrase:
        environment[FILE_VARIABLE] = path = places.make_passphrase(stack)
        copy = "keep a copy where your team keeps secrets, for colleagues and CI"
        ui.line(f"the stack's passphrase is in {path}: {copy}", mark=Mark.WARN)
        ui.line("to use the Pulumi CLI directly:", mark=Mark.INFO)
        ui.verbatim(shell("export", f"{FILE_VARIABLE}={path}"))
    backend = interview.answers.get("backend")
    chosen = backend is not None and backend.source is Source.ASKED
    return StateLocation(
        environment=environment, secrets_provider=state.secrets_provider, log_in_to=state.url if chosen else None
    )
