"""The clients as the steps use them: AWS, Vercel, Pulumi, the verification and the terminal, a Protocol for each.

Pure. A client imports no step, and the steps import no client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from components.settings import DATA_KEY_VARIABLE, Outputs, Settings, Target
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import Problem, SetupError, StackNotFound
from wizard.core.models import account
from wizard.core.models.account import ProfileFact
from wizard.core.models.delivery import (
    PRODUCTION,
    AccessKey,
    AppCredentials,
    AppVariables,
    ChildResult,
    Delivered,
    Scope,
    StackState,
    VercelProject,
)
from wizard.core.models.deployment import Deployment, Redeployed, RollingRelease
from wizard.core.models.inputs import Mark
from wizard.core.models.stack import OnProgress, Progress, Step
from wizard.core.next_command import RunOptions, eonpro
from wizard.core.variable_ownership import ForeignVariable, OwnValues

if TYPE_CHECKING:
    from wizard.core.models.access import TokenSubject, VariableEntry
    from wizard.core.models.account import UnrecordedResource
    from wizard.core.models.inputs import Question
    from wizard.core.models.stack import Drift
    from wizard.core.ports import aws


class AwsClient(Protocol):
    """AWS with one set of credentials in one Region (`wizard/aws`): facts of the session, and the services.

    Methods, and those of the services, raise errors of `wizard.core.errors` only.

    `Unreachable` when the endpoint does not answer, `CredentialsError` for missing, expired or wrong credentials,
    `PermissionDenied` when the caller is not allowed, `Unsupported` when the endpoint lacks the operation.
    """

    @property
    def region(self) -> str: ...
    @property
    def region_source(self) -> str | None:
        """The source of the Region, in words; None if `region` is a fallback."""

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Sources of credentials or Region that contradict each other, in words."""

    @property
    def has_environment_credentials(self) -> bool: ...
    @property
    def profile(self) -> str | None:
        """The profile in use, where one is named."""

    def profiles(self) -> tuple[ProfileFact, ...]: ...

    def with_region(self, region: str) -> AwsClient: ...
    def writing(self) -> AwsClient:
        """A client whose credentials AWS does not keep to reading: for the call of a report that stores it."""

    def asking_once(self) -> AwsClient:
        """A client for checks that belong together: the same question gets the answer that it got before."""

    def environment(self) -> Mapping[str, str]:
        """The environment with which a child process is the same caller in the same Region. Secret."""

    def account_id(self) -> str:
        """The caller's account ID. One request; `identify` makes more, so do not use it where speed matters."""

    def identify(self) -> account.Identity: ...
    def caller(self) -> account.Identity:
        """`identify` without the account's alias, for which nothing has to wait."""

    def list_regions(self) -> tuple[account.RegionFact, ...]: ...
    def clock_skew(self) -> float | None:
        """Seconds that this machine's clock is ahead of AWS's, by the `Date` of an answer; None: unknown."""

    @property
    def kms(self) -> aws.KmsKeys: ...
    @property
    def iam(self) -> aws.Iam: ...
    @property
    def permissions(self) -> aws.Permissions: ...
    @property
    def policy_analyzer(self) -> aws.PolicyAnalyzer: ...
    @property
    def application_credentials(self) -> aws.ApplicationCredentials: ...
    @property
    def cloudtrail(self) -> aws.CloudTrail: ...
    @property
    def stored_data_keys(self) -> aws.StoredDataKeys: ...
    @property
    def key_rotation(self) -> aws.KeyRotation: ...
    @property
    def existing_resources(self) -> aws.ExistingResources: ...
    @property
    def unrecorded_resources(self) -> aws.UnrecordedResources: ...
    @property
    def import_discovery(self) -> aws.ImportDiscovery: ...
    @property
    def service_quotas(self) -> aws.ServiceQuotas: ...
    @property
    def state_storage(self) -> aws.StateStorage: ...
    @property
    def s3_documents(self) -> aws.S3Documents: ...
    @property
    def backup_storage(self) -> aws.BackupStorage: ...
    @property
    def requests(self) -> aws.AwsRequests: ...
    @property
    def ecs_services(self) -> aws.EcsServices: ...
    @property
    def access(self) -> aws.AccessReader: ...
    @property
    def access_diagnostics(self) -> aws.AccessDiagnostics: ...
    @property
    def audit(self) -> aws.AuditReader: ...


