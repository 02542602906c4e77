"""Fakes of the edges, in memory: AWS, Vercel, an engine, a verifier, a terminal.

Each is a subclass of the class that it stands for, answers by the same methods and keeps their promises (the stored
data key is create-only, Vercel never overwrites another data key, a prover opens only what the credentials' principal
may), and writes every call into one shared log.
They touch nothing. None of them gives the data key in the clear, because no edge does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from components import policies
from components.policies.alerts import READS_TOO, alarm_of, message_of, pattern_of
from components.policies.stack import (
    AlertRule,
    StackPolicy,
    alert_rules_of,
    alert_topics_of,
    key_policy_of,
    trail_key_policy_of,
)
from components.settings import DATA_KEY_VARIABLE, WRAPPED_KEYS, Outputs, ResourceKind, SecretStore, Settings
from tests.wizard.fakes.access import FakeAccess
from tests.wizard.fakes.backup import FakeBackupStorage
from tests.wizard.fakes.diagnostics import FakeAccessDiagnostics
from tests.wizard.fakes.ecs import FakeEcsServices
from tests.wizard.fakes.requests import FakeRequests
from tests.wizard.fakes.rotation import FakeKeyRotation
from tests.wizard.fakes.s3_documents import FakeS3Documents
from wizard.aws.application_credentials import ApplicationCredentials
from wizard.aws.audit import AuditReader
from wizard.aws.client import AwsClient
from wizard.aws.data_keys.stored import StoredDataKeys
from wizard.aws.existing_resources import ExistingResources
from wizard.aws.iam import Iam
from wizard.aws.import_discovery import ImportDiscovery
from wizard.aws.kms import KmsKeys
from wizard.aws.permissions import Permissions, PolicyAnalyzer, ServiceQuotas
from wizard.aws.s3 import StateStorage
from wizard.aws.trail import CloudTrail
from wizard.aws.unrecorded import UnrecordedResources
from wizard.core.clients import Clients, Draft
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import (
    CredentialsError,
    DataKeyConflict,
    PermissionDenied,
    Problem,
    ResourceError,
    SetupError,
    StalePlan,
    TargetMissing,
)
from wizard.core.models.access import PolicyJudgement, Ruling, Simulation, StatementEvaluation, VariableEntry
from wizard.core.models.account import (
    DiscoveredDataKey,
    DiscoveredResource,
    DiscoveredSetup,
    Existing,
    Identity,
    KeyFact,
    PermissionsFact,
    Principal,
    ProfileFact,
    ProfileKind,
    QuotaFact,
    RegionFact,
    Retention,
    TrailFact,
    UnrecordedResource,
)
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey
from wizard.core.models.deployment import Deployment, Redeployed, RedeployState, RollingRelease
from wizard.core.models.inputs import Back, Mark, Question, StepState
from wizard.core.models.stack import Drift, OnProgress, Progress, StackState, Step
from wizard.core.models.trail import (
    AlertsFact,
    BucketDocuments,
    KeyCall,
    KeyCalls,
    LogValidation,
    RuleFact,
    TopicFact,
)
from wizard.core.models.vercel import PRODUCTION, Scope, VercelProject, VercelVariable
from wizard.core.models.verification import (
    AccessKey,
    AccessKeyFact,
    AppCredentials,
    ChildResult,
    CredentialsSearch,
    Proof,
)
from wizard.core.next_command import VERCEL_LOGIN, document, eonpro
from wizard.core.variable_ownership import ForeignVariable, OwnValues, VariablesNotOurs
from wizard.data_key.verification import DecryptVerifier
from wizard.inputs.answers_file import Drafts
from wizard.pulumi_engine.engine import Engine
from wizard.terminal.terminal import Terminal
from wizard.vercel.client import VercelClient


def advice_of(step: str) -> str:
    """What a next step says beside a command, or in its place."""
    return document(step)["advice"] or ""


ALLOWED = StatementEvaluation(action="", ruling=Ruling.ALLOWED)
DENIED = replace(ALLOWED, ruling=Ruling.IMPLICIT_DENY)
UNDECIDED = replace(DENIED, depends_on=("aws:SourceVpc",))
"""What IAM's simulator can say of an action."""

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "999988887777"
REGION = "us-east-1"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
SECOND = f"arn:aws:iam::{ACCOUNT}:user/second"
APP = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
APP_USER = f"arn:aws:iam::{ACCOUNT}:user/eonpro-app-user"
APP_POLICY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-12ab-34cd-56ef-1234567890ab"
LOGS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/logs"
MATERIAL = "0f" * 32
"""The id of the key material that opens every data key here."""
MULTI_KEY_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"
MULTI_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{MULTI_KEY_ID}"
REPLICA_REGION = "eu-central-1"
REPLICA = f"arn:aws:kms:{REPLICA_REGION}:{ACCOUNT}:key/{MULTI_KEY_ID}"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/eonpro-audit-trail"
BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}-{REGION}"
STORED_KEY = "/eonpro/production/ENCRYPTED_PHI_KEY"
TOKEN = "vercel-token-that-nobody-may-see"

IDENTITY = Identity(
    account_id=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/ada",
    principal_arn=ADMIN,
    account_alias="clinic",
    source="environment variables",
)
OUTPUTS = Outputs(
    key_arn=KEY,
    key_id=KEY_ID,
    alias_name="alias/eonpro-phi-key",
    app_policy_arn=APP_POLICY,
    app_principal_arn=APP,
    trail_arn=TRAIL,
    trail_bucket=BUCKET,
    parameter_prefix="/eonpro/production",
)

EXPORTS = {
    "keyArn": OUTPUTS.key_arn,
    "keyId": OUTPUTS.key_id,
    "aliasName": OUTPUTS.alias_name,
    "appPolicyArn": OUTPUTS.app_policy_arn,
    "appPrincipalArn": OUTPUTS.app_principal_arn,
    "trailArn": OUTPUTS.trail_arn,
    "trailBucket": OUTPUTS.trail_bucket,
    "parameterPrefix": OUTPUTS.parameter_prefix,
}
"""The same as the stack names them."""

EXPORTING = f"import pulumi\nfor name, value in {EXPORTS!r}.items():\n    pulumi.export(name, value)\n"
"""A program with these outputs and nothing else."""

MULTI_OUTPUTS = replace(OUTPUTS, key_arn=MULTI_KEY, key_id=MULTI_KEY_ID, replica_key_arns=(REPLICA,))
"""Of a stack with a replica in REPLICA_REGION."""
USER_OUTPUTS = replace(OUTPUTS, app_principal_arn=APP_USER, app_user_arn=APP_USER)
"""Of a stack whose application on Vercel is an IAM user, and runs nowhere else."""


