"""The facts of one deployed stack, each read once and when something first needs it; errors are values.

Reads through the clients, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from components import policies
from components.policies.evaluation import AccountIam, GrantFact
from components.policies.evaluation.account import IamPrincipal
from components.policies.stack import trail_arn_of
from components.settings import Outputs, Settings, Target, replaced_by
from components.settings.arn import Arn
from wizard.account.access import rights, stored_reviews
from wizard.account.access.rights import KeyRights
from wizard.account.access.stored_reviews import StoredReviews
from wizard.account.facts_read import facts_read, rests_on
from wizard.account.key_access import Expectation, KeyReading, arns_of, expectation_of, read_keys
from wizard.core.clients import Clients
from wizard.core.errors import SetupError, Unsupported, attempted, known, known_or
from wizard.core.models.access import AccessKeyAge, History, KeyEvents, KeyUse, Simulation, VariableEntry, documents_of
from wizard.core.models.account import Identity, KeyFact, Retention, TrailFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.deployment import Instances
from wizard.core.models.rotation import DataKeyVersion, LastBackup, RestoreDrill
from wizard.core.models.s3_documents import DocumentBucket, ObjectSample
from wizard.core.models.stack import Drift, StackState
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import plain_name, shell
from wizard.core.retry import Once, together
from wizard.core.target_context import TargetContext
from wizard.data_key.backup_document import fingerprint_of
from wizard.data_key.storage import find_data_key, find_last_backup, find_last_drill, find_stored_data_key
from wizard.inputs.application_readers import ApplicationCode
from wizard.targets.port import deploy_target

if TYPE_CHECKING:
    from wizard.aws.access_diagnostics import AccessDiagnostics
    from wizard.aws.client import AwsClient
    from wizard.pulumi_engine.engine import Engine
    from wizard.vercel.client import VercelClient

T = TypeVar("T")

SAMPLE = 25
"""The most objects of a bucket whose key is asked for: each is one HeadObject."""


class StackFacts:
    """The facts of one stack. Safe for concurrent judgements: each value is read at most once.

    A fact is read when it is first asked for; who asks meanwhile waits for the same answer.
    """

    def __init__(
        self,
        *,
        stack: str,
        settings: Settings,
        aws: AwsClient,
        sources: Clients,
        open_engine: Callable[[], Engine],
        vercel: VercelClient | None = None,
        readers: Mapping[str, Callable[[], object]] = MappingProxyType({}),
    ) -> None:
        """`aws` is in the stack's own Region, and in its account. `vercel` is None without a token, and where Vercel is
        not a target.

        `readers`: how facts are read, by name, where the caller has the value already or reads it in another way.
        """
        self.stack = stack
        self.settings = settings
        self.aws = aws
        self.sources = sources
        self.vercel = vercel
        self._open_engine = open_engine
        self._readers = readers
        self._once = Once()

    def read(self, *names: str) -> None:
        """Read the properties of these names, beside each other. For a command that needs all of them."""
        together(*(partial(getattr, self, name) for name in names))

    def once(self, name: str, read: Callable[[], T]) -> T | SetupError:
        """The result of `read`, or the SetupError that it raised; read once for each name.

        The judgement that asks rests on it, and on the facts that it was made of.
        """

        def read_fact() -> tuple[T | SetupError, frozenset[str]]:
            with facts_read() as parts:
                return attempted(self._readers.get(name, read)), frozenset(parts)  # type: ignore[arg-type]

        answer, parts = self._once(name, read_fact)
        rests_on(name, *parts)
        return answer

    # --- the stack

    @cached_property
    def at(self) -> datetime:
        """When the facts are read, to the second. UTC."""
        return self.sources.now().replace(microsecond=0)

    @property
    def engine(self) -> Engine:
        """Pulumi, opened at the first use. Raises SetupError."""
        return self._once("engine", self._open_engine)

    @property
    def state(self) -> StackState | SetupError:
        return self.once("state", lambda: self.engine.state(self.stack))

    @property
    def outputs(self) -> Outputs | None:
        """The stack's outputs; None if it is not deployed or its state could not be read."""
        state = self.state
        return None if isinstance(state, SetupError) else state.outputs

    @property
    def replaced(self) -> tuple[tuple[str, str, str], ...]:
        """What an update with these settings would replace: (configuration key, the stack's value, theirs)."""
        state = self.state
        if isinstance(state, SetupError) or (made := state.outputs) is None:
            return ()
        return replaced_by(
            self.settings,
            key_arn=made.key_arn,
            parameter_prefix=made.parameter_prefix,
            trail_bucket=state.trail_bucket,
        )

    @property
    def backend(self) -> str | SetupError:
        """Where the state is stored, as `Engine.check_backend` says it, which also opens the stack's secrets."""
        return self.once("backend", lambda: self.engine.check_backend(self.stack))

    @property
    def drifts(self) -> tuple[Drift, ...] | SetupError:
        """Where settings, state and account differ, by Pulumi's preview with a refresh: it takes seconds."""
        return self.once("drifts", lambda: self.engine.compare(self.stack))

    @property
    def identity(self) -> Identity:
        """The caller, without the account's alias: nothing waits for that. Raises SetupError."""
        return known(self.once("caller", self.aws.caller))

    @property
    def project(self) -> VercelProject | SetupError | None:
        """The stack's project on Vercel; None without a client of Vercel."""
        vercel, settings = self.vercel, self.settings
        if vercel is None:
            return None
        return self.once(
            "project", lambda: vercel.find_project(*settings.vercel_place).with_names(settings.delivered_names)
        )

    def context(self, targets: tuple[Target, ...] | None = None) -> TargetContext:
        """The context of these targets, or of all of the stack's."""
        return TargetContext(
            stack=self.stack,
            settings=self.settings,
            aws=self.aws,
            targets=self.settings.deploy_targets if targets is None else targets,
            outputs=self.outputs,
            vercel=self.vercel,
            project=self.project,
        )

    def reachable(self, targets: tuple[Target, ...] | None = None) -> TargetContext:
        """The context of these targets. Raises the SetupError of the first one that cannot be accessed."""
        context = self.context(targets)
        for target in context.targets:
            if problem := deploy_target(target).access_problem(context):
                raise problem
        return context

    @cached_property
    def beside(self) -> tuple[StackFacts, ...]:
        """The facts of each other stored value, in place of the data key; none for such a value itself."""
        others = () if self.settings.names.value.setting else self.settings.of_each_key[1:]
        return tuple(self.otherwise(settings=of_key) for of_key in others)

    def for_target(self, target: Target) -> StackFacts:
        """These facts, with the same answers, of one deploy target alone."""
        settings = self.settings.model_copy(update={"deploy_targets": (target,)})
        facts = copy(self)
        facts.settings, facts.vercel = settings, self.vercel if deploy_target(target).has_own_copy else None
        facts.__dict__.pop("beside", None)
        return facts

    def release_under_way(self, target: Target) -> str | SetupError:
        """A rolling release at the target that is not complete, in words; empty for none."""
        return self.once(f"release at {target}", lambda: deploy_target(target).under_way(self.context((target,))))

    def otherwise(
        self,
        *,
        settings: Settings | None = None,
        sources: Clients | None = None,
        given: Mapping[str, object] = MappingProxyType({}),
    ) -> StackFacts:
        """The same stack by other settings or sources; its state and its project are not read again.

        `given`: the values of facts, by name, that a person gives.
        """
        return StackFacts(
            stack=self.stack,
            settings=settings or self.settings,
            aws=self.aws,
            sources=sources or self.sources,
            open_engine=lambda: self.engine,
            vercel=self.vercel,
            readers={
                "state": lambda: known(self.state),
                "project": lambda: known(self.project),
                **{name: partial(_same, value) for name, value in given.items()},
            },
        )

    # --- the key

    @property
    def alias_target(self) -> KeyFact | SetupError | None:
        return self.once("alias", lambda: self.aws.kms.describe_key(self.settings.names.alias))

    @property
    def key_arn(self) -> str | None:
        """The stack's key: from its outputs, else from its alias; None if both are unknown."""
        if self.outputs is not None:
            return self.outputs.key_arn
        target = self.alias_target
        return target.arn if isinstance(target, KeyFact) else None

    @property
    def key(self) -> KeyFact | SetupError | None:
        """The stack's key; None if it does not exist."""
        arn = self.key_arn
        if arn is None or self.outputs is None:
            return self.alias_target
        return self.once("key", lambda: self.aws.kms.describe_key(arn))

    @property
    def key_policy(self) -> Mapping[str, object] | SetupError:
        arn = self.key_arn
        if arn is None:
            return self._no_key()
        return self.once("key policy", lambda: self.aws.kms.key_policy(arn))

    @property
    def grants(self) -> tuple[GrantFact, ...] | SetupError:
        arn = self.key_arn
        if arn is None:
            return self._no_key()
        return self.once("grants", lambda: self.aws.access.grants(arn))

    @property
    def iam(self) -> AccountIam | SetupError:
        return self.once("iam", self.aws.access.iam)

    def replica(self, arn: str) -> KeyFact | SetupError | None:
        """The key of that ARN, in its own Region."""
        return self.once(f"key {arn}", lambda: self.aws.with_region(Arn.parse(arn).region).kms.describe_key(arn))

    @property
    def key_readings(self) -> tuple[KeyReading, ...]:
        """The key and its replicas, each with its policy and grants, those that the settings do not name last."""
        readings = self.once("keys", lambda: read_keys(self.key_arns, self.key_reading))
        return known_or(readings, ())

    @property
    def key_arns(self) -> tuple[str, ...]:
        """The ARNs of the key and of the stack's replicas, by the outputs or else by the alias; empty if unknown."""
        if self.outputs is not None:
            return self.outputs.key_arns
        return arns_of(self.key_arn, self.settings) if self.key_arn else ()

    def key_reading(self, arn: str) -> KeyReading:
        """What is read of one key, each part once."""
        if arn == self.key_arn:
            key, policy, grants = together(lambda: self.key, lambda: self.key_policy, lambda: self.grants)
        else:
            key, policy, grants = together(
                lambda: self.replica(arn), lambda: self.policy_of(arn), lambda: self.grants_of(arn)
            )
        return KeyReading(arn=arn, key=key, policy=policy, grants=grants)

    def policy_of(self, arn: str) -> Mapping[str, object] | SetupError:
        """The policy of another key than the stack's PHI key, in the key's own Region."""
        return self.once(f"policy {arn}", lambda: self._in_region_of(arn).kms.key_policy(arn))

    def grants_of(self, arn: str) -> tuple[GrantFact, ...] | SetupError:
        """The grants of another key than the stack's PHI key, in the key's own Region."""
        return self.once(f"grants {arn}", lambda: self._in_region_of(arn).access.grants(arn))

    def _no_key(self) -> SetupError:
        return Unsupported(
            "the key is not known", shell("aws", "kms", "list-aliases", "--region", self.settings.region)
        )

    # --- who can use and administer the key

    @property
    def rights(self) -> KeyRights | SetupError:
        """Who has which right on the key and its replicas, by their policies, their grants and the account's IAM."""
        if not self.key_arns:
            return self._no_key()
        return self.once("rights", self._evaluate_rights)

    def _evaluate_rights(self) -> KeyRights:
        readings, iam = together(lambda: self.key_readings, lambda: self.iam)
        counting = [reading for reading in readings if not rights.is_ending(reading, self.key_arns)]
        aliases = together(*(partial(self.aliases, reading.arn) for reading in counting))
        documents = [
            documents_of(each.arn, policy=each.policy, grants=each.grants, iam=iam, key=each.key, aliases=names)
            for each, names in zip(counting, aliases, strict=True)
        ]
        found = rights.evaluate(documents, self.expectation)
        roles = found.by_account_access
        people = together(*(partial(self.assigned_people, role) for role in roles))
        return rights.with_people(found, dict(zip(roles, people, strict=True)))

    @cached_property
    def expectation(self) -> Expectation:
        """The rights that the settings give."""
        return expectation_of(self.settings, self.outputs)

    @property
    def reviews(self) -> StoredReviews:
        """The stored reviews of the stack; of another key or stack only the files are in it."""
        read = self.once("reviews", self._read_reviews)
        return known_or(read, StoredReviews())

    def _read_reviews(self) -> StoredReviews:
        folder = self.sources.reviews
        stored = stored_reviews.read(folder, self.stack) if folder else ()
        return StoredReviews(files=stored, stack=plain_name(self.stack), key_arn=self.key_arn or "")

    def _in_region_of(self, arn: str) -> AwsClient:
        region = Arn.parse(arn).region
        return self.aws if region == self.aws.region else self.aws.with_region(region)

    def assigned_people(self, role: str) -> tuple[str, ...] | SetupError:
        """Who is assigned to a role in AWS account access."""
        return self.once(f"people of {role}", lambda: self.aws.access.assigned_people(role))

    def aliases(self, arn: str) -> tuple[str, ...] | SetupError:
        """The names of a key's aliases."""
        return self.once(f"aliases of {arn}", lambda: self._in_region_of(arn).kms.aliases_of(arn))

    def last_use(self, arn: str) -> KeyUse | SetupError:
        """When a key was last used."""
        return self.once(f"last use of {arn}", lambda: self._in_region_of(arn).access.last_use(arn))

    def events(self, arn: str, since: datetime) -> tuple[History, tuple[KeyEvents, ...]] | SetupError:
        """CloudTrail's event history of a key, by principal."""
        read = self._in_region_of(arn).access.events
        return self.once(f"events of {arn} since {since:%Y-%m-%d}", lambda: read(arn, since=since))

    def is_user(self, arn: str) -> bool:
        """Whether it is an IAM user of the stack's account."""
        return arn.startswith(f"arn:{self.settings.partition}:iam::{self.settings.account_id}:user/")

    def access_keys(self, arn: str) -> tuple[AccessKeyAge, ...] | SetupError:
        """The access keys of a user of the account."""
        user = Arn.parse(arn).name
        return self.once(f"access keys of {arn}", lambda: self.aws.access.access_keys(user, now=self.at))

    # --- the application's permissions

    @property
    def principals(self) -> tuple[str, ...]:
        """The ARNs of all roles and users of the application."""
        return self.outputs.app_principal_arns if self.outputs else self.settings.app_principal_arns

    def principal(self, arn: str) -> IamPrincipal | SetupError | None:
        return self.once(f"principal {arn}", lambda: self.access_diagnostics.principal(arn))

    def simulate(self, arn: str) -> Simulation | SetupError:
        """The result of IAM's policy simulator for the principal and the stack's key."""
        key = self.key_arn
        if key is None:
            return self._no_key()
        actions = policies.APPLICATION_ACTIONS
        return self.once(f"simulation {arn}", lambda: self.aws.permissions.simulate(arn, actions, key))

    @property
    def application_policy(self) -> Mapping[str, object] | SetupError | None:
        """The document of the application's policy; None if it does not exist, or the stack is not deployed."""
        outputs = self.outputs
        if outputs is None:
            return None
        return self.once("application policy", lambda: self.aws.iam.policy_document(outputs.app_policy_arn))

    @property
    def access_diagnostics(self) -> AccessDiagnostics:
        """The reader of the application's permissions and variables, in the stack's own Region."""
        return self.aws.access_diagnostics

    # --- the audit trail

    @property
    def trail(self) -> TrailFact | SetupError | None:
        """The trail that records the use of the key; None if it does not exist."""
        arn = trail_arn_of(self.settings)
        return self.once("trail", lambda: self.aws.cloudtrail.find_trail(arn))

    def retention(self, bucket: str) -> Retention | SetupError | None:
        """How a bucket of audit records keeps and protects them; None if the account has no such bucket."""
        return self.once(f"bucket {bucket}", lambda: self.aws.cloudtrail.bucket_retention(bucket))

    @property
    def logs_key_arn(self) -> str | None:
        """The ARN of the key of the logs; None if the trail has none, or is not known."""
        trail = self.trail
        return trail.key_arn if isinstance(trail, TrailFact) else None

    # --- the application's documents in S3

    def document_bucket(self, name: str) -> DocumentBucket | SetupError | None:
        """One of the application's buckets; None if the account has no such bucket."""
        return self.once(f"bucket {name}", lambda: self.aws.s3_documents.bucket(name))

    def document_sample(self, bucket: DocumentBucket) -> ObjectSample | SetupError:
        """Under which key a sample of a bucket's objects is. It takes the right to read the objects."""
        return self.once(f"objects of {bucket.name}", lambda: self.aws.s3_documents.sample(bucket, most=SAMPLE))

    @property
    def documents_key(self) -> KeyFact | SetupError | None:
        """The key of the documents: by the outputs, else by its alias; None if it does not exist."""
        arn = self.outputs.documents_key_arn if self.outputs else None
        name = arn or self.settings.names.documents_key_alias
        return self.once("documents key", lambda: self.aws.kms.describe_key(name))

    # --- the data key, the variables

    @property
    def stored_data_key(self) -> StoredDataKey | SetupError | None:
        """The stored data key; a DataKeyConflict if the value is anything else."""
        return self.once("stored data key", lambda: find_stored_data_key(self.aws, self.settings))

    @property
    def data_key_copy(self) -> StoredDataKey | SetupError | None:
        """The copy in a replica's Region of a stored data key that the stack's own Region has lost."""
        return self.once("copy of the data key", lambda: find_data_key(self.aws, self.settings, self.outputs))

    @property
    def last_backup(self) -> LastBackup | SetupError | None:
        """The last backup of the data key; None if the account records none."""
        return self.once("last backup", lambda: find_last_backup(self.aws, self.settings))

    @property
    def last_drill(self) -> RestoreDrill | SetupError | None:
        """The last drill that opened a backup of the data key; None if the account records none."""
        return self.once("last drill", lambda: find_last_drill(self.aws, self.settings))

    @property
    def backed_up(self) -> str | SetupError | None:
        """The fingerprint of the key in the last backup, which is read; None if nothing is at its place.

        A UsageError if it is no backup of this environment, NotOnThisMachine for a file of another machine.
        """
        last = self.last_backup
        if last is None or isinstance(last, SetupError):
            return last
        return self.once("backup", lambda: fingerprint_of(last, self.aws, self.settings))

    @property
    def versions(self) -> tuple[DataKeyVersion, ...] | SetupError:
        return self.once("versions", lambda: self.aws.key_rotation.versions(self.settings))

    @property
    def version_fingerprints(self) -> frozenset[str] | SetupError:
        """The fingerprints of all kept versions of the data key."""
        versions = self.versions
        return versions if isinstance(versions, SetupError) else frozenset(each.fingerprint for each in versions)

    @property
    def vercel_variables(self) -> tuple[VariableEntry, ...] | SetupError | None:
        """The three variables of the Vercel project; None if Vercel is not a target, or cannot be accessed."""
        vercel, project = self.vercel, self.project
        if vercel is None or not isinstance(project, VercelProject):
            return None
        return self.once("on Vercel", lambda: vercel.read_variables(project))

    def stored_values(self, region: str) -> Mapping[str, str] | SetupError:
        """The values in the store of a Region, by the name of the variable."""
        prefix, store = self.settings.names.parameter_prefix, self.settings.secret_store
        names = [f"{prefix}/{name}" for name in self.settings.variables]
        access_diagnostics = self.aws.with_region(region).access_diagnostics
        values = self.once(f"stored {region}", lambda: access_diagnostics.read_values(names, store))
        return values if isinstance(values, SetupError) else {name.rpartition("/")[2]: values[name] for name in values}

    @property
    def code(self) -> ApplicationCode | None:
        """The application's code, as far as it reads the variables; None where its folder is not known."""
        code = self.once("code", lambda: self.sources.read_code(self.settings))
        return known_or(code, None)

    @property
    def instances(self) -> tuple[Instances, ...]:
        """What runs at each target, and whether it has outdated values."""
        instances = self.once("instances", lambda: running(self.context()))
        return known_or(instances, ())


def _same(value: T) -> T:
    return value


def running(context: TargetContext) -> tuple[Instances, ...]:
    """What runs at each target. Reads only; never raises a SetupError."""
    return tuple(_running_at(context, target) for target in context.targets)


def _running_at(context: TargetContext, target: str) -> Instances:
    try:
        return deploy_target(target).running(context)
    except SetupError as error:
        return Instances(target=target, deployment=None, why=error.message)