class VercelClient(Protocol):
    """Vercel (`wizard/vercel/client.py`)."""

    def asking_once(self) -> VercelClient:
        """A client that sends each reading request once, as `AwsClient.asking_once`."""

    def check_token(self) -> None:
        """Raises CredentialsError where Vercel refuses the token itself, by one request."""

    def find_project(self, team: str, project: str, environment: str = PRODUCTION.environment) -> VercelProject:
        """The project, for one of its environments: its `scope`, which every other method means.

        Raises CredentialsError for a bad token, SetupError when there is no such team, project or environment.
        """

    def list_projects(self) -> tuple[VercelProject, ...]:
        """Every project that the token reaches, of every team, as a list of choices. At most a hundred of each team."""

    def overlaps(self, project: VercelProject, /) -> tuple[str, ...]:
        """The uses of the three names outside the scope, in words: in preview, a branch, a custom environment."""

    def conflict(
        self,
        project: VercelProject,
        /,
        stored: WrappedDataKey | None,
        *,
        region: str | None = None,
        key_arn: str | None = None,
        replaceable: frozenset[str] = frozenset(),
        name: str = DATA_KEY_VARIABLE,
    ) -> str | None:
        """Why `deliver` would be refused, in words: above all, for another key with that name than the stored one.

        `replaceable` are fingerprints of data keys that it may replace: stored versions. Without `region` or `key_arn`
        the other two variables are not compared.
        """

    def find_data_key(self, project: VercelProject, /, *, name: str = DATA_KEY_VARIABLE) -> account.DiscoveredDataKey:
        """The scope's variables of that name and the two others, for an import. Reads only."""

    def former_key(self, project: VercelProject, /) -> str | None:
        """The place of the scope's ENCRYPTION_KEY, in words; None without one. Reads only."""

    def name_data_key(self, project: VercelProject, /, wrapped: WrappedDataKey) -> None:
        """Write the data key's fingerprint into the comment of a variable that Vercel cannot show. Its value stays.

        Raises DataKeyConflict where the comment names another data key.
        """

    def access_key_id(self, project: VercelProject, /) -> str | None:
        """The id of the access key that was pushed to the scope, as its variables' comments say; else None."""

    def deliver_access_key(self, project: VercelProject, /, key: AccessKey) -> None:
        """AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the scope, sensitive; checked by listing.

        Raises DataKeyConflict, before anything is written, for variables of these names that somebody else set.
        """

    def read_variables(self, project: VercelProject, /) -> tuple[VariableEntry, ...]:
        """The entries of the three names in all environments, with the values that Vercel shows. Reads only."""

    def rename_variable(
        self, project: VercelProject, /, id: str, *, stored: tuple[WrappedDataKey, ...], today: date
    ) -> str:
        """Rename another wrapped key's variable in the scope; its value stays. Returns the change in words.

        Raises UsageError where the scope has no such variable, DataKeyConflict for a `stored` key itself.
        """

    def foreign_variables(self, project: VercelProject, /, own: OwnValues) -> tuple[ForeignVariable, ...]:
        """The variables, except the data key, that `deliver` would replace although they are not the stack's."""

    def check(self, project: VercelProject, /, batch: AppVariables) -> str | None:
        """The difference between the scope and the batch, in words; None if all are in place. Reads only."""

    def deliver(
        self,
        project: VercelProject,
        /,
        batch: AppVariables,
        *,
        replaceable: frozenset[str] = frozenset(),
    ) -> Delivered:
        """Deliver the batch to the scope; nothing is written when it is in place.

        Never overwrites another data key, except those whose fingerprints are `replaceable`: stored versions.
        """

    def custom_environments(self, project: VercelProject, /) -> Mapping[str, str]:
        """The slug of each of the project's custom environments by its id; empty where they cannot be listed."""

    def current_deployment(self, project: VercelProject) -> Deployment | None:
        """The current deployment of the scope (of preview: the latest one); None without one.

        Raises Unsupported where it is unknown.
        """

    def last_change(self, project: VercelProject, /) -> datetime | None:
        """When one of the delivered variables of the scope was last changed; None where that is unknown."""

    def rolling_release(self, project: VercelProject) -> RollingRelease | None:
        """The latest rolling release of the project's production; None without one, and in other environments."""

    def redeploy(
        self,
        project: VercelProject,
        former: Deployment,
        *,
        tell: Callable[[str], None],
        changed: datetime | None = None,
        until_complete: bool = False,
    ) -> Redeployed:
        """Deploy the former's code to the scope again and wait for it; if it fails, the former continues to run.

        A rolling release under way of a deployment that is later than `changed` is followed instead. `until_complete`:
        its stages are waited for.
        """


