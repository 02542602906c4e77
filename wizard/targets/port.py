"""The port `DeployTarget`: all that the wizard asks of a place where the application runs; and the registry of them.

Touches nothing. Loads no library, because the table of inputs, and with it `--help`, is made from the registry.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from wizard.core.next_command import wizard

if TYPE_CHECKING:
    from datetime import date, datetime

    from components.settings import Outputs, Settings, Target
    from wizard.core.data_key import WrappedDataKey
    from wizard.core.errors import DataKeyConflict, SetupError
    from wizard.core.models.delivery import AppVariables, Delivered, Scope, VercelProject
    from wizard.core.models.deployment import Instances, Redeployed
    from wizard.core.models.inputs import Input
    from wizard.core.ports.run import AwsClient, VercelClient
    from wizard.targets.vercel.access_key import Ensured

Tell = Callable[[str], None]
"""Takes one line for a person."""


@dataclass(frozen=True, kw_only=True)
class TargetContext:
    """A stack with the clients that reach its targets, and the targets of this run."""

    stack: str
    settings: Settings
    aws: AwsClient
    """In the stack's own Region."""
    targets: tuple[Target, ...]
    outputs: Outputs | None = None
    """None where the stack is not built, or its state cannot be read."""
    vercel: VercelClient | None = None
    """None without a token, and where no target uses it."""
    project: VercelProject | SetupError | None = None
    """The project on Vercel, or why it cannot be read."""

    def require_outputs(self) -> Outputs:
        """The stack's outputs. Raises StackNotFound where it is not built."""
        from wizard.core.errors import StackNotFound

        if self.outputs is None:
            raise StackNotFound(f"the stack {self.stack} is not deployed yet", wizard("setup", "--stack", self.stack))
        return self.outputs


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """One thing that a person still has to do."""

    what: str
    verbatim: str = ""
    """The command to type or the code to paste, as it is."""


