"""What the checks read: each thing once, when it is first needed; errors are values.

Pure: reads through the ports.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TypeVar, cast

from components import policies
from components.policies.evaluation.account import IamPrincipal
from components.settings import Outputs, Settings
from wizard.commands.deployed_stack import DeployedStack, attempted
from wizard.commands.push.redeploy import running
from wizard.core.errors import SetupError, Unsupported
from wizard.core.models.access import StatementEvaluation, VariableEntry
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.models.deployment import Instances
from wizard.core.next_command import Command
from wizard.core.ports.aws import AccessDiagnostics
from wizard.core.ports.run import AwsClient
from wizard.data_key.delivery import find_stored_data_key, region_of
from wizard.setup.steps import Clients

T = TypeVar("T")


class CheckContext:
    """The context of one stack. Safe for concurrent checks: each thing is read at most once."""

    def __init__(self, deployed: DeployedStack, clients: Clients) -> None:
        self.deployed = deployed
        self.clients = clients
        self._guard = Lock()
        self._locks: dict[str, Lock] = {}
        self._read: dict[str, object] = {}

    def once(self, name: str, read: Callable[[], T]) -> T | SetupError:
        """What `read` returns, or the SetupError that it raised; read once for each name."""
        with self._guard:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            if name not in self._read:
                self._read[name] = attempted(read)
            return cast("T | SetupError", self._read[name])

    # --- what is known without asking

    @property
    def stack(self) -> str:
        """Its name, as `--stack` takes it."""
        return self.deployed.stack

    @property
    def settings(self) -> Settings:
        """As the stack's configuration file has them."""
        return self.deployed.settings

    @property
    def aws(self) -> AwsClient:
        """In the stack's own Region."""
        return self.deployed.aws

    @property
    def state(self) -> StackState | SetupError:
        """What Pulumi's backend knows of the stack."""
        return self.deployed.state

    @property
    def outputs(self) -> Outputs | None:
        """The stack's outputs; None where it is not deployed or its backend could not be read."""
        return self.deployed.outputs

    # --- the key

    @property
    def alias_target(self) -> KeyFact | SetupError | None:
        """The key under the stack's alias; None for none."""
        return self.once("alias", lambda: self.aws.kms.describe_key(self.settings.names.alias))

    @property
    def key_arn(self) -> str | None:
        """The stack's key: as the stack tells it, else as its alias points; None where neither can be had."""
        if self.outputs is not None:
            return self.outputs.key_arn
        target = self.alias_target
        return target.arn if isinstance(target, KeyFact) else None

    @property
    def key(self) -> KeyFact | SetupError | None:
        """The stack's key; None where there is none of that ARN."""
        arn = self.key_arn
        if arn is None:
            return self.alias_target
        return self.once("key", lambda: self.aws.kms.describe_key(arn))

    @property
    def key_policy(self) -> Mapping[str, object] | SetupError:
        """The policy of the stack's key."""
        arn = self.key_arn
        if arn is None:
            return self._no_key()
        return self.once("key policy", lambda: self.aws.kms.key_policy(arn))

    def replica(self, arn: str) -> KeyFact | SetupError | None:
        """The key of that ARN, in its own Region."""
        return self.once(f"key {arn}", lambda: self.aws.with_region(region_of(arn)).kms.describe_key(arn))

    def _no_key(self) -> SetupError:
        return Unsupported("the key is not known", Command(f"aws kms list-aliases --region {self.settings.region}"))

    # --- the application's rights

    @property
    def principals(self) -> tuple[str, ...]:
        """The ARNs of all that the application runs as."""
        return self.outputs.app_principal_arns if self.outputs else self.settings.app_principal_arns

    def principal(self, arn: str) -> IamPrincipal | SetupError | None:
        """A user or role with its policies, boundary and trust; None where it is gone."""
        return self.once(f"principal {arn}", lambda: self.access_diagnostics.principal(arn))

    def simulate(self, arn: str) -> tuple[StatementEvaluation, ...] | SetupError:
        """What IAM's simulator says of the principal and the stack's key."""
        key = self.key_arn
        if key is None:
            return self._no_key()
        actions = policies.APPLICATION_ACTIONS
        return self.once(f"weighed {arn}", lambda: self.access_diagnostics.simulate(arn, actions, key))

    @property
    def access_diagnostics(self) -> AccessDiagnostics:
        """What the edge can tell of the application's rights and variables, in the stack's own Region."""
        return self.aws.access_diagnostics

    # --- the data key, the variables

    @property
    def stored_data_key(self) -> StoredDataKey | SetupError | None:
        """The stored data keyed data key; a DataKeyConflict where the stored data key holds anything else."""
        return self.once("escrow", lambda: find_stored_data_key(self.aws, self.settings))

    @property
    def version_fingerprints(self) -> frozenset[str] | SetupError:
        """The fingerprints of all versions of the data key that are kept."""
        return self.once(
            "versions", lambda: frozenset(each.fingerprint for each in self.aws.key_rotation.versions(self.settings))
        )

    @property
    def vercel_variables(self) -> tuple[VariableEntry, ...] | SetupError | None:
        """The three variables as the project has them; None where Vercel is no target, or cannot be asked at all."""
        vercel, project = self.deployed.vercel, self.deployed.project
        if vercel is None or not isinstance(project, VercelProject):
            return None
        return self.once("on Vercel", lambda: vercel.read_variables(project))

    def stored_values(self, region: str) -> Mapping[str, str] | SetupError:
        """What the store holds under the stack's names in a Region, by the name of the variable."""
        prefix, store = self.settings.names.parameter_prefix, self.settings.secret_store
        names = [f"{prefix}/{name}" for name in ("ENCRYPTED_PHI_KEY", "AWS_KMS_KEY_ID", "AWS_REGION")]
        access_diagnostics = self.aws.with_region(region).access_diagnostics
        values = self.once(f"stored {region}", lambda: access_diagnostics.read_values(names, store))
        return values if isinstance(values, SetupError) else {name.rpartition("/")[2]: values[name] for name in values}

    @property
    def instances(self) -> tuple[Instances, ...]:
        """What runs at each target, and whether it holds old values."""
        instances = self.once("instances", lambda: running(self.deployed.context()))
        return () if isinstance(instances, SetupError) else instances