class Engine(Protocol):
    """Pulumi (`wizard/pulumi_engine/engine.py`)."""

    def check(self) -> str:
        """The engine's version. Raises SetupError without a supported one."""

    def alone(self, stack: str) -> AbstractContextManager[None]:
        """Lock the stack in this folder: a second wizard waits."""

    def check_backend(self, stack: str) -> str:
        """The state's backend in words, after a request to it: `s3://bucket`, `Pulumi Cloud as clinic`.

        Raises SetupError for a backend that does not answer, a missing login, or a wrong passphrase of the stack.
        """

    def login(self, url: str) -> None:
        """Log the CLI in to a backend, in this terminal if it asks; `pulumi` itself then uses it too."""

    def state(self, stack: str) -> StackState: ...
    def compare(self, stack: str) -> tuple[Drift, ...]:
        """The changes of an update, by a preview that reads the account again and stores nothing."""

    def prepare(self, stack: str, settings: Settings) -> None:
        """Create the stack where it is missing, and a copy of its settings file for the preview; the file stays."""

    def write_settings(self, stack: str) -> None:
        """Make the prepared copy, if there is one, the stack's settings file: the plan is confirmed.

        A newer version of the program becomes the project's before that. Raises SetupError; then the file is as it was.
        """

    def discard(self, stack: str) -> None:
        """Forget the prepared copy, and remove the stack that was made for it."""

    def recover(self, stack: str, created: Mapping[str, str], unrecorded: Sequence[UnrecordedResource] = ()) -> None:
        """Resolve a crashed run's pending operations: `created` maps the URN of each completed creation to its id.

        `unrecorded`: what the stack made and its state lacks; it is imported.
        """

    def renew(self, environment: Mapping[str, str]) -> None:
        """Replace the credentials by newer ones of the same caller."""

    def preview(self, stack: str, *, refresh: bool = False) -> tuple[Step, ...]:
        """The steps of an update; with `refresh`, from the account's current resources. Stores no state."""

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        """Update the stack. After a preview by this engine, only the steps of that preview are allowed."""

    def destroy_rehearsal(self, stack: str) -> list[tuple[str, dict[str, list[str]]]]:
        """Delete all of a rehearsal; of each resource its type, `inputs` and `outputs` by name.

        Raises ResourceError for the state of any other environment.
        """

    def destroy(self, stack: str, on_progress: OnProgress) -> None:
        """Delete the stack's resources; retained ones only leave its state and stay in the account."""


class DecryptVerifier(Protocol):
    """The application, as a child process with its own credentials (`wizard/data_key/verification.py`)."""

    def prove(
        self,
        credentials: AppCredentials,
        batch: AppVariables,
        *,
        retry_seconds: float = ...,
        full: bool = False,
        reading: Sequence[WrappedDataKey] = (),
    ) -> ChildResult:
        """The application's answer; repeated for `retry_seconds`, while AWS may still be applying a change.

        `full`: decrypt the data key and make a round trip with a record. Otherwise a KMS dry run on the wrapped key.
        `reading`: other data keys, to say which open to the same one; in a full answer.
        """

    def may_decrypt(self, credentials: AppCredentials, *, region: str, key_arn: str) -> ChildResult:
        """Whether the application may decrypt with the key, where no wrapped data key is at hand.

        The cause is `Unsupported` where the endpoint does not know such a dry run.
        """


class UserInterface(Protocol):
    """The terminal (`wizard/terminal/terminal.py`). Ctrl-C at a prompt is KeyboardInterrupt."""

    interactive: bool
    own: tuple[str, str] | None
    """The account and the Region of the stack, where they are known: a line does not say them."""

    def ask(self, question: Question) -> Any:
        """The answer's value. `?` explains the question and asks it again.

        Raises Back, where the person goes back to the previous question.
        """

    def confirm(
        self, prompt: str, *, default: bool = True, why: str = "", explanation: str = "", back: bool = False
    ) -> bool: ...
    def title(self, text: str) -> None: ...
    def section(self, text: str, note: str = "") -> None: ...
    def line(self, text: str = "", *, mark: Mark | None = None) -> None: ...
    def verbatim(self, text: str) -> None: ...
    def table(self, rows: Sequence[tuple[str, ...]], *, headings: tuple[str, ...] = ()) -> None: ...
    def problems(self, problems: Sequence[Problem]) -> None: ...
    def error(self, error: SetupError) -> None: ...
    def working(self, text: str) -> None:
        """Show a running task, with its seconds, until the next message."""

    def progress(self, progress: Progress, elapsed: float) -> None: ...


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
class TargetContext:
    """A stack with the clients that reach its targets, and the targets of this run."""

    stack: str
    settings: Settings
    aws: AwsClient
    """In the stack's own Region."""
    targets: tuple[Target, ...]
    outputs: Outputs | None = None
    """None if the stack is not deployed, or its state cannot be read."""
    vercel: VercelClient | None = None
    """None without a token, and if no target uses it."""
    project: VercelProject | SetupError | None = None
    """The Vercel project, or why it cannot be read."""
    replaces: frozenset[str] = frozenset()
    """The names of the variables of somebody else that this run may replace."""

    @property
    def scope(self) -> Scope:
        """The environment on Vercel that the stack is for."""
        return self.project.scope if isinstance(self.project, VercelProject) else Scope.of(self.settings)

    def require_outputs(self) -> Outputs:
        """The stack's outputs. Raises StackNotFound if it is not deployed."""
        if self.outputs is None:
            raise StackNotFound(f"the stack {self.stack} is not deployed yet", eonpro("setup", "--stack", self.stack))
        return self.outputs
