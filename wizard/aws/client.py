"""`Aws`: everything the wizard asks and tells AWS, as `wizard.core.ports.run.AwsClient` names it.

Hands each method to the file that knows the service; keeps the caller's identity and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property

from components.settings import SecretStore, Settings
from wizard.aws import (
    application_credentials,
    cloudtrail,
    existing_resources,
    iam,
    import_discovery,
    kms,
    permissions,
    quotas,
)
from wizard.aws import s3 as state_buckets
from wizard.aws.access import AwsAccessReader
from wizard.aws.access_diagnostics import AwsAccessDiagnostics
from wizard.aws.audit import AwsAuditReader
from wizard.aws.auth.http import patiently
from wizard.aws.auth.session import Session
from wizard.aws.auth.sign_in import AskCode
from wizard.aws.data_keys import stored
from wizard.aws.data_keys.parameter_store import ParameterStore
from wizard.aws.data_keys.secrets_manager import SecretsManager
from wizard.aws.ecs import Ecs
from wizard.aws.key_rotation import AwsKeyRotation
from wizard.aws.s3 import S3BackupStorage
from wizard.aws.usage_metrics import CloudWatchUsage
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.account import (
    DiscoveredSetup,
    Existing,
    Identity,
    KeyFact,
    Principal,
    RegionFact,
    Retention,
    TrailFact,
)
from wizard.core.models.delivery import (
    AccessKey,
    AccessKeyFact,
    AppVariables,
    CredentialsSearch,
    Delivered,
    Simulation,
    StoredDataKey,
)
from wizard.core.models.discovery import PermissionsFact, ProfileFact, QuotaFact


class Aws:
    """AWS with one set of credentials in one Region: a `wizard.core.ports.run.AwsClient`, which says what is raised."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.region = session.region

    def __repr__(self) -> str:
        return f"Aws(region={self.region!r}, source={self.source!r})"

    @property
    def source(self) -> str:
        """Where the credentials came from, in words."""
        return self._session.source

    @property
    def profile(self) -> str | None:
        """The profile in use; None for the environment's credentials and for the default chain."""
        return self._session.resolved.profile

    @property
    def region_source(self) -> str | None:
        """What named the Region; None when nothing did and `us-east-1` stands in until one is chosen."""
        return self._session.resolved.region_source

    @property
    def endpoint(self) -> str | None:
        """What AWS_ENDPOINT_URL names; None for AWS itself."""
        return self._session.endpoint("kms")

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Settings that contradict each other, and which of them is used, in words."""
        return self._session.resolved.disagreements

    @property
    def has_environment_credentials(self) -> bool:
        """Whether the environment holds an access key and its secret, used or not."""
        return self._session.environment_keys("AWS_") is not None

    def profiles(self) -> tuple[ProfileFact, ...]:
        """The profiles of the AWS configuration files, and how each comes by its credentials."""
        return self._session.profiles()

    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to be the same caller; it holds secrets.

        For a role, a sign-in or a credential process these are the session's keys: the child neither asks nor signs in.
        """
        return self._session.environment()

    def with_region(self, region: str) -> Aws:
        """The same caller in another Region."""
        moved = Aws(self._session.with_region(region))
        if "_identity" in self.__dict__:
            moved.__dict__["_identity"] = self._identity
        return moved

    @cached_property
    def _identity(self) -> Identity:
        return iam.identify(self._session)

    def identify(self) -> Identity:
        """Who the caller is; asked once."""
        return self._identity

    def list_regions(self) -> tuple[RegionFact, ...]:
        """The Regions, by name, and whether the account may use each."""
        return iam.list_regions(self._session)

    def list_principals(self) -> tuple[Principal, ...]:
        """The account's users and roles but the service-linked ones."""
        return iam.list_principals(self._session)

    def find_principal(self, arn: str) -> Principal | None:
        """The user, role or root of that very ARN; None when this account has none."""
        return iam.find_principal(self._session, arn, caller=self.identify())

    def find_existing(self, settings: Settings) -> Existing:
        """What is there already under the names that the stack would take."""
        return existing_resources.find_existing(self._session, settings)

    def list_trails(self) -> tuple[TrailFact, ...]:
        """Every trail that records this Region."""
        return cloudtrail.list_trails(self._session)

    def find_trail(self, arn: str) -> TrailFact | None:
        """The trail with this ARN, in any Region; None when it does not exist."""
        return cloudtrail.find_trail_by_arn(self._session, arn)

    def describe_key(self, key: str) -> KeyFact | None:
        """A key by id, ARN or alias; None when there is none."""
        return kms.describe_key(self._session, key)

    def key_policy(self, key_arn: str) -> Mapping[str, object]:
        """The key's policy document."""
        return kms.key_policy(self._session, key_arn)

    def policy_document(self, policy_arn: str) -> Mapping[str, object]:
        """The default version of a managed IAM policy."""
        return permissions.policy_document(self._session, policy_arn)

    def find_keys(self, tags: Mapping[str, str]) -> tuple[KeyFact, ...]:
        """The customer managed keys that carry all these tags."""
        return kms.find_keys(self._session, tags)

    def bucket_retention(self, bucket: str) -> Retention | None:
        """How long the account's bucket keeps its objects; None when it has no such bucket."""
        return cloudtrail.bucket_retention(self._session, bucket, self.identify().account_id)

    def discover_setup(self, settings: Settings) -> DiscoveredSetup:
        """What somebody set up by hand under the names that the stack would take."""
        return import_discovery.discover_setup(self._session, settings)

    def _store(self, store: SecretStore) -> stored.Store:
        if store is SecretStore.SECRETS_MANAGER:
            return SecretsManager(self._session)
        return ParameterStore(self._session)

    def read_stored_data_key(
        self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> StoredDataKey | None:
        """The wrapped data key under that name. Raises DataKeyConflict when there is anything else."""
        return stored.read_stored_data_key(self._store(store), name)

    def variable_exists(self, name: str, *, store: SecretStore = SecretStore.PARAMETER_STORE) -> bool:
        """Whether there is a parameter or secret of that name."""
        return name in self._store(store).read([name])

    def make_data_key(self, key_arn: str) -> WrappedDataKey:
        """A new data key, wrapped; its plaintext never leaves KMS."""
        return kms.make_data_key(self._session, key_arn)

    def store_data_key(
        self,
        name: str,
        wrapped: WrappedDataKey,
        *,
        key_arn: str,
        tags: Mapping[str, str],
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> bool:
        """Create-only. False when the name was taken already; what is there is then untouched."""
        return stored.store_data_key(self._store(store), name, wrapped, key_arn=key_arn, tags=tags)

    def deliver_parameters(
        self,
        prefix: str,
        batch: AppVariables,
        *,
        tags: Mapping[str, str],
        target: str = "ecs",
        store: SecretStore = SecretStore.PARAMETER_STORE,
    ) -> Delivered:
        """The other two variables beside the escrow; all three read back and compared.

        Throttling and a network that fails are outlasted for a minute: it goes on with what is not there yet.
        """
        there, begun = self._store(store), set[str]()
        return patiently(
            lambda: stored.deliver(there, prefix, batch, tags=tags, target=target, begun=begun),
            pause=self._session.pause,
        )

    def check_parameters(
        self, prefix: str, batch: AppVariables, *, store: SecretStore = SecretStore.PARAMETER_STORE
    ) -> bool:
        """Whether the parameters or secrets under the prefix are the batch."""
        return stored.check(self._store(store), prefix, batch)

    def list_access_keys(self, user: str) -> tuple[AccessKeyFact, ...]:
        """The user's access keys, the oldest first; none where there is no such user."""
        return iam.list_access_keys(self._session, user)

    def make_access_key(self, user: str) -> AccessKey:
        """A new access key of the user, with its secret, which nobody can have again."""
        return iam.make_access_key(self._session, user)

    def retire_access_key(self, user: str, key_id: str) -> None:
        """Switch the access key off; it can be switched on again."""
        iam.retire_access_key(self._session, user, key_id)

    def delete_access_key(self, user: str, key_id: str) -> None:
        """Delete an access key that is switched off. Raises UsageError for an active one."""
        iam.delete_access_key(self._session, user, key_id)

    def app_credentials(self, principal_arn: str, *, container_first: bool = False) -> CredentialsSearch:
        """Credentials of that very principal, where they can be had."""
        return application_credentials.search(self._session, principal_arn, container_first=container_first)

    def simulate(self, principal_arn: str, actions: Sequence[str], resource: str) -> Simulation:
        """What IAM's policy simulator says."""
        return permissions.simulate(self._session, principal_arn, actions, resource)

    def access(self) -> AwsAccessReader:
        """Who may use the key, and who did."""
        return AwsAccessReader(self._session)

    def backup_storage(self) -> S3BackupStorage:
        """The account's buckets, as a backup needs them."""
        return S3BackupStorage(self._session, self.identify().account_id)

    def usage(self) -> CloudWatchUsage:
        """What was used in this Region, as AWS counts it."""
        return CloudWatchUsage(self._session)

    def key_rotation(self) -> AwsKeyRotation:
        """The keys of this Region with their rotations, and every kept version of the data key."""
        return AwsKeyRotation(self._session)

    def access_diagnostics(self) -> AwsAccessDiagnostics:
        """What keeps the application from its key, in this Region."""
        return AwsAccessDiagnostics(self._session)

    def check_permissions(self, settings: Settings) -> PermissionsFact:
        """What the caller may do of the set-up, and how that is known."""
        return permissions.check_permissions(self._session, settings, caller=self.identify())

    def check_quotas(self, settings: Settings) -> tuple[QuotaFact, ...]:
        """The account's limits that the set-up takes a share of, where they can be asked for."""
        return quotas.check_quotas(self._session, settings, caller=self.identify())

    def clock_skew(self) -> float | None:
        """Seconds that this machine's clock is ahead of AWS's, as it was told who the caller is; None before that."""
        return self._session.skew

    def ecs_services(self) -> Ecs:
        """The services of ECS in this Region, for the redeploy."""
        return Ecs(self._session)

    def audit(self) -> AwsAuditReader:
        """The audit of this Region."""
        return AwsAuditReader(self._session, self.identify().account_id)

    def make_state_bucket(self, bucket: str) -> bool:
        """The bucket for Pulumi's state, made or completed. False when it was there already."""
        return state_buckets.make_state_bucket(self._session, bucket, self.identify().account_id)


def connect(
    *,
    profile: str | None = None,
    region: str | None = None,
    environ: Mapping[str, str] | None = None,
    ask_code: AskCode | None = None,
) -> Aws:
    """AWS with credentials and Region resolved once; calls nothing yet.

    `ask_code` gets the serial number of an MFA device and returns the code that it shows. It is asked before the first
    call of a profile that takes one, once; where there is none such a profile is refused, unless the AWS CLI has a
    session of it.

    Raises CredentialsError for a profile that does not exist or files that cannot be read.
    """
    given = os.environ if environ is None else environ
    return Aws(Session.open(profile=profile, region=region, environ=given, ask_code=ask_code))