NAMED_AT_MOST = 12
"""Resources that a command names one by one; more are the whole stack."""


def aws(context: CheckContext, *words: object, region: str | None = None) -> str:
    """`aws WORDS` in the stack's own Region or another; a word that is no text becomes JSON."""
    place = ["--region", region or context.settings.region]
    return _typed("aws", *words, *place, *(["--profile", _profile(context)] if _profile(context) else []))


def wizard(context: CheckContext, command: str, *words: str) -> str:
    """`python -m wizard COMMAND`, for this stack."""
    profile = ["--profile", _profile(context)] if _profile(context) else []
    return _typed("python", "-m", "wizard", *command.split(), "--stack", context.stack, *words, *profile)


def push(context: CheckContext, *words: str) -> str:
    """The stored data keyed data key with its two companions, again, and what runs started anew, where something does."""
    return wizard(context, "push", *words, "--yes", redeploy_flag(context))


def redeploy_flag(context: CheckContext) -> str:
    """`--redeploy` where instances are known to run: they read variables at their start; else `--no-redeploy`."""
    return "--redeploy" if any(each.deployment is not None for each in context.instances) else "--no-redeploy"


def pulumi_up(context: CheckContext, *endings: str) -> str:
    """`pulumi up --refresh` of the resources whose URN has one of these endings.

    The whole stack, where none has, or more than NAMED_AT_MOST.
    """
    state = context.state
    resources = state.resources if isinstance(state, StackState) else ()
    return pulumi_up_urns(context, [each.urn for each in resources if endings and each.urn.endswith(endings)])


def pulumi_up_urns(context: CheckContext, urns: Sequence[str]) -> str:
    """`pulumi up --refresh` of these resources; of the whole stack, where these are none or more than NAMED_AT_MOST."""
    targets = urns if len(urns) <= NAMED_AT_MOST else ()
    words = ["pulumi", "up", "--refresh", "--yes", "--skip-preview", "--stack", context.stack]
    typed = _typed(*words, *(word for urn in targets for word in ("--target", urn)))
    return f"AWS_PROFILE={shlex.quote(_profile(context))} {typed}" if _profile(context) else typed


def _profile(context: CheckContext) -> str:
    return context.aws.profile or ""


def _typed(*words: object) -> str:
    return shlex.join(word if isinstance(word, str) else json.dumps(word) for word in words)