def settings(**changes: Any) -> Settings:
    """Settings of a deployment to Vercel, with changes; a change to None leaves the field out."""
    values: dict[str, Any] = {
        "account_id": ACCOUNT,
        "region": REGION,
        "administrators": (ADMIN,),
        "deploy_targets": ("vercel",),
        "vercel_team": "acme",
        "vercel_project": "portal",
        **changes,
    }
    return Settings.read({name: value for name, value in values.items() if value is not None})


def multi_region(**changes: Any) -> Settings:
    """Settings of a multi-Region key with a replica in REPLICA_REGION."""
    return settings(**{"multi_region": True, "replica_regions": (REPLICA_REGION,), **changes})


def wrapped(seed: str = "one") -> WrappedDataKey:
    """A value in the shape of a wrapped data key; another one for each seed."""
    return WrappedDataKey.from_blob(b"".join(hashlib.sha256(f"{seed}{i}".encode()).digest() for i in range(5)))


def key_fact(arn: str = KEY, **changes: Any) -> KeyFact:
    values: dict[str, Any] = {
        "arn": arn,
        "state": "Enabled",
        "spec": "SYMMETRIC_DEFAULT",
        "usage": "ENCRYPT_DECRYPT",
        "description": "EONPRO PHI encryption key for HIPAA compliance",
        "tags": {"Application": "EONPRO", "Environment": "Production"},
        "rotation_enabled": True,
        "rotation_period_days": 365,
    }
    return KeyFact(**{**values, **changes})


