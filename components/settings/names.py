"""The kinds of resources that the stack imports, and the names of the resources in the account.

Pure.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from components.settings.stored_values import DATA_KEY, StoredValue

ACCOUNT_NAMESPACE = "-an"
"""The end of a bucket's name in the account's own namespace, after account and Region: no other account can take it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html
"""

DEFAULT_APPLICATION = "eonpro"
"""The application of the guide."""


def label_of(application: str) -> str:
    """The application as tags, descriptions and the names of IAM policies have it: the guide writes its own EONPRO."""
    return "EONPRO" if application == DEFAULT_APPLICATION else application


class ImportGroup(StrEnum):
    """A group of resources created manually that the stack can import and leave unchanged."""

    KEY = "key"
    APPLICATION_ROLE = "application-role"
    APPLICATION_POLICY = "application-policy"
    TRAIL = "trail"
    BUCKET = "bucket"


class ResourceKind(StrEnum):
    """A kind of resource that the stack imports from an existing set-up, by its import id."""

    KEY = "key"
    ALIAS = "alias"
    APPLICATION_ROLE = "application-role"
    APPLICATION_POLICY = "application-policy"
    POLICY_ATTACHMENT = "policy-attachment"
    TRAIL = "trail"
    BUCKET = "bucket"
    BUCKET_POLICY = "bucket-policy"
    BUCKET_VERSIONING = "bucket-versioning"
    BUCKET_ENCRYPTION = "bucket-encryption"
    BUCKET_PUBLIC_ACCESS = "bucket-public-access"
    BUCKET_OWNERSHIP = "bucket-ownership"
    BUCKET_LIFECYCLE = "bucket-lifecycle"
    # Not part of a manual set-up: an earlier stack of the same settings left it, with the stack's own tags.
    LOGS_KEY = "logs-key"
    LOGS_KEY_ALIAS = "logs-key-alias"
    DOCUMENTS_KEY = "documents-key"
    DOCUMENTS_KEY_ALIAS = "documents-key-alias"
    ACCESS_LOG_BUCKET = "access-log-bucket"
    ACCESS_LOG_BUCKET_POLICY = "access-log-bucket-policy"
    ACCESS_LOG_BUCKET_VERSIONING = "access-log-bucket-versioning"
    ACCESS_LOG_BUCKET_ENCRYPTION = "access-log-bucket-encryption"
    ACCESS_LOG_BUCKET_PUBLIC_ACCESS = "access-log-bucket-public-access"
    ACCESS_LOG_BUCKET_OWNERSHIP = "access-log-bucket-ownership"
    ACCESS_LOG_BUCKET_LIFECYCLE = "access-log-bucket-lifecycle"
    APPLICATION_USER = "application-user"
    EXECUTION_ROLE = "execution-role"
    SECRETS_ROLE = "secrets-role"
    VARIABLES_POLICY = "variables-policy"
    ALERT_TOPIC = "alert-topic"
    FALLBACK_TOPIC = "fallback-topic"
    LOG_GROUP = "log-group"
    LOG_ROLE = "log-role"


@dataclass(frozen=True, kw_only=True)
class Names:
    """The name of every resource of one environment; for the application eonpro in production they are the guide's."""

    application: str
    alias: str
    app_policy: str
    app_role: str
    app_user: str
    execution_role: str
    secrets_role: str
    parameter_policy: str
    secret_policy: str
    boundary: str
    trail: str
    trail_bucket: str
    trail_key_alias: str
    documents_key_alias: str
    access_log_bucket: str
    log_group: str
    log_role: str
    alert_topic: str
    fallback_topic: str
    forwarding_role: str
    key_changes_rule: str
    trail_changes_rule: str
    denied_use_rule: str
    access_changes_rule: str
    alert_changes_rule: str
    fallback_rule: str
    parameter_prefix: str
    value: StoredValue = DATA_KEY
    """The one whose stored value, versions and backup these names are."""

    @classmethod
    def of(
        cls,
        *,
        account_id: str,
        region: str,
        environment: str,
        application: str,
        trail_bucket: str | None,
        value: StoredValue = DATA_KEY,
    ) -> Self:
        """The names for one environment; each ends with the environment, except for production."""
        suffix = "" if environment == "production" else f"-{environment}"
        place = f"-{account_id}-{region}"
        # Both buckets are in one namespace.
        is_regional = in_account_namespace(trail_bucket or "", account_id=account_id, region=region)
        ending = f"{suffix}{place}{ACCOUNT_NAMESPACE}" if is_regional else f"{place}{suffix}"
        label = label_of(application)
        return cls(
            application=application,
            alias=f"alias/{application}-phi-key{suffix}",
            app_policy=f"{label}KMSAccess{suffix}",
            app_role=f"{application}-app-role{suffix}",
            app_user=f"{application}-app-user{suffix}",
            execution_role=f"{application}-execution-role{suffix}",
            secrets_role=f"{application}-secrets-role{suffix}",
            parameter_policy=f"{label}ParameterAccess{suffix}",
            secret_policy=f"{label}SecretAccess{suffix}",
            boundary=f"{label}Boundary{suffix}",
            trail=f"{application}-audit-trail{suffix}",
            trail_bucket=trail_bucket or f"{application}-cloudtrail-logs{ending}",
            trail_key_alias=f"alias/{application}-audit-key{suffix}",
            documents_key_alias=f"alias/{application}-documents-key{suffix}",
            access_log_bucket=f"{application}-access-logs{ending}",
            log_group=f"/aws/cloudtrail/{application}-audit-trail{suffix}",
            log_role=f"{application}-trail-logs-role{suffix}",
            alert_topic=f"{application}-alerts{suffix}",
            # Not `eonpro-alerts-…`: that is the topic of another environment.
            fallback_topic=f"{application}-fallback-alerts{suffix}",
            forwarding_role=f"{application}-alerts-forwarding{suffix}",
            key_changes_rule=f"{application}-key-changes{suffix}",
            trail_changes_rule=f"{application}-trail-changes{suffix}",
            denied_use_rule=f"{application}-denied-use{suffix}",
            access_changes_rule=f"{application}-access-changes{suffix}",
            alert_changes_rule=f"{application}-alert-changes{suffix}",
            fallback_rule=f"{application}-fallback-alerts{suffix}",
            parameter_prefix=f"/{application}/{environment}",
            value=value,
        )

    @property
    def label(self) -> str:
        """The application as tags, descriptions and the names of IAM policies have it."""
        return label_of(self.application)

    @property
    def key_description(self) -> str:
        """The description of the key; for the application eonpro the guide's."""
        return f"{self.label} PHI encryption key for HIPAA compliance"

    @property
    def guide_data_key(self) -> str:
        """The parameter of the data key in `examples/manual-setup/guide.sh` for ECS; the guide itself names none."""
        return f"/{self.application}/ENCRYPTED_PHI_KEY"

    @property
    def guide_key(self) -> str:
        """The parameter of the key's id there."""
        return f"/{self.application}/AWS_KMS_KEY_ID"

    @property
    def claim(self) -> str:
        """Name of the parameter that says which stack the environment belongs to."""
        return f"{self.parameter_prefix}/claim"

    @property
    def variable(self) -> str:
        """The guide's name of the value's variable."""
        return self.value.variable

    @property
    def noun(self) -> str:
        """`data key`, `hash key`."""
        return self.value.noun

    @property
    def last_backup(self) -> str:
        """Name of the parameter that says where the last backup of the key is."""
        return f"{self.parameter_prefix}/{self.value.last_backup}"

    @property
    def last_drill(self) -> str:
        """Name of the parameter that says when and how a backup of the data key was last opened."""
        return f"{self.parameter_prefix}/restore-drill"

    @property
    def stored_data_key(self) -> str:
        """Name of the parameter or secret that holds the wrapped key."""
        return f"{self.parameter_prefix}/{self.variable}"

    @property
    def versions(self) -> str:
        """The folder with an entry for each version of the key."""
        return f"{self.parameter_prefix}/{self.value.versions}"

    @property
    def written_after(self) -> tuple[str, ...]:
        """The names that exist only where the stored key once did."""
        variables = () if self.value.setting else (f"{self.parameter_prefix}/AWS_KMS_KEY_ID",)
        return (*variables, self.last_backup)


def in_account_namespace(bucket: str, *, account_id: str, region: str) -> bool:
    """Whether the name of a bucket is one of the account's own namespace."""
    return bucket.endswith(f"-{account_id}-{region}{ACCOUNT_NAMESPACE}")


def regional_bucket(*, account_id: str, region: str, environment: str, application: str) -> str | None:
    """The name of a new trail's bucket in the account's own namespace; None where the Region has none, or it is long.

    Every Region has it but Bahrain and the UAE.
    """
    suffix = "" if environment == "production" else f"-{environment}"
    name = f"{application}-cloudtrail-logs{suffix}-{account_id}-{region}{ACCOUNT_NAMESPACE}"
    return name if len(name) <= 63 and region not in ("me-south-1", "me-central-1") else None


def owner_of(bucket: str, *, account_id: str, region: str) -> tuple[str, str] | None:
    """The application and the environment that `regional_bucket` made this name for; None for any other name."""
    rest = bucket.removesuffix(f"-{account_id}-{region}{ACCOUNT_NAMESPACE}")
    application, made, environment = rest.partition("-cloudtrail-logs")
    return (application, environment.removeprefix("-") or "production") if made and rest != bucket else None