@dataclass(frozen=True, kw_only=True)
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
    """As the settings spell it (`components.settings.Target`)."""
    order: ClassVar[int] = 100
    """The place among the others, in questions and plans."""
    title: ClassVar[str]
    """`Amazon ECS`."""
    note: ClassVar[str] = ""
    """What it takes the variables as, for the question of where the application runs."""
    runtime: ClassVar[str]
    """What runs there: `the service on ECS`."""
    inputs: ClassVar[tuple[Input, ...]] = ()
    """What it needs to know, in the order it is asked."""
    has_own_copy: ClassVar[bool] = False
    """Whether it keeps the variables itself, so that it can hold the only copy of a data key."""
    has_environments: ClassVar[bool] = False
    """Whether it has environments other than production (`--to`, `--branch`)."""
    can_redeploy: ClassVar[bool] = False
    """Whether the wizard can restart what runs there."""
    container_credentials_first: ClassVar[bool] = False
    """Whether a container's endpoint, not a web identity token, is its usual source of the application's credentials."""
    repeat_note: ClassVar[str] = ""
    """What the non-interactive command needs in its environment."""

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
        """Write the three variables, given by Region, and check each after writing.

        `replaceable` are fingerprints of stored versions: of data keys that may be replaced here. `scopes` are the
        environments, production where it is empty.
        """

    @abstractmethod
    def missing(self, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        """What the target lacks of the variables, given by Region, in words; None when nothing is known to be wrong."""

    def regions(self, outputs: Outputs) -> tuple[str, ...]:
        """The Regions whose variables it takes: those that have the key."""
        return tuple(arn.split(":")[3] for arn in outputs.key_arns)

    def access_problem(self, context: TargetContext) -> SetupError | None:
        """Why the target cannot be asked; None where it can."""
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
        """Why `deliver` would be refused: above all, another data key than the stored one is there.

        Without `key_arn` only the data key is compared.
        """
        return None

    def rename_existing(self, context: TargetContext, id: str, *, stored: WrappedDataKey, today: date) -> str:
        """Give another data key that is there another name, value and all; what became of it, in words.

        Raises UsageError where there is no such variable, DataKeyConflict for the stored data key itself.
        """
        raise NotImplementedError

    def ensure_credentials(self, context: TargetContext, tell: Tell, warn: Tell) -> Ensured | None:
        """The application's access key at the target, made and delivered where it has none; None: it needs none."""
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
        tell: Tell,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> Redeployed:
        """Have what runs read its variables again, and wait until it does. Raises SetupError where none was begun.

        `now` is UTC, `pause` waits seconds, `tell` gets what a person waits for.
        """
        raise NotImplementedError

    def redeploy_statements(self, settings: Settings) -> list[dict[str, Any]]:
        """The statements of an IAM policy that allows the redeploy and nothing else; empty where it needs no right."""
        return []

    def resources(self, settings: Settings) -> dict[str, tuple[str, ...]]:
        """The ARNs of what a reader inspects at the target, by the name of the thing in the measured rights."""
        return {}

    # --- in words

    @abstractmethod
    def destination(self, settings: Settings) -> str:
        """Where the variables go, for the plan."""

    def reader(self) -> str:
        """What reads the variables from a store that targets share; empty where the target keeps them itself."""
        return ""

    def plan(self, settings: Settings) -> tuple[str, ...]:
        """What else is delivered, a line each."""
        return ()

    @abstractmethod
    def summary(self, settings: Settings) -> tuple[str, str, str]:
        """What it is called, where it is, and the key of the input that says so."""

    @abstractmethod
    def describe(self, settings: Settings) -> TargetDescription:
        """How the application runs here, for the report."""

    def next_steps(self, settings: Settings, outputs: Outputs, stack: str) -> Iterator[NextStep]:
        """What a person still has to do after a delivery, in order."""
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
        """The variables in each Region's store; the data key itself is there already."""
        from dataclasses import replace

        settings = context.settings
        for region, batch in variables.items():
            result = context.aws.with_region(region).stored_data_keys.deliver_parameters(
                settings.names.parameter_prefix,
                batch,
                tags=settings.tags,
                target=self.name,
                store=settings.secret_store,
            )
            where = f" in {region}" if len(variables) > 1 else ""
            yield replace(result, region=region, place=f"{result.place}{where}")

    def missing(self, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        """The Regions whose store has other values."""
        settings = context.settings
        prefix, store = settings.names.parameter_prefix, settings.secret_store
        lacking = [
            region
            for region, batch in variables.items()
            if not context.aws.with_region(region).stored_data_keys.check_parameters(prefix, batch, store=store)
        ]
        return f"what is under {prefix} in {', '.join(lacking)} is not what was delivered" if lacking else None

    def destination(self, settings: Settings) -> str:
        """The store and the prefix of the names."""
        return f"{self.store(settings)} under {settings.names.parameter_prefix}"

    @staticmethod
    def store(settings: Settings) -> str:
        """The store by AWS's name."""
        return "Secrets Manager" if settings.secret_store == "secrets-manager" else "Parameter Store"


# --- the registry -----------------------------------------------------------------------------------------------


@cache
def registry() -> dict[str, DeployTarget]:
    """Every target by its name: what each module of this package calls TARGET."""
    from wizard import targets

    modules = [
        importlib.import_module(f"{targets.__name__}.{module.name}")
        for module in pkgutil.iter_modules(targets.__path__)
    ]
    known = [module.TARGET for module in modules if hasattr(module, "TARGET")]
    return {target.name: target for target in sorted(known, key=lambda target: target.order)}


def all_targets() -> tuple[DeployTarget, ...]:
    """Every target, in order."""
    return tuple(registry().values())


def deploy_target(name: str) -> DeployTarget:
    """The target of that name. Raises KeyError where there is none."""
    return registry()[name]


def deploy_targets(names: Iterable[str]) -> tuple[DeployTarget, ...]:
    """The targets of those names, in order, each once."""
    wanted = set(names)
    return tuple(target for name, target in registry().items() if name in wanted)
