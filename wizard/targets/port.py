"""The port `DeployTarget`, its base for targets with a shared store, and the registry of all targets.

Touches nothing. Imports no library: the table of inputs, and so `--help`, needs the registry.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from datetime import date, datetime

    from components.settings import Outputs, Settings
    from wizard.aws.client import AwsClient
    from wizard.core.data_key import WrappedDataKey
    from wizard.core.errors import DataKeyConflict, SetupError
    from wizard.core.models.delivery import AppVariables, Delivered
    from wizard.core.models.deployment import Instances, Redeployed
    from wizard.core.models.inputs import Input
    from wizard.core.models.vercel import Scope
    from wizard.core.models.verification import AccessKey
    from wizard.core.target_context import TargetContext
    from wizard.core.variable_ownership import ForeignVariable, OwnValues

OnMessage = Callable[[str], None]
"""Shows one line to the user; never a secret."""


class Consent(Protocol):
    """Asks a person yes or no. `needed`: the run cannot go on without a yes; only then `--yes` is one."""

    def __call__(self, question: str, *, needed: bool) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class DeliveredAccessKey:
    """The application's access key on Vercel."""

    key_id: str
    is_new: bool
    age_days: int
    key: AccessKey | None = field(default=None, repr=False)
    """Only if it was created now: IAM shows a secret only once."""


class Files(Protocol):
    """The folder of the application. A file's name may contain a folder: `helm/Chart.yaml`."""

    def names(self, below: str = "") -> tuple[str, ...]: ...
    def has(self, name: str) -> bool: ...
    def content(self, name: str) -> str:
        """The text of a file; empty for one that is missing or cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NextStep:
    """One thing that the user still has to do."""

    what: str
    verbatim: str = ""
    """The command to type or the code to paste, printed without changes."""
    deploys: bool = False
    """Whether it gives what runs the delivered values: nothing to do where it has them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetDescription:
    """How the application runs at a target, in words."""

    place: str
    identity: str
    """How it becomes its AWS principal."""
    reads_from: str
    """From where it reads the variables."""


