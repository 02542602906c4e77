"""The facts of one deployed stack, each read once and when something first needs it; errors are values.

Reads through the clients, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property, partial
from types import MappingProxyType
from typing import TypeVar

from components.policies.stack import trail_arn_of
from components.settings import Settings, Target, replaced_by
from wizard.account.key_facts import KeyFacts
from wizard.core.clients import Clients
from wizard.core.errors import SetupError, known, known_or
from wizard.core.models.access import VariableEntry
from wizard.core.models.account import Identity, KeyFact, Retention, TrailFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.deployment import Instances
from wizard.core.models.rotation import DataKeyVersion, LastBackup, RestoreDrill
from wizard.core.models.s3_documents import DocumentBucket, ObjectSample
from wizard.core.models.stack import Drift
from wizard.core.models.vercel import VercelProject
from wizard.core.target_context import TargetContext
from wizard.data_key.backup_document import fingerprint_of
from wizard.data_key.storage import find_data_key, find_last_backup, find_last_drill, find_stored_data_key
from wizard.inputs.application_readers import ApplicationCode
from wizard.targets.port import deploy_target

T = TypeVar("T")

SAMPLE = 25
"""The most objects of a bucket whose key is asked for: each is one HeadObject."""


class StackFacts(KeyFacts):
    """All facts of one stack: beside those of its key, its trail, documents, data key, variables and what runs."""

    # --- the stack

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
