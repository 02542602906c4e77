"""The services of AWS as the steps use them: one Protocol for each, implemented in `wizard/aws`.

Pure. Methods raise errors of `wizard.core.errors` only, above all those that `wizard.core.ports.run.AwsClient` names.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from components.policies.evaluation.account import AccountIam, GrantFact, IamPrincipal
from components.policies.stack import StackPolicy
from components.settings import SecretStore, Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.models import access, account, delivery
from wizard.core.models.account import PermissionsFact, QuotaFact
from wizard.core.models.deployment import Rollout, Service, ServiceDeployment, TaskDefinition
from wizard.core.models.rotation import BucketLock, DataKeyVersion, KeyRotations, StoredKey, StoredObject, VersionOrigin
from wizard.core.models.s3_documents import DocumentBucket, ObjectSample, ObjectState, ObjectVersion
from wizard.core.models.trail import AlertsFact, BucketDocuments, KeyCalls, LogValidation
from wizard.core.variable_ownership import ForeignVariable, OwnValues


class KmsKeys(Protocol):
    """The KMS keys of one Region (`wizard/aws/kms.py`). No method returns a data key's plaintext."""

    def describe_key(self, key: str) -> account.KeyFact | None:
        """A key by id, ARN or alias; None when there is none."""

    def key_policy(self, key_arn: str) -> Mapping[str, object]: ...

    def aliases_of(self, key_arn: str) -> tuple[str, ...]:
        """The names of the key's aliases: `alias/…`."""

    def find_keys(self, tags: Mapping[str, str]) -> tuple[account.KeyFact, ...]:
        """The customer managed keys that carry all these tags."""

    def make_data_key(self, key_arn: str) -> WrappedDataKey:
        """GenerateDataKeyWithoutPlaintext, AES_256, no encryption context."""


class AwsRequests(Protocol):
    """Requests to a service that only one target or judgement asks. Raises errors of `wizard.core.errors` only."""

    def call(self, service: str, operation: str, /, **parameters: Any) -> Any: ...
    def find(self, service: str, operation: str, /, *, absent: Collection[str], **parameters: Any) -> Any | None:
        """The answer; None where the service answers with one of the codes in `absent`."""

    def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> Iterator[Any]:
        """The entries under `key` on all pages of a listing."""


