"""The input of a run: its answers, its request, the draft that it leaves, and the clients that it uses.

Pure. `wizard/cli` builds them; every command takes them. Holds secrets: an answer's `repr` hides them, and a draft has
none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from components.settings import Settings
    from wizard.aws.client import AwsClient
    from wizard.core.errors import SetupError
    from wizard.core.models.access import TokenSubject
    from wizard.core.models.rotation import LastBackup
    from wizard.core.models.stack import ListedStack, SavedPlan
    from wizard.core.models.vercel import Linked
    from wizard.core.next_command import RunOptions
    from wizard.core.target_context import TargetContext
    from wizard.data_key.verification import DecryptVerifier, Wrapper
    from wizard.inputs.answers_file import Drafts
    from wizard.inputs.application_readers import ApplicationCode
    from wizard.pulumi_engine.backend import StatePlaces
    from wizard.pulumi_engine.engine import Engine
    from wizard.terminal.terminal import Terminal
    from wizard.vercel.client import VercelClient


class Source(StrEnum):
    """The source of an answer, the highest rank first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DRAFT = "draft"
    SAVED = "saved"
    COPIED = "copied"
    DETECTED = "detected"
    DEFAULT = "default"
    ASKED = "asked"


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer:
    """A value with its source. None is the answer `none` to an optional input."""

    value: Any
    source: Source
    where: str
    """The exact source: `--region`, `EONPRO_REGION`, a file's name, `sts`."""
    secret: bool = False

    def __repr__(self) -> str:
        value = "<hidden>" if self.secret else repr(self.value)
        return f"Answer(value={value}, source={self.source.value!r}, where={self.where!r})"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The answers of a run when it ended."""

    stage: str
    at: datetime
    """The time of the last answer; UTC."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Values by the key of their input; None is the answer `none`."""
    asked: tuple[str, ...] = ()
    """The questions that were answered, in order."""


class EngineFactory(Protocol):
    """Returns an Engine that uses exactly the given credentials."""

    def __call__(self, environment: Mapping[str, str], *, secrets_provider: str | None = None) -> Engine: ...


ListStacks = Callable[[Mapping[str, str]], "tuple[ListedStack, ...]"]
"""Lists the backend's stacks with the given credentials. Raises SetupError."""


ReadCode = Callable[["Settings"], "ApplicationCode | None"]
"""Returns the application's code for the settings; None if its folder is unknown."""


GitHub = Callable[[str], "TokenSubject"]
"""Returns the subject of the tokens of a repository OWNER/NAME on GitHub (`wizard/cli/github.py`).

Raises SetupError.
"""


@dataclass(frozen=True, kw_only=True)
class Offline:
    """The clients of a command that asks no service."""

    run: RunOptions
    project: Path
    """The project's folder."""
    saved: Callable[[], Settings | None]
    """The settings in the stack's file. Raises UsageError for settings that cannot be used."""
    saved_name: str
    """The name of that file."""
    print: Callable[[str], None]
    """Prints the result alone on standard output, where no JSON document is asked for."""
    github: GitHub | None = None
    """None without a token."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    ui: Terminal
    connect: Callable[[str | None, str | None], AwsClient]
    """Connects to AWS with a profile and a Region."""
    vercel: Callable[[str], VercelClient]
    """Connects to Vercel with a token."""
    engine: EngineFactory
    prover: DecryptVerifier
    wrapper: Wrapper | None = None
    """Wraps a former ENCRYPTION_KEY."""
    github: GitHub | None = None
    """Asks GitHub for the subject of its tokens; None without a token."""
    linked: Linked | None = None
    detected: tuple[str, ...] = ()
    """Lines to show with the account: the application, the login to Vercel, the state's backend."""
    application: Path | None = None
    """The folder of the application; None if it is not known."""
    read_code: ReadCode = lambda settings: None
    """Reads the application's code; None where its folder is not known."""
    sign_in: Callable[[str], None] | None = None
    """Signs a profile in with the AWS CLI, interactively."""
    sign_in_problem: Callable[[str], SetupError | None] = lambda profile: None
    """Why no AWS CLI that is installed can sign the profile in; None where one can."""
    sign_in_to_vercel: Callable[[], Answer] | None = None
    """Signs a person in with the Vercel CLI, interactively, for a token; None without that CLI. Raises SetupError."""
    drafts: Drafts | None = None
    state: StatePlaces | None = None
    has_state_location: bool = True
    """Whether it is known where Pulumi stores the state; if not, a person is asked."""
    save_plan: Callable[[Mapping[str, Any]], None] | None = None
    """Saves the document of a plan for a later run."""
    save_answers: Callable[[Mapping[str, Any]], None] | None = None
    """Saves the answers, by the key of their input, for a later run."""
    saved_settings: Callable[[], Mapping[str, Settings | SetupError]] = dict
    """The settings of every stack in the project's folder, or why they cannot be used."""
    list_stacks: ListStacks = lambda environment: ()
    """The stacks in the state's backend, with the environment of the credentials. Raises SetupError."""
    start_engine: Callable[[], object] = lambda: None
    """Begins to load Pulumi's SDK, for a command that reads all else without it."""
    back_up: Callable[[str, TargetContext], LastBackup] | None = None
    """Backs the data key up to a file, an S3 object or a Region. Raises SetupError."""
    changes_since: Callable[[str], tuple[str, ...]] = lambda applied: ()
    """What this version of the program changes in a stack that another version has updated, as lines; empty if none."""
    reviews: Path | None = None
    """The folder of the signed reviews; None: there is none."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options and answers of a run."""

    stack: str
    answers: Mapping[str, Answer] = field(repr=False)
    saved: Settings | None = None
    """The stack's settings in its configuration file. A run adds targets to them, and removes none."""
    yes: bool = False
    """The confirmation was given on the command line."""
    confirmed: str | None = None
    """The stack's name, given on the command line to confirm what cannot be undone."""
    redeploy: bool | None = None
    """Whether to restart the application afterwards; None: ask."""
    adopt: bool = False
    """Import resources that were created manually."""
    plan: SavedPlan | None = None
    """The saved plan to apply."""
    asked: tuple[str, ...] = ()
    """The questions that are answered already."""
    everything: bool = False
    """What a screen leaves out is shown, too."""

    @property
    def values(self) -> dict[str, Any]:
        """The answers without their sources, by input."""
        return {key: answer.value for key, answer in self.answers.items()}