class DeployTarget(ABC):
    """One place where the application runs. Methods raise errors of `wizard.core.errors` only."""

    name: ClassVar[str]
    """The value in the settings (`components.settings.Target`)."""
    order: ClassVar[int] = 100
    """The position in questions and plans; lower comes first."""
    title: ClassVar[str]
    """`Amazon ECS`."""
    note: ClassVar[str] = ""
    """What holds the variables, for the question where the application runs."""
    inputs: ClassVar[tuple[Input, ...]] = ()
    """The inputs that it needs, in the order of the questions."""
    free_inputs: ClassVar[tuple[str, ...]] = ()
    """Keys of its inputs on which no operator's policy and no price depends: without an answer any value will do."""
    has_own_copy: ClassVar[bool] = False
    """Whether it stores the variables itself, and so can hold the only copy of a data key."""
    has_environments: ClassVar[bool] = False
    """Whether it has environments beside the stack's own (`--to`, `--branch`)."""
    builds_with_variables: ClassVar[bool] = False
    """Whether the application is built where it runs, with its variables."""
    can_redeploy: ClassVar[bool] = False
    """Whether the wizard can restart what runs there."""
    container_credentials_first: ClassVar[bool] = False
    """Whether the application usually gets credentials from a container's endpoint, not by a web identity token."""
    company: ClassVar[str] = "AWS"
    """Who runs the platform, and so needs a business associate agreement."""
    proof_note: ClassVar[str] = ""
    """What a verification does not know about the delivered data key, where the target does not show it."""

    def places(self, key: str, aws: AwsClient) -> tuple[str, ...]:
        """The values to choose from for one of its inputs; empty where it has no list of them. Raises SetupError."""
        return ()

    def evidence(self, files: Files) -> Iterator[str]:
        """The files that say that the application in this folder runs here, the strongest first."""
        yield from ()

    # --- the delivery

    @abstractmethod
    def deliver(
        self,
        context: TargetContext,
        variables: Mapping[str, AppVariables],
        *,
        replaceable: frozenset[str] = frozenset(),
        scopes: tuple[Scope, ...] = (),
    ) -> Iterator[Delivered]:
        """Write the variables, given by Region, and check each after writing.

        `replaceable` are the fingerprints of stored versions: the data keys that can be replaced here. `scopes` are
        the environments; empty means the stack's own.
        """

    @abstractmethod
    def missing(self, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        """Which of the variables, given by Region, the target lacks, in words; None if nothing is known to be wrong."""

    def regions(self, outputs: Outputs) -> tuple[str, ...]:
        """The Regions whose variables it gets: those with the key or a replica."""
        return outputs.regions

    def access_problem(self, context: TargetContext) -> SetupError | None:
        """Why the target cannot be accessed; None if it can."""
        return None

    def custom_environments(self, context: TargetContext) -> Mapping[str, str]:
        """The name of each custom environment, by its id."""
        return {}

    def conflict(
        self,
        context: TargetContext,
        stored: WrappedDataKey | None,
        *,
        key_arn: str | None = None,
        replaceable: frozenset[str] = frozenset(),
        scopes: tuple[Scope, ...] = (),
    ) -> DataKeyConflict | None:
        """Why `deliver` would be refused: usually because the target has another data key than the stored one.

        Of the wrapped keys it is the one that the context's settings name. Without `key_arn` only that is compared.
        """
        return None

    def foreign_variables(
        self, context: TargetContext, own: OwnValues, *, scopes: tuple[Scope, ...] = (), redeploys: bool = False
    ) -> tuple[ForeignVariable, ...]:
        """The variables beside the data key that `deliver` would replace although their values are not the stack's.

        `redeploys`: those too that `redeploy` would replace. Reads only. Raises SetupError.
        """
        return ()

    def former_key(self, context: TargetContext) -> str | None:
        """Where the application has an ENCRYPTION_KEY, in words; None if it has none. Raises SetupError."""
        return None

    def rename_existing(
        self, context: TargetContext, id: str, *, stored: tuple[WrappedDataKey, ...], today: date
    ) -> str:
        """Rename a variable that holds another wrapped key, with its value; returns a line for the user.

        Raises UsageError if the variable does not exist, DataKeyConflict if it holds a stored key.
        """
        raise NotImplementedError

    def ensure_credentials(
        self, context: TargetContext, on_message: OnMessage, on_warning: OnMessage, consent: Consent
    ) -> DeliveredAccessKey | None:
        """The application's access key at the target, created and delivered if it has none; None if it needs none."""
        return None

    def has_credentials(self, context: TargetContext) -> bool:
        """Whether the target has an access key of the application."""
        return False

    # --- what runs

    def running(self, context: TargetContext) -> Instances:
        """What runs, and whether it has the values that were delivered last. Reads only. Raises SetupError."""
        raise NotImplementedError

    def redeploy(
        self,
        context: TargetContext,
        running: Instances,
        *,
        on_message: OnMessage,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
        until_complete: bool = False,
    ) -> Redeployed:
        """Restart what runs, so that it reads its variables again, and wait for it. Raises SetupError if none started.

        `now` is UTC, `pause` waits seconds, `on_message` gets the progress. `until_complete`: each stage of a rolling
        release is waited for too.
        """
        raise NotImplementedError

    def under_way(self, context: TargetContext) -> str:
        """A rolling release that is not complete, in words; empty if there is none. Raises SetupError."""
        return ""

    def redeploy_statements(self, settings: Settings) -> list[dict[str, Any]]:
        """The IAM policy statements that allow the redeploy and nothing else; empty if it needs no permission."""
        return []

    def resources(self, settings: Settings) -> dict[str, tuple[str, ...]]:
        """The ARNs that a reading command inspects at the target, by the resource name in `required_permissions`."""
        return {}

    # --- descriptions

    @abstractmethod
    def runtime(self, settings: Settings) -> str:
        """What runs there: `the service on ECS`."""

    @abstractmethod
    def destination(self, settings: Settings) -> str:
        """Where the variables go, for the plan."""

    def reader(self) -> str:
        """What reads the variables from a shared store; empty if the target stores them itself."""
        return ""

    def plan(self, settings: Settings) -> tuple[str, ...]:
        """What else is delivered; one line each."""
        return ()

    @abstractmethod
    def summary(self, settings: Settings) -> tuple[str, str, str]:
        """The target's title, its place, and the key of the input that sets the place."""

    @abstractmethod
    def describe(self, settings: Settings) -> TargetDescription:
        """How the application runs here, for the report."""

    def next_steps(self, settings: Settings, outputs: Outputs, stack: str) -> Iterator[NextStep]:
        """What the user still has to do after a delivery, in order."""
        yield from ()


class StoreTarget(DeployTarget):
    """A target that reads the variables from Parameter Store or Secrets Manager, in each Region of the key."""

    def deliver(
        self,
        context: TargetContext,
        variables: Mapping[str, AppVariables],
        *,
        replaceable: frozenset[str] = frozenset(),
        scopes: tuple[Scope, ...] = (),
    ) -> Iterator[Delivered]:
        """Write the other variables to each Region's store; the data key is stored there already."""
        settings = context.settings
        for region, values in variables.items():
            result = context.aws.with_region(region).stored_data_keys.deliver_parameters(
                settings.names.parameter_prefix,
                values,
                tags=settings.tags,
                target=self.name,
                store=settings.secret_store,
            )
            where = f" in {region}" if len(variables) > 1 else ""
            yield replace(result, region=region, place=f"{result.place}{where}")

    def foreign_variables(
        self, context: TargetContext, own: OwnValues, *, scopes: tuple[Scope, ...] = (), redeploys: bool = False
    ) -> tuple[ForeignVariable, ...]:
        """The foreign values of the store in each Region."""
        settings = context.settings
        found: list[ForeignVariable] = []
        for region in settings.regions:
            keys = context.aws.with_region(region).stored_data_keys
            prefix, store = settings.names.parameter_prefix, settings.secret_store
            found += keys.foreign_parameters(prefix, replace(own, region=region), store=store)
        return tuple(found)

    def missing(self, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        """The Regions whose store has other values."""
        settings = context.settings
        prefix, store = settings.names.parameter_prefix, settings.secret_store
        lacking = [
            region
            for region, values in variables.items()
            if not context.aws.with_region(region).stored_data_keys.check_parameters(prefix, values, store=store)
        ]
        return (
            f"the values under {prefix} in {', '.join(lacking)} are not those that were delivered" if lacking else None
        )

    def destination(self, settings: Settings) -> str:
        """The store and the prefix of the names."""
        return f"{settings.secret_store.service} under {settings.names.parameter_prefix}"


# --- the registry


@cache
def registry() -> dict[str, DeployTarget]:
    """Every target by its name: the TARGET of each module of this package."""
    from wizard import targets

    modules = [
        importlib.import_module(f"{targets.__name__}.{module.name}")
        for module in pkgutil.iter_modules(targets.__path__)
    ]
    known = [module.TARGET for module in modules if hasattr(module, "TARGET")]
    return {target.name: target for target in sorted(known, key=lambda target: target.order)}


def all_targets() -> tuple[DeployTarget, ...]:
    return tuple(registry().values())


def free_values() -> dict[str, str]:
    """A value for each free input of the targets, for a document that does not depend on it."""
    return {key: "any" for target in all_targets() for key in target.free_inputs}


def deploy_target(name: str) -> DeployTarget:
    """The target of that name. Raises KeyError if there is none."""
    return registry()[name]


def deploy_targets(names: Iterable[str]) -> tuple[DeployTarget, ...]:
    """The targets of those names, in order, without duplicates."""
    selected = set(names)
    return tuple(target for name, target in registry().items() if name in selected)