def alerts_fact(settings: Settings, logs_key_arn: str | None = None) -> AlertsFact:
    """The alerts as the stack makes them, each topic with one subscriber."""
    outputs = outputs_of(settings)
    if logs_key_arn is None and settings.makes_trail and settings.trail_key:
        logs_key_arn = LOGS_KEY

    def message(rule: AlertRule) -> dict[str, Any]:
        if rule.region != settings.region or rule.target is None:
            return {}
        paths, template = message_of(settings, rule.kind)
        return {"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}

    return AlertsFact(
        topics=tuple(TopicFact(topic=topic, receivers=1, policy=topic.policy) for topic in alert_topics_of(settings)),
        rules=tuple(
            RuleFact(
                rule=rule,
                state=READS_TOO if rule.kind == "denied-use" else "ENABLED",
                pattern=pattern_of(
                    settings,
                    rule.kind,
                    key_arns=outputs.key_arns,
                    logs_key_arn=logs_key_arn,
                    documents_key_arn=outputs.documents_key_arn,
                ),
                targets=tuple(filter(None, [rule.target])),
                message=message(rule),
            )
            for rule in alert_rules_of(settings)
        ),
        alarm={**alarm_of(settings), "AlarmActions": [settings.arn("sns", settings.names.alert_topic)]},
    )


def trail_fact(**changes: Any) -> TrailFact:
    values: dict[str, Any] = {
        "arn": TRAIL,
        "name": "eonpro-audit-trail",
        "bucket": BUCKET,
        "multi_region": True,
        "global_events": True,
        "validation": True,
        "organization": False,
        "logging": True,
        "kms_events": True,
    }
    return TrailFact(**{**values, **changes})


def step(op: str = "create", type_: str = "aws:kms/key:Key", name: str = "phi-key", **changes: Any) -> Step:
    return Step(urn=f"urn:pulumi:production::eonpro-kms::{type_}::{name}", op=op, type=type_, name=name, **changes)


@dataclass(kw_only=True)
class FakeAwsClient(
    AwsClient,
    KmsKeys,
    Iam,
    Permissions,
    PolicyAnalyzer,
    ApplicationCredentials,
    CloudTrail,
    StoredDataKeys,
    ExistingResources,
    UnrecordedResources,
    ImportDiscovery,
    ServiceQuotas,
    StateStorage,
):
    """An account in memory, with most of its services."""

    log: list[str] = field(default_factory=list)
    failures: dict[str, SetupError] = field(default_factory=dict)
    """The error that a method raises, by the method's name."""
    requests: FakeRequests = field(default_factory=FakeRequests, repr=False, compare=False)
    identity: Identity = IDENTITY
    region: str = REGION
    region_source: str | None = "AWS_REGION"
    disagreements: tuple[str, ...] = ()
    has_environment_credentials: bool = True
    profile: str | None = None
    profile_names: tuple[str, ...] = ()
    profile_kinds: dict[str, ProfileKind] = field(default_factory=dict)
    """By name; an access key where it is not told."""
    quotas: tuple[QuotaFact, ...] = ()
    skew: float | None = 0.0
    """Seconds."""
    unknown_rights: tuple[str, ...] = ()
    judgement: PolicyJudgement = PolicyJudgement()
    """Of IAM Access Analyzer."""
    judged: tuple[tuple[StackPolicy, ...], tuple[StackPolicy, ...]] = ((), ())
    """The policies that it was asked about: of the plan, and before."""
    state_buckets: list[str] = field(default_factory=list)
    regions: tuple[RegionFact, ...] = (
        RegionFact(name="af-south-1", enabled=False, place="Africa, Cape Town"),
        RegionFact(name="eu-central-1", enabled=True, place="Europe, Frankfurt"),
        RegionFact(name="us-east-1", enabled=True, place="US East, N. Virginia"),
    )
    principals: tuple[str, ...] = (ADMIN, SECOND, APP)
    existing: Existing = Existing()
    unrecorded: tuple[UnrecordedResource, ...] = ()
    trails: tuple[TrailFact, ...] = ()
    keys: dict[str, KeyFact] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    key_policies: dict[str, Mapping[str, object]] = field(default_factory=dict)
    documents: dict[str, Mapping[str, object]] = field(default_factory=dict)
    retention: Retention | None = Retention(
        expires_after_days=2557,
        versioned=True,
        public_access_blocked=True,
        encrypted=True,
        lock="GOVERNANCE",
        lock_days=2557,
        tls_only=True,
        access_logged=True,
    )
    """Of the trail's bucket."""
    access_log_retention: Retention | None = Retention(
        expires_after_days=2557, versioned=True, public_access_blocked=True, encrypted=True, tls_only=True
    )
    discovered: DiscoveredSetup = DiscoveredSetup()
    stored_keys: dict[str, StoredDataKey] = field(default_factory=dict)
    """In Parameter Store, by name; of this Region, as are the next three."""
    secrets: dict[str, StoredDataKey] = field(default_factory=dict)
    """In Secrets Manager."""
    foreign: tuple[ForeignVariable, ...] = ()
    """The parameters of somebody else."""
    parameters: dict[str, str] = field(default_factory=dict)
    secret_values: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, FakeAwsClient] = field(default_factory=dict)
    """The account in its other Regions, by their names: one account, so that all but four fields are shared."""
    access_keys: dict[str, list[AccessKeyFact]] = field(default_factory=dict)
    """By the user's name."""
    closed: tuple[SecretStore, ...] = ()
    """The stores that the caller may not read."""
    wrapped_by: dict[str, str] = field(default_factory=dict)
    """Fingerprint → ARN of the key that wrapped it."""
    holds: dict[str, str] = field(default_factory=dict)
    """Which key is in a wrapped key, by its fingerprint; each other one holds a key of its own."""
    credentials: AppCredentials | None = None
    credentials_from: tuple[str, ...] = ("token", "container")
    """Where the application's credentials can be had."""
    lacking: tuple[str, ...] = ()
    evaluation: StatementEvaluation = ALLOWED
    """What IAM's simulator says of every action."""
    event_selectors: Mapping[str, Any] = field(default_factory=dict)
    bucket_documents: BucketDocuments = BucketDocuments(policy=None)
    log_validation: LogValidation | None = None
    """None: all is as it was signed."""
    alerts: AlertsFact | None = None
    """None: all are there and enabled."""
    key_calls: tuple[KeyCall, ...] = ()
    meanwhile: list[WrappedDataKey] = field(default_factory=list)
    """Written into the stored data key by somebody else between this run's look and this run's write."""
    claims: dict[str, str] = field(default_factory=dict)
    """The owner of each claim, by the claim's name."""
    who_has_access: FakeAccess = field(default_factory=FakeAccess)
    ecs_services: FakeEcsServices = field(default_factory=FakeEcsServices)
    backup_storage: FakeBackupStorage = field(default_factory=FakeBackupStorage)
    s3_documents: FakeS3Documents = field(default_factory=FakeS3Documents)
    access: FakeAccess = field(init=False, repr=False, compare=False)
    access_diagnostics: FakeAccessDiagnostics = field(init=False, repr=False, compare=False)
    key_rotation: FakeKeyRotation = field(init=False, repr=False, compare=False)
    """Of this Region, as are the four above."""
    audit: FakeAuditReader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.kms = self.iam = self.permissions = self.policy_analyzer = self.application_credentials = self
        self.cloudtrail = self.stored_data_keys = self.existing_resources = self.unrecorded_resources = self
        self.import_discovery = self.service_quotas = self.state_storage = self
        self.access = self.who_has_access
        self.access_diagnostics = FakeAccessDiagnostics(aws=self)
        self.key_rotation = FakeKeyRotation(aws=self)
        self.audit = FakeAuditReader(aws=self)
        self.ecs_services.log = self.log

    def check_value(self, wrapped: WrappedDataKey) -> str:
        """The check value of the key that KMS would unwrap."""
        held = self.holds.get(wrapped.fingerprint, wrapped.fingerprint)
        return hashlib.sha256(held.encode()).hexdigest()[:16]

    def _call(self, name: str, detail: str = "") -> None:
        self.log.append(f"cloud.{name}" + (f" {detail}" if detail else ""))
        if name in self.failures:
            raise self.failures[name]

    def build(self, wanted: Settings) -> None:
        """What `up` makes: the key with its alias and policies, and the trail."""
        made = (MULTI_KEY if wanted.multi_region else KEY, *replicas_of(wanted))
        for arn in made:
            self.keys[arn] = key_fact(arn, tags=wanted.tags, rotation_period_days=wanted.rotation_period_days)
            self.key_policies[arn] = key_policy_of(wanted)
        self.aliases[wanted.names.alias] = made[0]
        self.documents[APP_POLICY] = policies.application_policy(key_arns=made)
        self.access_diagnostics.build(wanted, made)
        if wanted.trail_key:
            self.keys[LOGS_KEY] = key_fact(LOGS_KEY)
            self.key_policies[LOGS_KEY] = trail_key_policy_of(wanted)
        key_arn = LOGS_KEY if wanted.trail_key else None
        group = wanted.names.log_group if wanted.cloudwatch_logs else None
        self.trails = (trail_fact(bucket=wanted.names.trail_bucket, key_arn=key_arn, log_group=group),)

    def profiles(self) -> tuple[ProfileFact, ...]:
        kinds = self.profile_kinds
        return tuple(ProfileFact(name=name, kind=kinds.get(name, ProfileKind.KEYS)) for name in self.profile_names)

    def with_region(self, region: str) -> FakeAwsClient:
        if region == self.region:
            return self
        self._call("with_region", region)
        if region not in self.elsewhere:
            self.elsewhere.setdefault(self.region, self)
            alone: dict[str, Any] = {name: {} for name in ("stored_keys", "secrets", "parameters", "secret_values")}
            alone |= {"aliases": {}, "meanwhile": []}
            self.elsewhere[region] = replace(self, region=region, **alone)
        return self.elsewhere[region]

    def writing(self) -> FakeAwsClient:
        return self

    def asking_once(self) -> FakeAwsClient:
        return self

    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": "the-operators", "AWS_REGION": self.region}

    def account_id(self) -> str:
        if "identify" in self.failures:
            raise self.failures["identify"]
        return self.identity.account_id

    def identify(self) -> Identity:
        self._call("identify")
        return self.identity

    def caller(self) -> Identity:
        self.log.append("cloud.caller")
        if "identify" in self.failures:
            raise self.failures["identify"]
        return replace(self.identity, account_alias=None)

    def list_regions(self) -> tuple[RegionFact, ...]:
        self._call("list_regions")
        return self.regions

    def list_principals(self) -> tuple[Principal, ...]:
        self._call("list_principals")
        return tuple(Principal(arn=arn) for arn in self.principals)

    def find_principal(self, arn: str) -> Principal | None:
        self._call("find_principal", arn)
        return Principal(arn=arn) if arn in self.principals else None

    def find_existing(self, settings: Settings) -> Existing:
        self._call("find_existing")
        return self.existing

    def find_unrecorded(self, settings: Settings, state: StackState) -> tuple[UnrecordedResource, ...]:
        self._call("find_unrecorded")
        return self.unrecorded

    def list_trails(self) -> tuple[TrailFact, ...]:
        self._call("list_trails")
        return self.trails

    def find_trail(self, arn: str) -> TrailFact | None:
        self._call("find_trail")
        return next((each for each in self.trails if each.arn == arn), None)

    def describe_key(self, key: str, *, with_tags: bool = False) -> KeyFact | None:
        self._call("describe_key")
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{self.region}:{ACCOUNT}:key/{key}"
        fact = self.keys.get(self.aliases.get(key, arn))
        return fact if fact is None or with_tags else replace(fact, tags=None)

    def aliases_of(self, key_arn: str) -> tuple[str, ...]:
        self._call("aliases_of")
        return tuple(name for name, arn in self.aliases.items() if arn == key_arn)

    def key_policy(self, key_arn: str) -> Mapping[str, object]:
        self._call("key_policy")
        return self.key_policies[key_arn]

    def policy_document(self, policy_arn: str) -> Mapping[str, object] | None:
        self._call("policy_document")
        return self.documents.get(policy_arn)

    def find_keys(self, tags: Mapping[str, str]) -> tuple[KeyFact, ...]:
        self._call("find_keys")
        return tuple(key for key in self.keys.values() if tags.items() <= (key.tags or {}).items())

    def bucket_retention(self, bucket: str) -> Retention | None:
        self._call("bucket_retention")
        return self.access_log_retention if "access-logs" in bucket else self.retention

    def discover_setup(self, settings: Settings) -> DiscoveredSetup:
        self._call("find_hand_made")
        return self.discovered

    def _stored_keys(self, store: SecretStore) -> dict[str, StoredDataKey]:
        if store in self.closed:
            raise PermissionDenied(f"you may not read the {store}", "ask for it")
        return self.secrets if store is SecretStore.SECRETS_MANAGER else self.stored_keys

    def _values(self, store: SecretStore) -> dict[str, str]:
        return self.secret_values if store is SecretStore.SECRETS_MANAGER else self.parameters

    def read_stored_data_key(
        self,
        name: str,
        *,
        store: SecretStore = SecretStore.PARAMETER_STORE,
        known: StoredDataKey | None = None,
    ) -> StoredDataKey | None:
        self._call("read_stored_data_key", store if store is SecretStore.SECRETS_MANAGER else "")
        return self._stored_keys(store).get(name)

    def variable_exists(self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE) -> bool:
        self._call("variable_exists")
        return name in self._values(store)

    def make_data_key(self, key_arn: str) -> WrappedDataKey:
        self._call("make_data_key", key_arn)
        if key_arn not in self.keys:
            raise ResourceError(f"there is no key {key_arn}", "aws kms list-keys")
        made = wrapped(f"{key_arn} {len(self.wrapped_by)}")
        self.wrapped_by[made.fingerprint] = key_arn
        return made

    def claim(self, name: str, owner: str, *, tags: Mapping[str, str]) -> str:
        self._call("claim", name)
        return self.claims.setdefault(name, owner)

    def record(self, name: str, text: str, *, tags: Mapping[str, str]) -> None:
        self._call("record", name)
        self.claims[name] = text

    def store_data_key(
        self,
        name: str,
        wrapped: WrappedDataKey,
        *,
        key_arn: str,
        tags: Mapping[str, str],
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> bool:
        stored_keys = self._stored_keys(store)
        for other in self.meanwhile:
            stored_keys[name] = StoredDataKey(parameter=name, wrapped=other, key_arn=key_arn, version=1, store=store)
        self._call("write_stored_data_key", name)
        if name in stored_keys:
            return False
        stored_keys[name] = StoredDataKey(parameter=name, wrapped=wrapped, key_arn=key_arn, version=1, store=store)
        return True

    def deliver_parameters(
        self,
        prefix: str,
        batch: AppVariables,
        *,
        tags: Mapping[str, str],
        target: str = "ecs",
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> Delivered:
        self._call("deliver_parameters", prefix)
        for name, key in batch.wrapped_keys:
            if self._stored_keys(store)[f"{prefix}/{name}"].wrapped != key:
                raise DataKeyConflict(f"the stored {name} is another key", "nothing was written")
        wanted = {f"{prefix}/{name}": value for name, value in batch.stored_values if name not in WRAPPED_KEYS}
        values = self._values(store)
        state = DeliveryState.UNCHANGED if wanted.items() <= values.items() else DeliveryState.WRITTEN
        values |= wanted
        where = "Secrets Manager" if store is SecretStore.SECRETS_MANAGER else "Parameter Store"
        return Delivered(
            target=target,
            place=f"{where} {prefix}",
            state=state,
            fingerprint=batch.wrapped.fingerprint,
            checked_by="values read back",
        )

    def foreign_parameters(
        self, prefix: str, own: OwnValues, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> tuple[ForeignVariable, ...]:
        self._call("foreign_parameters")
        return self.foreign

    def check_parameters(
        self, prefix: str, batch: AppVariables, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> bool:
        self._call("check_parameters")
        stored = self._stored_keys(store)
        rest = {f"{prefix}/{name}": value for name, value in batch.stored_values if name not in WRAPPED_KEYS}
        return rest.items() <= self._values(store).items() and all(
            (there := stored.get(f"{prefix}/{name}")) and there.wrapped == key for name, key in batch.wrapped_keys
        )

    def list_access_keys(self, user: str) -> tuple[AccessKeyFact, ...]:
        self._call("list_access_keys", user)
        return tuple(sorted(self.access_keys.get(user, ()), key=lambda fact: fact.made))

    def make_access_key(self, user: str) -> AccessKey:
        self._call("make_access_key", user)
        keys = self.access_keys.setdefault(user, [])
        if len(keys) >= 2:
            raise ResourceError("the user has two access keys already", "delete one")
        made = AccessKeyFact(id=f"AKIAMADENUMBER{len(keys) + 1:06}", active=True, made=datetime.now(UTC))
        keys.append(made)
        return AccessKey(id=made.id, secret=SECRET_OF_ACCESS_KEY)

    def retire_access_key(self, user: str, key_id: str) -> None:
        self._call("retire_access_key", key_id)
        keys = self.access_keys[user]
        keys[:] = [replace(key, active=key.active and key.id != key_id) for key in keys]

    def delete_access_key(self, user: str, key_id: str) -> None:
        self._call("delete_access_key", key_id)
        keys = self.access_keys[user]
        keys[:] = [key for key in keys if key.id != key_id]

    @property
    def are_configured(self) -> bool:
        return self.credentials is not None

    def app_credentials(self, principal_arn: str, *, container_first: bool = False) -> CredentialsSearch:
        source = "container" if container_first else "token"
        self._call("app_credentials", f"{principal_arn} {source}")
        found = self.credentials if source in self.credentials_from else None
        return CredentialsSearch(credentials=found, tried=() if found else ("no token was given",))

    def check_permissions(self, settings: Settings, *, only: Collection[str] = ()) -> PermissionsFact:
        self._call("check_permissions", " ".join(only))
        why = "the policy simulator may not be asked" if self.unknown_rights else ""
        denied = tuple(action for action in self.lacking if not only or action in only)
        return PermissionsFact(denied=denied, unknown=self.unknown_rights, why_unknown=why)

    def check_replacement(self, settings: Settings) -> PermissionsFact:
        self._call("check_replacement")
        return PermissionsFact(denied=self.lacking)

    def check_quotas(self, settings: Settings) -> tuple[QuotaFact, ...]:
        self._call("check_quotas")
        return self.quotas

    def clock_skew(self) -> float | None:
        return self.skew

    def make_state_bucket(self, bucket: str, application: str) -> bool:
        self._call("make_state_bucket", bucket)
        new = bucket not in self.state_buckets
        self.state_buckets.append(bucket)
        return new

    def judge(self, planned: Sequence[StackPolicy], before: Sequence[StackPolicy]) -> PolicyJudgement:
        self.judged = (tuple(planned), tuple(before))
        return self.judgement

    def simulate(
        self, principal_arn: str, actions: Sequence[str], key_arn: str, *, tags: Mapping[str, str] | None = None
    ) -> Simulation:
        self._call("simulate", f"{principal_arn} {','.join(actions)}")
        evaluations = tuple(replace(self.evaluation, action=action) for action in actions)
        return Simulation(principal=principal_arn, resource=key_arn, evaluations=evaluations)


@dataclass(kw_only=True)
class FakeAuditReader(AuditReader):
    """The audit of the fake account."""

    aws: FakeAwsClient

    def selectors(self, arn: str) -> Mapping[str, Any]:
        self.aws._call("audit.selectors")
        return self.aws.event_selectors

    def bucket_documents(self, bucket: str) -> BucketDocuments:
        self.aws._call("audit.bucket_documents")
        return self.aws.bucket_documents

    def validate_logs(
        self, trail: TrailFact, region: str, *, since: datetime, until: datetime, most: int | None
    ) -> LogValidation:
        self.aws._call("audit.validate_logs")
        return self.aws.log_validation or LogValidation(region=region, since=since, until=until, digests=9, logs=4)

    def alerts(self, settings: Settings) -> AlertsFact:
        self.aws._call("audit.alerts")
        keys = [trail.key_arn for trail in self.aws.trails if trail.key_arn]
        return self.aws.alerts or alerts_fact(settings, next(iter(keys), None))

    def key_calls(self, key_arn: str, *, since: datetime) -> KeyCalls:
        self.aws._call("audit.key_calls")
        return KeyCalls(calls=tuple(use for use in self.aws.key_calls if use.at >= since))


SECRET_OF_ACCESS_KEY = "secret-of-the-access-key"

CREDENTIALS = AppCredentials(
    how="a Vercel OIDC token",
    access_key_id="ASIA-OF-THE-APPLICATION",
    secret_access_key="secret-of-the-application",
    session_token="session-of-the-application",
)


@dataclass(kw_only=True)
class FakeVercelClient(VercelClient):
    """One Vercel project in memory, reached with one token."""

    log: list[str] = field(default_factory=list)
    token: str = TOKEN
    good_token: str = TOKEN
    team: str = "acme"
    team_id: str = "team_1"
    project: VercelProject = VercelProject(id="prj_1", name="portal", team_id="team_1", team_slug="acme")
    variables: dict[str, str] = field(default_factory=dict)
    failures: dict[str, SetupError] = field(default_factory=dict)
    sensitive: bool = True
    """Whether the variables' values are never told."""
    access_key: AccessKey | None = None
    delivered_instead: WrappedDataKey | None = None
    """A hosting that says it holds something else than it was given."""
    named: str | None = None
    """The fingerprint in the data key's comment."""
    projects: tuple[VercelProject, ...] = ()
    """Those that the token reaches."""
    overlapping: tuple[str, ...] = ()
    outside: tuple[VariableEntry, ...] = ()
    """Variables of the three names that are not production's."""
    environments: dict[str, str] = field(default_factory=dict)
    """The slug of each custom environment by its id."""
    beside: dict[str, dict[str, str]] = field(default_factory=dict)
    """The variables of the scopes other than production, by their words."""
    deployment: Deployment | None = None
    """What production runs."""
    changed_at: datetime | None = None
    """When a variable of production was last changed."""
    release: RollingRelease | None = None
    """The latest rolling release of production."""
    release_after: Redeployed | None = None
    """What a redeploy comes to, in place of a deployment that is done."""
    waited_for_release: bool = False
    build_fails: str = ""
    """Why; empty: it does not."""
    foreign: tuple[ForeignVariable, ...] = ()
    """The variables of somebody else."""

    def _call(self, name: str) -> None:
        self.log.append(f"vercel.{name}")
        if name in self.failures:
            raise self.failures[name]
        if self.token != self.good_token:
            raise CredentialsError("Vercel refuses the token", VERCEL_LOGIN)

    def asking_once(self) -> FakeVercelClient:
        return self

    def check_token(self) -> None:
        self._call("check_token")

    def find_project(self, team: str, project: str, environment: str = PRODUCTION.environment) -> VercelProject:
        self._call("find_project")
        if team not in (self.team, self.team_id) or project not in (self.project.name, self.project.id):
            raise TargetMissing(f"there is no project {project} in the team {team}", "vercel project ls")
        ids = [id for id, slug in self.environments.items() if slug == environment]
        return self.project.at(Scope(environment=environment, custom_id=ids[0] if ids else None))

    def list_projects(self) -> tuple[VercelProject, ...]:
        self._call("list_projects")
        return self.projects

    def overlaps(self, project: VercelProject) -> tuple[str, ...]:
        self._call("overlaps")
        return self.overlapping

    def list_variables(self, project: VercelProject) -> tuple[VercelVariable, ...]:
        self._call("list_variables")
        return tuple(
            VercelVariable(id=key, key=key, type="sensitive", targets=("production",), comment="")
            for key in self.variables
        )

    def conflict(
        self,
        project: VercelProject,
        stored: WrappedDataKey | None,
        *,
        region: str | None = None,
        key_arn: str | None = None,
        replaceable: frozenset[str] = frozenset(),
        name: str = DATA_KEY_VARIABLE,
    ) -> str | None:
        self._call("conflict")
        return self._foreign(stored, replaceable, project.scope, name)

    def find_data_key(self, project: VercelProject, *, name: str = DATA_KEY_VARIABLE) -> DiscoveredDataKey:
        self._call("find_data_key")
        value = self._of(project.scope).get(name)
        return DiscoveredDataKey(
            wrapped=None if value is None or self.sensitive else WrappedDataKey(value=value),
            exists=value is not None,
            key_arn=None if self.sensitive else self.variables.get("AWS_KMS_KEY_ID"),
            check_value=self.variables.get(f"{name}_CHECK_VALUE"),
        )

    def former_key(self, project: VercelProject) -> str | None:
        self._call("former_key")
        return "production of acme/portal (id env_1)" if "ENCRYPTION_KEY" in self.variables else None

    def name_data_key(self, project: VercelProject, wrapped: WrappedDataKey) -> None:
        self._call("name_data_key")
        self.named = wrapped.fingerprint

    def access_key_id(self, project: VercelProject) -> str | None:
        self._call("access_key_id")
        return self.access_key.id if self.access_key else None

    def deliver_access_key(self, project: VercelProject, key: AccessKey) -> None:
        self._call("deliver_access_key")
        self.access_key = key

    def read_variables(self, project: VercelProject) -> tuple[VariableEntry, ...]:
        self._call("see_variables")
        return tuple(self._seen(name, value) for name, value in self._of(project.scope).items()) + self.outside

    def _seen(self, name: str, value: str) -> VariableEntry:
        is_hidden = name in WRAPPED_KEYS and self.sensitive
        told = self.named or (WrappedDataKey(value=value).fingerprint if is_hidden else None)
        return VariableEntry(
            name=name,
            place=f"Vercel project {self.team}/{self.project.name} (id {name})",
            type="sensitive" if is_hidden else "encrypted",
            claimed=told,
            value=None if is_hidden else value,
            id=name,
        )

    def rename_variable(
        self, project: VercelProject, id: str, *, stored: tuple[WrappedDataKey, ...], today: date
    ) -> str:
        self._call("set_aside")
        self.variables[f"{id}_ASIDE_{today:%Y%m%d}"] = self.variables.pop(id)
        return f"{id} is set aside"

    def check(self, project: VercelProject, batch: AppVariables) -> str | None:
        self._call("check")
        scope = project.scope
        lacking = [name for name, value in batch.values if self._of(scope).get(name) != value]
        foreign = self._foreign_in(batch, frozenset(), scope)
        return foreign or (f"{', '.join(lacking)} is not there" if lacking else None)

    def custom_environments(self, project: VercelProject) -> Mapping[str, str]:
        self._call("custom_environments")
        return self.environments

    def current_deployment(self, project: VercelProject) -> Deployment | None:
        self._call("current_deployment")
        return self.deployment

    def last_change(self, project: VercelProject) -> datetime | None:
        self._call("last_change")
        return self.changed_at

    def rolling_release(self, project: VercelProject) -> RollingRelease | None:
        self._call("rolling_release")
        return self.release

    def redeploy(
        self,
        project: VercelProject,
        former: Deployment,
        *,
        tell: Callable[[str], None],
        changed: datetime | None = None,
        until_complete: bool = False,
        seconds: float = 0.0,
    ) -> Redeployed:
        self._call("redeploy")
        self.waited_for_release = until_complete
        tell("building")
        if self.release_after is not None:
            return self.release_after
        if self.build_fails:
            failed = replace(former, id="dpl_2", state="ERROR")
            return Redeployed(
                target="vercel", state=RedeployState.FAILED, before=former, after=failed, why=self.build_fails
            )
        self.deployment = replace(former, id="dpl_2", made=max(former.made, self.changed_at or former.made))
        return Redeployed(target="vercel", state=RedeployState.DONE, before=former, after=self.deployment, seconds=41.0)

    def _of(self, scope: Scope) -> dict[str, str]:
        return self.variables if scope == PRODUCTION else self.beside.setdefault(scope.words, {})

    def _foreign_in(self, batch: AppVariables, replaceable: frozenset[str], scope: Scope) -> str | None:
        found = (self._foreign(key, replaceable, scope, name) for name, key in batch.wrapped_keys)
        return next(filter(None, found), None)

    def _foreign(
        self, stored: WrappedDataKey | None, replaceable: frozenset[str], scope: Scope, name: str
    ) -> str | None:
        there = self._of(scope).get(name)
        if there is None or (stored is not None and there == stored.value):
            return None
        if stored is not None and WrappedDataKey(value=there).fingerprint in replaceable:
            return None
        return f"the project {self.project.name} has another {name} already"

    def foreign_variables(self, project: VercelProject, own: OwnValues) -> tuple[ForeignVariable, ...]:
        self._call("foreign_variables")
        return self.foreign

    def deliver(
        self,
        project: VercelProject,
        batch: AppVariables,
        *,
        replaceable: frozenset[str] = frozenset(),
    ) -> Delivered:
        scope = project.scope
        self._call("deliver" if scope == PRODUCTION else f"deliver to {scope.words}")
        if conflict := self._foreign_in(batch, replaceable, scope):
            raise DataKeyConflict(conflict, "vercel env ls production")
        if not_ours := [variable for variable in self.foreign if variable.name not in batch.replaces]:
            raise VariablesNotOurs(not_ours, eonpro("push"))
        same = dict(batch.values).items() <= self._of(scope).items()
        self._of(scope).update(dict(batch.values))
        return Delivered(
            target="vercel",
            place=f"Vercel project {self.team}/{project.name}, {scope.words}",
            state=DeliveryState.UNCHANGED if same else DeliveryState.WRITTEN,
            fingerprint=(self.delivered_instead or batch.wrapped).fingerprint,
            checked_by="listing and fingerprint",
        )


@dataclass(kw_only=True)
class FakeEngine(Engine):
    """A stack in memory, whose `up` builds into the fake cloud."""

    aws: FakeAwsClient
    log: list[str] = field(default_factory=list)
    failures: dict[str, SetupError] = field(default_factory=dict)
    stack_state: StackState = StackState(exists=False, has_key=False)
    steps: tuple[Step, ...] = (step(), step("create", "aws:kms/alias:Alias", "phi-key-alias"))
    drifts: tuple[Drift, ...] = ()
    steps_after_refresh: tuple[Step, ...] | None = None
    planned: tuple[Step, ...] | None = None
    """What the last preview showed: `up`, which reads the state, is bound to it."""
    prepared: Settings | None = None
    written: Settings | None = None
    """What the stack's settings file holds."""
    recovered: Mapping[str, str] | None = None
    imported: tuple[UnrecordedResource, ...] = ()
    outputs: Outputs = OUTPUTS
    environment: Mapping[str, str] = field(default_factory=dict)

    def _call(self, name: str) -> None:
        self.log.append(f"engine.{name}")
        if name in self.failures:
            raise self.failures[name]

    def check(self) -> str:
        self._call("check")
        return "3.259.0"

    @contextmanager
    def alone(self, stack: str) -> Iterator[None]:
        self._call("alone")
        try:
            yield
        finally:
            self.log.append("engine.alone ends")

    def check_backend(self, stack: str) -> str:
        self._call("check_backend")
        return "file://~"

    def login(self, url: str) -> None:
        self._call("login")

    def state(self, stack: str) -> StackState:
        self._call("state")
        return self.stack_state

    def compare(self, stack: str) -> tuple[Drift, ...]:
        self._call("compare")
        return self.drifts

    def prepare(self, stack: str, settings: Settings) -> None:
        self._call("prepare")
        self.prepared = settings

    def write_settings(self, stack: str) -> None:
        self.written = self.prepared

    def discard(self, stack: str) -> None:
        if self.written is not self.prepared:
            self.prepared = None

    def recover(self, stack: str, created: Mapping[str, str], unrecorded: Sequence[UnrecordedResource] = ()) -> None:
        self._call("recover")
        self.recovered = created
        self.imported = tuple(unrecorded)

    def renew(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def preview(self, stack: str, *, refresh: bool = False) -> tuple[Step, ...]:
        self._call("preview")
        self.log += ["engine.reads_the_account"] * refresh
        is_refreshed = refresh or self.recovered is not None
        self.planned = self.steps_after_refresh if is_refreshed and self.steps_after_refresh is not None else self.steps
        return self.planned

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        self._call("up")
        assert self.prepared is not None, "up without its configuration"
        if self.recovered is None and self.planned not in (None, self.steps):
            raise StalePlan("stopped before a change that the plan did not show", "again")
        self.written = self.prepared
        for each in self.steps:
            on_progress(Progress(step=each, state=StepState.STARTED))
            on_progress(Progress(step=each, state=StepState.DONE))
        self.aws.build(self.prepared)
        owned = tuple(part for arn in self.outputs.key_arns for part in (arn.rpartition("/")[2], arn))
        self.stack_state = StackState(exists=True, has_key=True, outputs=self.outputs, owned=owned)
        return self.outputs

    def destroy_rehearsal(self, stack: str) -> list[tuple[str, dict[str, list[str]]]]:
        self._call("destroy_rehearsal")
        return []

    def destroy(self, stack: str, on_progress: OnProgress) -> None:
        self._call("destroy")
        self.stack_state = StackState(exists=True, has_key=False)


@dataclass(kw_only=True)
class FakeDecryptVerifier(DecryptVerifier):
    """The application: opens what its own key wrapped."""

    aws: FakeAwsClient
    log: list[str] = field(default_factory=list)
    verdict: ChildResult | None = None
    """Said instead of what the cloud holds."""
    given: list[AppCredentials] = field(default_factory=list)
    retry_seconds: list[float] = field(default_factory=list)
    """For how long each proof was to be tried again."""
    full: list[bool] = field(default_factory=list)
    """Whether each proof was a round trip."""
    permission: ChildResult = ChildResult(proved=True, principal=APP, fingerprint="", how=Proof.PERMISSION)
    """Where there is no data key to prove."""

    def may_decrypt(self, credentials: AppCredentials, *, region: str, key_arn: str) -> ChildResult:
        self.log.append("prover.may_decrypt")
        return self.permission

    def prove(
        self,
        credentials: AppCredentials,
        batch: AppVariables,
        *,
        retry_seconds: float = 20.0,
        full: bool = False,
        reading: Sequence[WrappedDataKey] = (),
    ) -> ChildResult:
        self.log.append("prover.prove")
        self.full.append(full)
        self.given.append(credentials)
        self.retry_seconds.append(retry_seconds)
        if self.verdict is not None:
            return self.verdict
        fingerprint = batch.wrapped.fingerprint

        def is_opened(key: WrappedDataKey) -> bool:
            by = self.aws.wrapped_by.get(key.fingerprint, "")
            # A replica has its primary's id, and opens what that wrapped.
            return by == batch.key_arn or "/mrk-" in by and by.rpartition("/")[2] == batch.key_arn.rpartition("/")[2]

        opens = all(is_opened(key) for _, key in batch.wrapped_keys)
        expected = dict(batch.optional)
        is_another = full and any(
            expected.get(f"{variable}_CHECK_VALUE") not in (None, self.aws.check_value(key))
            for variable, key in batch.wrapped_keys
        )
        cause = "" if opens else "InvalidCiphertext"
        if opens and is_another:
            opens, cause = False, "WrongKeyCheckValue"
        principal = APP_USER if credentials.access_key_id.startswith("AKIAMADE") else APP
        how = (Proof.ROUND_TRIP if full else Proof.DRY_RUN) if opens else None
        return ChildResult(
            proved=opens,
            principal=principal,
            fingerprint=fingerprint,
            cause=cause,
            how=how,
            key_material=MATERIAL if how is Proof.ROUND_TRIP else "",
            same=tuple(
                key.fingerprint
                for key in reading
                if full and self.aws.check_value(key) == self.aws.check_value(batch.wrapped)
            ),
            check_values={
                key.fingerprint: self.aws.check_value(key)
                for key in (*dict(batch.wrapped_keys).values(), *reading)
                if full and opens
            },
        )


@dataclass(kw_only=True)
class FakeSavedProgress(Drafts):
    """Drafts in memory."""

    kept: dict[str, Draft] = field(default_factory=dict)
    saved: list[Draft] = field(default_factory=list)
    """Every draft that was ever saved, in order."""

    def load(self, stack: str) -> Draft | None:
        return self.kept.get(stack)

    def save(self, stack: str, draft: Draft) -> None:
        self.kept[stack] = draft
        self.saved.append(draft)

    def remove(self, stack: str) -> None:
        self.kept.pop(stack, None)


@dataclass(kw_only=True)
class FakeUserInterface(Terminal):
    """A terminal with a person who has the answers ready."""

    interactive: bool = False
    own: tuple[str, str] | None = None
    answers: dict[str, list[Any]] = field(default_factory=dict)
    """What is answered to the question of that key, in turn; a question without an answer fails the test."""
    confirms: list[bool] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    marked: list[tuple[Mark | None, str]] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)
    told: list[SetupError] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The keys of the questions that were put, in order."""
        return [question.key for question in self.asked]

    def ask(self, question: Question) -> Any:
        assert self.interactive, f"{question.key} was asked, and nobody is there"
        self.log.append(f"ui.ask {question.key}")
        self.asked.append(question)
        assert self.answers.get(question.key), f"{question.key} was asked, which nobody expected"
        given = self.answers[question.key].pop(0)
        if given is Back or given is KeyboardInterrupt:
            assert question.back or given is KeyboardInterrupt, f"there is nothing before {question.key}"
            raise given
        return question.parse(given)

    def confirm(
        self, prompt: str, *, default: bool = True, why: str = "", explanation: str = "", back: bool = False
    ) -> bool:
        assert self.interactive, f"{prompt!r} was asked, and nobody is there"
        self.log.append(f"ui.confirm {prompt}")
        return self.confirms.pop(0) if self.confirms else default

    def title(self, text: str) -> None:
        self.said.append(text)

    def section(self, text: str, note: str = "") -> None:
        self.log.append(f"ui.section {text}")
        self.said.append(text)

    def line(self, text: str = "", *, mark: Mark | None = None) -> None:
        self.said.append(text)
        self.marked.append((mark, text))

    def verbatim(self, text: str) -> None:
        self.said.append(text)

    def table(self, rows: Sequence[tuple[str, ...]], *, headings: tuple[str, ...] = ()) -> None:
        self.rows += rows
        self.said += [" ".join(row) for row in rows]

    def problems(self, problems: Sequence[Problem]) -> None:
        self.said += [problem.what for problem in problems]

    def error(self, error: SetupError, *, mark: Mark = Mark.FAIL) -> None:
        self.told.append(error)
        self.said.append(error.message)

    def working(self, text: str) -> None:
        """Not kept: it is wiped by the next word."""

    def progress(self, progress: Progress, elapsed: float) -> None:
        self.said.append(f"{progress.step.name} {progress.state}")


def clients_of(aws: FakeAwsClient, engine: FakeEngine, /, **others: Any) -> Clients:
    """The clients of a run over these fakes; `others` take the place of the fakes that nobody looks at."""
    fakes: dict[str, Any] = {
        "ui": FakeUserInterface(),
        "connect": lambda profile, region: aws,
        "vercel": lambda token: FakeVercelClient(),
        "engine": lambda environment, *, secrets_provider=None: engine,
        "prover": FakeDecryptVerifier(aws=aws),
    }
    return Clients(**fakes | others)


def built(aws: FakeAwsClient, wanted: Settings, seed: str = "one", **changes: Any) -> StackState:
    """The state of a stack that was set up in full, with its data key stored; the cloud holds all of it."""
    aws.build(wanted)
    value = wrapped(seed)
    outputs = outputs_of(wanted)
    aws.wrapped_by[value.fingerprint] = outputs.key_arn
    name, store = wanted.names.stored_data_key, wanted.secret_store
    for arn in outputs.key_arns:
        regional = aws.with_region(arn.split(":")[3])
        there = regional.secrets if store is SecretStore.SECRETS_MANAGER else regional.stored_keys
        there[name] = StoredDataKey(parameter=name, wrapped=value, key_arn=arn, version=1, store=store)
    aws.existing = Existing(
        alias_target=aws.keys[outputs.key_arn],
        found={
            **({"app_role": APP} if wanted.makes_role else {}),
            **({"app_user": APP_USER} if wanted.makes_user else {}),
            "app_policy": APP_POLICY,
            "trail": TRAIL,
            "trail_bucket": "ours",
            "oidc_provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme",
        },
    )
    owned = (
        *(part for arn in outputs.key_arns for part in (arn.rpartition("/")[2], arn)),
        *(wanted.names.alias, APP, APP_USER, APP_POLICY, TRAIL, BUCKET, aws.existing.found["oidc_provider"]),
    )
    state = StackState(exists=True, has_key=True, owned=owned, outputs=outputs)
    return replace(state, **changes)


def by_hand(aws: FakeAwsClient, **changes: Any) -> DiscoveredSetup:
    """An account that somebody created manually under production's names, with rotation off; the cloud holds it."""
    key = key_fact(rotation_enabled=False, rotation_period_days=None)
    aws.keys[KEY] = key
    aws.aliases["alias/eonpro-phi-key"] = KEY
    aws.key_policies[KEY] = key_policy_of(settings())
    aws.documents[APP_POLICY] = policies.application_policy(key_arns=(KEY,))
    aws.trails = (trail_fact(),)
    aws.existing = Existing(
        alias_target=key, found={"app_role": APP, "app_policy": APP_POLICY, "trail": TRAIL, "trail_bucket": "ours"}
    )
    ids = {
        ResourceKind.KEY: (KEY_ID, KEY),
        ResourceKind.ALIAS: ("alias/eonpro-phi-key", "alias/eonpro-phi-key"),
        ResourceKind.APPLICATION_ROLE: ("eonpro-app-role", APP),
        ResourceKind.APPLICATION_POLICY: (APP_POLICY, APP_POLICY),
        ResourceKind.POLICY_ATTACHMENT: (f"eonpro-app-role/{APP_POLICY}",) * 2,
        ResourceKind.TRAIL: (TRAIL, TRAIL),
        ResourceKind.BUCKET: (BUCKET, BUCKET),
    }
    values: dict[str, Any] = {
        "things": tuple(DiscoveredResource(thing=thing, id=id_, arn=arn) for thing, (id_, arn) in ids.items()),
        "key": key,
        "key_policy": aws.key_policies[KEY],
        "role_arn": APP,
        "policy_arn": APP_POLICY,
        "policy": aws.documents[APP_POLICY],
        "trail": trail_fact(),
        "retention": aws.retention,
    }
    aws.discovered = DiscoveredSetup(**{**values, **changes})
    return aws.discovered


def replicas_of(wanted: Settings) -> tuple[str, ...]:
    """The ARNs of the replicas that these settings ask for."""
    return tuple(REPLICA.replace(REPLICA_REGION, region) for region in wanted.replica_regions)


def outputs_of(wanted: Settings) -> Outputs:
    """What the stack of these settings tells."""
    if wanted.makes_user and not wanted.makes_role:
        return USER_OUTPUTS
    if wanted.multi_region:
        return replace(MULTI_OUTPUTS, replica_key_arns=replicas_of(wanted))
    return OUTPUTS
