"""`Aws`: the session's facts, and one attribute for each service, as `wizard.core.ports.run.AwsClient` names them.

Calls STS, IAM, Account Management and EC2 itself, for the caller and the Regions; the attributes call the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from wizard.aws import iam
from wizard.aws.auth.session import Session
from wizard.aws.auth.sign_in import AskCode
from wizard.core import retry
from wizard.core.models.account import Identity, RegionFact
from wizard.core.retry import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from wizard.aws.access import AwsAccessReader
    from wizard.aws.access_diagnostics import AwsAccessDiagnostics
    from wizard.aws.application_credentials import ApplicationCredentials
    from wizard.aws.data_keys.stored import StoredDataKeys
    from wizard.aws.ecs import Ecs
    from wizard.aws.existing_resources import ExistingResources
    from wizard.aws.import_discovery import ImportDiscovery
    from wizard.aws.key_rotation import AwsKeyRotation
    from wizard.aws.kms import KmsKeys
    from wizard.aws.permissions import Permissions, PolicyAnalyzer, ServiceQuotas
    from wizard.aws.s3 import S3BackupStorage, StateStorage
    from wizard.aws.trail import AwsAuditReader, CloudTrail
    from wizard.aws.unrecorded import UnrecordedResources
    from wizard.aws.usage_metrics import CloudWatchUsage
    from wizard.core.models.account import ProfileFact

LOADERS: Mapping[str, Callable[[], Any]] = {
    "kms": lambda: import_module("wizard.aws.kms").KmsKeys,
    "iam": lambda: import_module("wizard.aws.iam").Iam,
    "permissions": lambda: import_module("wizard.aws.permissions").Permissions,
    "policy_analyzer": lambda: import_module("wizard.aws.permissions").PolicyAnalyzer,
    "application_credentials": lambda: import_module("wizard.aws.application_credentials").ApplicationCredentials,
    "cloudtrail": lambda: import_module("wizard.aws.trail").CloudTrail,
    "stored_data_keys": lambda: import_module("wizard.aws.data_keys.stored").StoredDataKeys,
    "key_rotation": lambda: import_module("wizard.aws.key_rotation").AwsKeyRotation,
    "existing_resources": lambda: import_module("wizard.aws.existing_resources").ExistingResources,
    "unrecorded_resources": lambda: import_module("wizard.aws.unrecorded").UnrecordedResources,
    "import_discovery": lambda: import_module("wizard.aws.import_discovery").ImportDiscovery,
    "service_quotas": lambda: import_module("wizard.aws.permissions").ServiceQuotas,
    "state_storage": lambda: import_module("wizard.aws.s3").StateStorage,
    "backup_storage": lambda: import_module("wizard.aws.s3").S3BackupStorage,
    "ecs_services": lambda: import_module("wizard.aws.ecs").Ecs,
    "access": lambda: import_module("wizard.aws.access").AwsAccessReader,
    "access_diagnostics": lambda: import_module("wizard.aws.access_diagnostics").AwsAccessDiagnostics,
    "audit": lambda: import_module("wizard.aws.trail").AwsAuditReader,
    "usage_metrics": lambda: import_module("wizard.aws.usage_metrics").CloudWatchUsage,
}
"""The class of each attribute of `Aws` for a service, imported with its first use: a command uses a few."""


class Aws:
    """AWS with one set of credentials in one Region: a `wizard.core.ports.run.AwsClient`; the port lists the errors."""

    kms: KmsKeys
    iam: iam.Iam
    permissions: Permissions
    policy_analyzer: PolicyAnalyzer
    application_credentials: ApplicationCredentials
    cloudtrail: CloudTrail
    stored_data_keys: StoredDataKeys
    key_rotation: AwsKeyRotation
    existing_resources: ExistingResources
    unrecorded_resources: UnrecordedResources
    import_discovery: ImportDiscovery
    service_quotas: ServiceQuotas
    state_storage: StateStorage
    backup_storage: S3BackupStorage
    ecs_services: Ecs
    access: AwsAccessReader
    access_diagnostics: AwsAccessDiagnostics
    audit: AwsAuditReader
    usage_metrics: CloudWatchUsage

    def __init__(self, session: Session) -> None:
        self._session = session
        self.region = session.region

    def __getattr__(self, name: str) -> Any:
        if name not in LOADERS:
            raise AttributeError(name)
        calls = LOADERS[name]()(self._session)
        setattr(self, name, calls)
        return calls

    def __repr__(self) -> str:
        return f"Aws(region={self.region!r}, source={self.source!r})"

    @property
    def source(self) -> str:
        """The source of the credentials, in words."""
        return self._session.source

    @property
    def profile(self) -> str | None:
        """The profile in use; None for the environment's credentials and for the default chain."""
        return self._session.resolved.profile

    @property
    def region_source(self) -> str | None:
        """The source of the Region; None without one: `us-east-1` is used until one is chosen."""
        return self._session.resolved.region_source

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
        """The environment with which a child process is the same caller; it has secrets.

        For a role, a sign-in or a credential process these are the session's keys: the child does not sign in again.
        """
        return self._session.environment()

    def with_region(self, region: str) -> Aws:
        """The same caller in another Region."""
        return Aws(self._session.with_region(region))

    def writing(self) -> Aws:
        """The same, where AWS does not keep the credentials to reading."""
        return Aws(self._session.writing())

    def asking_once(self) -> Aws:
        """A client of the same caller that sends each reading request once and remembers the answer."""
        return Aws(self._session.asking_once())

    def account_id(self) -> str:
        """The caller's account; asked once, and before anything else."""
        return iam.account_of(self._session)

    def ask_ahead(self, services: Sequence[str]) -> None:
        """Begin to ask for the account, and to make the clients of the services that are asked next, in threads.

        Not where a person is asked for a code first. An answer's error is left to whoever asks for the account. Raises
        CredentialsError where there are no credentials.
        """
        if self._session.can_ask_for_code:
            return
        # Made here: in a thread it would share the processor with what is loaded next.
        self._session.client("sts")
        retry.ahead(
            self.account_id,
            lambda: [self.kms, self.stored_data_keys, *map(self._session.client, services)],
        )

    def identify(self) -> Identity:
        """The caller's identity; read once."""
        return iam.identify(self._session)

    def caller(self) -> Identity:
        """The same without the account's alias."""
        return iam.caller(self._session)

    def list_regions(self) -> tuple[RegionFact, ...]:
        """The Regions, by name, and whether the account may use each."""
        return iam.list_regions(self._session)

    def clock_skew(self) -> float | None:
        """Seconds that this machine's clock is ahead of AWS's, measured by `identify`; None before that."""
        return self._session.skew


def connect(
    *,
    profile: str | None = None,
    region: str | None = None,
    environ: Mapping[str, str] | None = None,
    ask_code: AskCode | None = None,
    clock: Clock = SYSTEM_CLOCK,
    asks_once: bool = False,
    reads_only: bool = False,
) -> Aws:
    """AWS with credentials and Region resolved once; calls nothing yet.

    `ask_code` gets the serial number of an MFA device and returns the code that it shows. It is called once, before the
    first call with a profile that needs a code. Without it such a profile is refused, unless the AWS CLI has cached a
    session for it. `asks_once`, `reads_only`: as `Session.open` says.

    Raises CredentialsError for a profile that does not exist or files that cannot be read.
    """
    environ = os.environ if environ is None else environ
    return Aws(
        Session.open(
            profile=profile,
            region=region,
            environ=environ,
            ask_code=ask_code,
            clock=clock,
            asks_once=asks_once,
            reads_only=reads_only,
        )
    )