class StoredDataKeys(Protocol):
    """The stored data key of one Region, in Parameter Store or Secrets Manager (`wizard/aws/data_keys`)."""

    def read_stored_data_key(
        self,
        name: str,
        *,
        store: SecretStore = SecretStore.PARAMETER_STORE,
        known: delivery.StoredDataKey | None = None,
    ) -> delivery.StoredDataKey | None:
        """The wrapped data key under that name; of one that is `known`, by value and version, no tags are read."""

    def variable_exists(self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE) -> bool:
        """Whether there is a parameter or secret of that name."""

    def claim(self, name: str, owner: str, *, tags: Mapping[str, str]) -> str:
        """The owner of a claim: `owner` where it was free or is its own, else who was first. Create-only."""

    def record(self, name: str, text: str, *, tags: Mapping[str, str]) -> None:
        """Write a parameter that holds no data key; an earlier value is replaced."""

    def store_data_key(
        self,
        name: str,
        wrapped: WrappedDataKey,
        *,
        key_arn: str,
        tags: Mapping[str, str],
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> bool:
        """Create-only. False when the parameter or secret exists already; it is then unchanged."""

    def deliver_parameters(
        self,
        prefix: str,
        batch: delivery.AppVariables,
        *,
        tags: Mapping[str, str],
        target: str = "ecs",
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> delivery.Delivered:
        """The other two variables next to the stored data key; read back and compared."""

    def foreign_parameters(
        self, prefix: str, own: OwnValues, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> tuple[ForeignVariable, ...]:
        """The parameters, except the data key, that `deliver_parameters` would replace although they are not the
        stack's.

        Reads only.
        """

    def check_parameters(
        self, prefix: str, batch: delivery.AppVariables, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> bool:
        """Whether the parameters or secrets under the prefix hold the batch's values, read with decryption."""


class Iam(Protocol):
    """The users, roles and policies of the account (`wizard/aws/iam.py`)."""

    def list_principals(self) -> tuple[account.Principal, ...]:
        """Users and roles that could be administrators: no service-linked roles."""

    def find_principal(self, arn: str) -> account.Principal | None: ...

    def policy_document(self, policy_arn: str) -> Mapping[str, object] | None:
        """The default version of a managed IAM policy; None where there is no such policy."""

    def list_access_keys(self, user: str) -> tuple[delivery.AccessKeyFact, ...]:
        """The access keys of the user of that name, the oldest first; none where there is no such user."""

    def make_access_key(self, user: str) -> delivery.AccessKey:
        """A new, active access key; sent once. Raises OutcomeUnknown when the answer with its secret was lost."""

    def retire_access_key(self, user: str, key_id: str) -> None:
        """Switch the access key off; it can be switched on again."""

    def delete_access_key(self, user: str, key_id: str) -> None: ...


class Permissions(Protocol):
    """Reads the permissions of a principal (`wizard/aws/permissions.py`)."""

    def simulate(
        self, principal_arn: str, actions: Sequence[str], key_arn: str, *, tags: Mapping[str, str] | None = None
    ) -> access.Simulation:
        """What IAM decides on these actions of a principal on a KMS key, as direct calls without encryption context.

        Key policies are not considered. `tags`: of a key that does not exist yet. Raises the errors of `AccessReader`.
        """

    def check_permissions(self, settings: Settings, *, only: Collection[str] = ()) -> PermissionsFact:
        """The actions of the set-up that the caller lacks: by IAM's simulator, and by dry runs where KMS has them.

        `only`: those of these that it lacks; none: of all.
        """

    def check_replacement(self, settings: Settings) -> PermissionsFact:
        """The actions on the stored keys that the caller lacks to replace one, by IAM's simulator."""


class PolicyAnalyzer(Protocol):
    """IAM Access Analyzer (`wizard/aws/permissions.py`)."""

    def judge(self, planned: Sequence[StackPolicy], before: Sequence[StackPolicy]) -> access.PolicyJudgement:
        """Whether the policies are valid, public, or allow more than those of the same name before. Raises nothing."""


class ApplicationCredentials(Protocol):
    """Credentials of the application (`wizard/aws/application_credentials.py`)."""

    @property
    def are_configured(self) -> bool:
        """Whether the environment names a source of them."""

    def app_credentials(self, principal_arn: str, *, container_first: bool = False) -> delivery.CredentialsSearch:
        """Credentials of the application's principal, from any source that has them.

        With `container_first` a container's endpoint is asked before a web identity token.
        """


class CloudTrail(Protocol):
    """Trails and their buckets (`wizard/aws/trail.py`)."""

    def list_trails(self) -> tuple[account.TrailFact, ...]:
        """Every trail that records this Region."""

    def find_trail(self, arn: str) -> account.TrailFact | None:
        """The trail with this ARN, in any Region; None when it does not exist."""

    def bucket_retention(self, bucket: str) -> account.Retention | None: ...


class ExistingResources(Protocol):
    """Finds the account's resources under the stack's names (`wizard/aws/existing_resources.py`)."""

    def find_existing(self, settings: Settings) -> account.Existing: ...


class UnrecordedResources(Protocol):
    """Finds resources that the stack made and its state lacks (`wizard/aws/unrecorded.py`)."""

    def find_unrecorded(self, settings: Settings, state: delivery.StackState) -> tuple[account.UnrecordedResource, ...]:
        """The resources under the stack's names with the stack's marks that are not in this state."""


class ImportDiscovery(Protocol):
    """Finds resources that the stack can import (`wizard/aws/import_discovery.py`)."""

    def discover_setup(self, settings: Settings) -> account.DiscoveredSetup:
        """The resources under the stack's names, with the facts for a comparison and an import."""


class ServiceQuotas(Protocol):
    """The account's limits (`wizard/aws/permissions.py`)."""

    def check_quotas(self, settings: Settings) -> tuple[QuotaFact, ...]:
        """The account's quotas that the set-up needs a part of, without those that cannot be read."""


class StateStorage(Protocol):
    """Buckets for Pulumi's state (`wizard/aws/s3.py`)."""

    def make_state_bucket(self, bucket: str, application: str) -> bool:
        """A bucket for Pulumi's state: private, versioned, encrypted, TLS only. False when it existed already.

        The settings of an existing bucket of the account are corrected. Raises SetupError for another account's name.
        """


class KeyRotation(Protocol):
    """The KMS keys and the versions of the data key of one Region (`wizard/aws/kms.py`).

    Methods raise errors of `wizard.core.errors` only. None of them returns, or asks KMS for, a data key's plaintext.
    """

    def rotations(self, key_arn: str) -> KeyRotations:
        """The past and future rotations of a key; a denied value is None."""

    def schedule(self, key_arn: str) -> KeyRotations:
        """The period and the next rotation alone, which need no permission for the past ones."""

    def rotate_on_demand(self, key_arn: str, *, before: KeyRotations) -> None:
        """RotateKeyOnDemand, sent once: new key material; data keys that the old one wrapped can still be decrypted.

        `before` was read a moment ago. Raises OutcomeUnknown when the answer was lost and no new rotation shows.
        """

    def reencrypt(self, wrapped: WrappedDataKey, *, source: str, destination: str) -> WrappedDataKey:
        """ReEncrypt, inside KMS and without an encryption context: the same data key under another key.

        Raises PermissionDenied without kms:ReEncryptFrom or kms:ReEncryptTo, DataKeyConflict when the source cannot
        decrypt it.
        """

    def versions(self, settings: Settings, /) -> tuple[DataKeyVersion, ...]:
        """Every version, the oldest first, and the stored data key where it has no entry yet."""

    def fingerprints(self, settings: Settings, /) -> Mapping[str, bool]:
        """Every version, and whether it has an entry; in the time of one request."""

    def altered(self, settings: Settings, /, *, known: Collection[str] = ()) -> tuple[str, ...]:
        """The names of entries whose value somebody replaced; they no longer count as versions.

        `known`: the fingerprints of versions whose entries are among them where they do not exist.
        """

    def version(self, settings: Settings, /, fingerprint: str) -> DataKeyVersion | None:
        """The version with that fingerprint, read by its name; None where there is none."""

    def keep(
        self,
        settings: Settings,
        /,
        wrapped: WrappedDataKey,
        *,
        key_arn: str | None,
        origin: VersionOrigin,
        at: datetime,
        same_as: str | None = None,
        was_current: bool = False,
        repairs: bool = False,
    ) -> DataKeyVersion:
        """Create an entry for a version and read it back; the value of an existing entry stays.

        `was_current`: it was the stored data key, and is no longer. `repairs`: an entry with another value than its
        name says gets the right one again.
        Raises DataKeyConflict when its name holds anything else.
        """

    def record_check_value(self, settings: Settings, /, wrapped: WrappedDataKey) -> None:
        """Record the key check value of a version with its entry, and with the stored key where it holds this version.

        Raises DataKeyConflict where another one is recorded.
        """

    def reserve_new(
        self, settings: Settings, /, wrapped: WrappedDataKey, *, key_arn: str, at: datetime
    ) -> WrappedDataKey:
        """Reserve the one place for a data key that is not in use yet. Returns the key in that place."""

    def stored_key(self, settings: Settings, /) -> StoredKey:
        """The current stored value, well formed or not."""

    def replace_current(
        self, settings: Settings, version: DataKeyVersion, *, key_arn: str, expected: StoredKey
    ) -> None:
        """Write the version into the store, in place of `expected`; `key_arn` is its key in this Region.

        Raises DataKeyConflict, and changes nothing, unless both have entries and the stored value is still `expected`.
        """


class Wrapper(Protocol):
    """The child process (`wizard/data_key/verification.py`) that reads an ENCRYPTION_KEY: only it sees plaintext."""

    def wrap(self, environment: Mapping[str, str], *, key_arn: str, prompt: bool) -> WrappedDataKey:
        """The wrapped key, with its key check value; with `prompt` the child process asks at the terminal, masked, else
        it reads standard input.

        `environment` has the operator's credentials. Raises UsageError unless the key is 64 hex digits,
        PermissionDenied without kms:Encrypt.
        """


class AccessReader(Protocol):
    """Reads the access to the key and its uses, in one Region; IAM is global.

    Every method raises `PermissionDenied` where the caller is not allowed to read, `Unsupported` where the endpoint
    lacks the operation, and the other errors of `wizard.core.ports.run.AwsClient`.
    """

    def grants(self, key_arn: str) -> tuple[GrantFact, ...]:
        """Every grant on the key, all pages."""

    def iam(self) -> AccountIam:
        """Every user and role with all their policies, all pages.

        A policy whose document cannot be read is listed without it.
        """

    def assigned_people(self, role: str) -> tuple[str, ...]:
        """The assignments of a role in AWS account access: users and groups of IAM Identity Center, in words.

        Raises `Unsupported` too where this account and Region see no application of AWS account access.
        """

    def access_keys(self, user: str, *, now: datetime) -> tuple[access.AccessKeyAge, ...]:
        """The access keys of the user of that name, the oldest first."""

    def sign_in(self, arn: str, *, now: datetime) -> access.SignIn:
        """MFA, password and access keys of a user of the account, or of its root user."""

    def last_use(self, key_arn: str) -> access.KeyUse:
        """When the key was last used, by anybody."""

    def events(self, key_arn: str, *, since: datetime) -> tuple[access.History, tuple[access.KeyEvents, ...]]:
        """The calls on the key since then, by principal; at most a fixed number of pages."""


class AuditReader(Protocol):
    """The audit of one Region (`wizard/aws/trail.py`). Reads only; raises errors of `wizard.core.errors` only."""

    def selectors(self, arn: str) -> Mapping[str, Any]:
        """The trail's selectors as CloudTrail returns them: `EventSelectors`, `AdvancedEventSelectors`."""

    def bucket_documents(self, bucket: str) -> BucketDocuments: ...

    def validate_logs(
        self, trail: account.TrailFact, region: str, *, since: datetime, until: datetime, most: int | None
    ) -> LogValidation:
        """Whether the trail's logs of a Region are as CloudTrail signed them; of `most` log files, or of all (None).

        Raises PermissionDenied where the digests cannot be read.
        """

    def alerts(self, settings: Settings) -> AlertsFact:
        """The alerts' topics and rules, under the stack's names, the rules of other Regions too."""

    def key_calls(self, key_arn: str, *, since: datetime) -> KeyCalls:
        """The Decrypt calls on the key since then, refused ones too, without those of this product's verifications.

        CloudTrail lists a call after some minutes.
        """


class BackupStorage(Protocol):
    """S3 for backups (`wizard/aws/s3.py`). Methods raise errors of `wizard.core.errors` only."""

    def lock_of(self, bucket: str) -> BucketLock | None:
        """The bucket's Object Lock; None where it has none.

        Raises ResourceError where the account has no such bucket, in any Region.
        """

    def create(self, bucket: str, key: str, body: bytes, *, until: datetime | None) -> bool:
        """Create the object; False, and nothing written, where one of that name exists.

        `until`: the end of its lock in GOVERNANCE mode; None leaves the lock to the bucket.
        """

    def read(self, bucket: str, key: str) -> StoredObject | None:
        """The object's newest version with its lock; None where the account has no such object or bucket."""


class EcsServices(Protocol):
    """The services of ECS in one Region. Its methods raise errors of `wizard.core.errors` only."""

    def names(self) -> tuple[str, ...]:
        """Every service of the Region, as CLUSTER/SERVICE."""

    def services(self, cluster: str) -> tuple[Service, ...]:
        """All active services of a cluster. Raises ResourceError where there is no such cluster."""

    def service(self, cluster: str, name: str) -> Service | None:
        """The active service; None without one of that name."""

    def task_definition(self, name: str) -> TaskDefinition | None:
        """A revision by its ARN, or the newest active one of a family; None when there is none."""

    def register(self, body: Mapping[str, Any]) -> TaskDefinition:
        """Register a new revision. Earlier revisions stay."""

    def update(self, service: Service, task_definition: str, *, force: bool) -> Rollout:
        """Have the service run that revision, and change nothing else. Returns the newest deployment afterwards.

        `force`: a new deployment even where the service runs that revision, so that its tasks read their values again.
        """

    def deployment(self, service: Service) -> ServiceDeployment | None:
        """The progress of a service's current deployment; None where ECS names none, does not know it, or the caller is
        not allowed to see it.
        """

    def stopped(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        """Why tasks of that deployment stopped, in ECS's words; empty where the caller is not allowed to see it."""

    def changed_at(self, names: Sequence[str], *, store: SecretStore = SecretStore.PARAMETER_STORE) -> datetime | None:
        """When the value of any of those parameters or secrets was last written, UTC; None where there is none."""


class AccessDiagnostics(Protocol):
    """Reads obstacles to the application's use of its key, in one Region. Raises the errors of `AccessReader`."""

    def principal(self, arn: str) -> IamPrincipal | None:
        """A user or role with its policies, boundary and trust; None without one of that ARN."""

    def audiences(self, arn: str) -> tuple[str, ...] | None:
        """An OIDC provider; None without one of that ARN."""

    def policy_versions(self, policy_arn: str) -> Mapping[str, Mapping[str, object]] | None:
        """The documents of a managed policy by their versions, the default one first; None where it does not exist."""

    def read_values(self, names: Sequence[str], store: SecretStore) -> Mapping[str, str]:
        """The value of each name that exists in the store, well formed or not."""

    def history(self, name: str, store: SecretStore) -> tuple[access.FormerText, ...]:
        """Every stored version of the value, the oldest first."""


class S3Documents(Protocol):
    """The application's buckets of documents (`wizard/aws/s3_documents.py`). No content of an object is read."""

    def bucket(self, name: str) -> DocumentBucket | None:
        """How a bucket is set up; None where the account has none of that name."""

    def sample(self, bucket: DocumentBucket, *, most: int) -> ObjectSample:
        """Under which key at most so many of its objects are."""

    def versions(self, bucket: DocumentBucket, *, every: bool, prefix: str = "") -> Iterator[tuple[ObjectVersion, ...]]:
        """The bucket's objects, page by page: every version, or the current ones."""

    def state(self, bucket: DocumentBucket, version: ObjectVersion) -> ObjectState | None:
        """How an object is encrypted and locked; None for one that is gone."""

    def encrypt(self, bucket: DocumentBucket, version: ObjectVersion, key_arn: str) -> str | None:
        """Encrypt an object under this key, in place. None: done; else why S3 refuses it."""
