"""AWS over botocore: the session's facts, and one attribute for each service.

It calls STS, IAM, Account Management and EC2 itself, for the caller and the Regions. Touches AWS (or what
AWS_ENDPOINT_URL names), and the AWS configuration files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from wizard.aws import iam
from wizard.aws.access import AccessReader
from wizard.aws.access_diagnostics import AccessDiagnostics
from wizard.aws.application_credentials import ApplicationCredentials
from wizard.aws.audit import AuditReader
from wizard.aws.auth.session import Session
from wizard.aws.auth.sign_in import AskCode
from wizard.aws.data_keys.stored import StoredDataKeys
from wizard.aws.ecs import EcsServices
from wizard.aws.existing_resources import ExistingResources
from wizard.aws.import_discovery import ImportDiscovery
from wizard.aws.kms import KeyRotation, KmsKeys
from wizard.aws.permissions import Permissions, PolicyAnalyzer, ServiceQuotas
from wizard.aws.s3 import BackupStorage, StateStorage
from wizard.aws.s3_documents import S3Documents
from wizard.aws.trail import CloudTrail
from wizard.aws.unrecorded import UnrecordedResources
from wizard.core.models.account import Identity, ProfileFact, RegionFact
from wizard.core.retry import SYSTEM_CLOCK, Clock


class AwsClient:
    """AWS with one set of credentials in one Region: facts of the session, and the services.

    Methods, and those of the services, raise errors of `wizard.core.errors` only: `Unreachable` when the endpoint does
    not answer, `CredentialsError` for missing, expired or wrong credentials, `PermissionDenied` when the caller is not
    allowed, `Unsupported` when the endpoint lacks the operation.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.region = session.region
        self.kms = KmsKeys(session)
        self.iam = iam.Iam(session)
        self.permissions = Permissions(session)
        self.policy_analyzer = PolicyAnalyzer(session)
        self.application_credentials = ApplicationCredentials(session)
        self.cloudtrail = CloudTrail(session)
        self.stored_data_keys = StoredDataKeys(session)
        self.key_rotation = KeyRotation(session)
        self.existing_resources = ExistingResources(session)
        self.unrecorded_resources = UnrecordedResources(session)
        self.import_discovery = ImportDiscovery(session)
        self.service_quotas = ServiceQuotas(session)
        self.state_storage = StateStorage(session)
        self.backup_storage = BackupStorage(session)
        self.s3_documents = S3Documents(session)
        self.requests = session
        self.ecs_services = EcsServices(session)
        self.access = AccessReader(session)
        self.access_diagnostics = AccessDiagnostics(session)
        self.audit = AuditReader(session)

    def __repr__(self) -> str:
        return f"AwsClient(region={self.region!r}, source={self.source!r})"

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

    def with_region(self, region: str) -> AwsClient:
        """A client of the same caller in another Region."""
        return AwsClient(self._session.with_region(region))

    def writing(self) -> AwsClient:
        """A client whose credentials AWS does not keep to reading: for the call of a report that stores it."""
        return AwsClient(self._session.writing())

    def asking_once(self) -> AwsClient:
        """A client of the same caller that sends each reading request once and remembers the answer."""
        return AwsClient(self._session.asking_once())

    def account_id(self) -> str:
        """The caller's account ID. One request; `identify` makes more, so do not use it where speed matters."""
        return iam.account_of(self._session)

    def identify(self) -> Identity:
        """The caller's identity; read once."""
        return iam.identify(self._session)

    def caller(self) -> Identity:
        """The caller's identity without the account's alias."""
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
    reads_only: bool = False,
) -> AwsClient:
    """AWS with credentials and Region resolved once; calls nothing yet.

    `ask_code` gets the serial number of an MFA device and returns the code that it shows. It is called once, before the
    first call with a profile that needs a code. Without it such a profile is refused, unless the AWS CLI has cached a
    session for it. `reads_only`: as `Session.open` says.

    Raises CredentialsError for a profile that does not exist or files that cannot be read.
    """
    environ = os.environ if environ is None else environ
    return AwsClient(
        Session.open(
            profile=profile,
            region=region,
            environ=environ,
            ask_code=ask_code,
            clock=clock,
            reads_only=reads_only,
        )
    )
