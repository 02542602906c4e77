"""The contract between the wizard, the stack's configuration and the Pulumi program: `Settings` in, `Outputs` out.

Pure. Every rule about a value is checked here, and all faults are reported together.
"""

import difflib
import json
import shlex
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from components.settings import values as fields
from components.settings.arn import Arn
from components.settings.names import Names
from components.settings.stored_values import BY_VARIABLE, DATA_KEY_VARIABLE, OPTIONAL_VALUES, STORED_VALUES
from components.settings.variables import KEY_ID_VARIABLE, REGION_VARIABLE, VariableNames, faults_between

PROJECT = "eonpro-kms"
"""Name of the Pulumi project, hence the namespace of its configuration keys."""

APPLICATION_VARIABLES = (REGION_VARIABLE, KEY_ID_VARIABLE, DATA_KEY_VARIABLE)
"""The variables that every application reads.

They are delivered together: without the third it would create a new data key.
"""

POSSIBLE_VARIABLES = (*APPLICATION_VARIABLES, *(value.variable for value in OPTIONAL_VALUES))
"""All variables that an application may have."""

ROTATION_DAYS = range(90, 2561)
"""Rotation periods that KMS accepts, in days (EnableKeyRotation, RotationPeriodInDays)."""

LOGS_KEY_ROTATION_DAYS = 365
"""Rotation period of the key of the audit logs, in days: the one that auditors expect."""

DELETION_WINDOW_DAYS = 30
"""Days between ScheduleKeyDeletion and the loss of the key: the longest that KMS offers."""

SHORTEST_RETENTION_DAYS = 2192
"""Six years, two of them leap years: 45 CFR 164.316(b)(2)(i), applied to audit logs by common practice."""

DEFAULT_RETENTION_DAYS = 2557
"""Seven years: one more than required."""


class Settings(BaseModel):
    """The intended state of one environment. Frozen; the same before and after the stack's configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    account_id: fields.AccountId
    """The AWS account, 12 digits; set aws:allowedAccountIds to it too, so that no other account is changed."""
    region: fields.Region
    """The AWS Region of the key."""
    environment: fields.Environment = "production"
    """The environment; except for production it is appended to every name, so that one account can have several."""

    # The key.
    administrators: tuple[fields.AdministratorArn, ...] = ()
    """ARNs of the IAM users and roles that administer the key; the key policy does not let them use or delete it."""
    administrator_patterns: tuple[fields.RolePattern, ...] = ()
    """Patterns of role ARNs that administer the key too, for the roles of IAM Identity Center, whose names have random
    endings."""
    deletion_administrators: tuple[fields.PrincipalArn, ...] = ()
    """ARNs of those who may schedule the key's deletion; empty means nobody, until the key's policy is changed."""
    usage_guard_days: int = Field(default=90, ge=0, le=3650)
    """Days without any use before the key can be disabled or its deletion scheduled; 0 for no such rule."""
    incident_responders: tuple[fields.PrincipalArn, ...] = ()
    """ARNs of those who may disable the key although it is in use; empty means nobody, until its policy is changed."""
    strict_key_policy: bool = False
    """Whether IAM policies have no effect on the key, only its own policy; needs two administrators."""
    exclusive_use: bool = False
    """Whether everybody except the application is denied the use of the key, also where IAM allows it."""
    rotation_period_days: int = Field(default=365, ge=ROTATION_DAYS.start, lt=ROTATION_DAYS.stop)
    """Days between two rotations of the key by KMS, 90 to 2560."""
    multi_region: bool = False
    """Whether the key can be replicated to other Regions; it cannot be changed after the key is created."""
    replica_regions: tuple[fields.Region, ...] = ()
    """Regions with a replica of the key, and of the wrapped data key."""

    # The application.
    deploy_targets: tuple[fields.Target, ...] = Field(min_length=1)
    """The platforms on which the application runs, one or several."""
    app_principal_arn: fields.ApplicationArn | None = None
    """ARN of an existing IAM role or user the application runs as; empty creates the role eonpro-app-role."""
    permissions_boundary_arn: fields.PolicyArn | None = None
    """ARN of the managed policy that is the permissions boundary of the roles and the user of this stack."""
    secret_store: fields.SecretStore = fields.SecretStore.PARAMETER_STORE
    """The store of the wrapped data key, from which a platform in AWS reads the variables."""
    vercel_team: fields.VercelSlug | None = None
    """Slug of the Vercel team."""
    vercel_project: fields.VercelSlug | None = None
    """Name of the Vercel project."""
    vercel_access: fields.VercelAccess = fields.VercelAccess.OIDC
    """The AWS credentials of the application on Vercel: oidc (its role, by Vercel's token) or user (an IAM user with an
    access key).
    """
    vercel_environment: fields.VercelEnvironment = "production"
    """Environment of the Vercel project that the stack is for: production, preview, or the slug of a custom one; it
    cannot be changed after the key is created."""
    vercel_environments: tuple[fields.OtherVercelEnvironment, ...] = ()
    """Further environments of the Vercel project whose deployments may use the key: preview, or slugs of custom
    environments.
    """
    vercel_issuer_mode: fields.VercelIssuerMode = fields.VercelIssuerMode.TEAM
    """The issuer of the Vercel project's tokens: team (oidc.vercel.com/<team>) or global (oidc.vercel.com), as the
    project is set on Vercel.
    """
    vercel_oidc_provider_arn: fields.OidcProviderArn | None = None
    """ARN of the account's IAM OIDC provider for the Vercel team, if there is one; empty creates it."""
    ecs_cluster: fields.EcsName | None = None
    """Name of the ECS cluster the application runs in."""
    ecs_service: fields.EcsName | None = None
    """Name of the ECS service the application runs as."""
    ecs_execution_role_arn: fields.RoleArn | None = None
    """ARN of the tasks' execution role; empty creates the role eonpro-execution-role."""
    eks_cluster: fields.EksCluster | None = None
    """Name of the EKS cluster the application runs in."""
    eks_identity: fields.EksIdentity = fields.EksIdentity.POD_IDENTITY
    """The AWS credentials of a pod: pod-identity, or irsa."""
    eks_oidc_provider_arn: fields.ClusterProviderArn | None = None
    """ARN of the IAM OIDC provider of the EKS cluster, for irsa."""
    eks_namespace: fields.KubernetesName = "eonpro"
    """Kubernetes namespace of the application."""
    eks_service_account: fields.KubernetesName = "eonpro"
    """Kubernetes service account of the application."""

    variable_names: tuple[fields.VariableNameText, ...] = ()
    """Other names for the application's variables, each as NAME=OTHER, such as AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID, where
    something else in the application reads the usual one; the others keep the guide's."""
    hash_key: bool = False
    """Whether the search hashes have a wrapped key of their own, ENCRYPTED_PHI_HASH_KEY: then a rotation of the data
    key changes none of them."""
    record_tables: tuple[fields.RecordTableText, ...] = ()
    """Tables of the application with PHI records, as SCHEMA.TABLE.KEY=COLUMN+COLUMN:HASH, where HASH is the column of
    its search hashes; a rotation of the data key waits for all of them."""

    # The audit trail.
    existing_trail_arn: fields.TrailArn | None = None
    """ARN of a CloudTrail trail that already records management events; empty creates eonpro-audit-trail."""
    trail_bucket: fields.BucketName | None = None
    """Name of the bucket for the trail's logs, or of the existing trail's; empty derives one from account and
    Region."""
    trail_retention_days: int = Field(default=DEFAULT_RETENTION_DAYS, ge=SHORTEST_RETENTION_DAYS, le=36500)
    """Days of retention of the trail's logs, at least 2192 (six years)."""
    trail_key: bool = True
    """Whether the logs are encrypted under a separate KMS key."""
    trail_lock: fields.ObjectLock = fields.ObjectLock.GOVERNANCE
    """S3 Object Lock of the logs: none, governance, or compliance (which nobody can undo)."""
    trail_archive_days: int = Field(default=365, ge=0, le=36500)
    """Days after which the logs move to cheaper storage, at least 90; 0 for never."""
    access_logging: bool = True
    """Whether S3 logs the requests to the trail's bucket, in a separate bucket."""
    cloudwatch_logs: bool = False
    """Whether the trail's events go to CloudWatch Logs too, for a year."""
    alerts: bool = True
    """Whether changes of the key, the access to it, the trail and the alerts, and bursts of denied use, are published
    to the topic eonpro-alerts; those that would stop the alerts also to eonpro-fallback-alerts."""
    backup_max_age_days: int = Field(default=92, ge=1, le=3660)
    """Days that a backup of the wrapped data key, and the drill that opened it, may be old."""
    alert_emails: tuple[fields.Email, ...] = ()
    """E-mail addresses that get the alerts; each has to confirm two messages from AWS, one for each topic."""

    # What existed before the stack and was imported.
    adopted: tuple[fields.Adopted, ...] = ()
    """Existing resources that the stack imports instead of creating them, as kind=id."""
    kept_as_found: tuple[fields.ImportGroup, ...] = ()
    """Imported groups of resources that no update changes."""

    _variable: str = PrivateAttr(default=DATA_KEY_VARIABLE)
    """The wrapped key that `names` belong to."""

    @field_validator(
        "administrators",
        "administrator_patterns",
        "deletion_administrators",
        "incident_responders",
        "replica_regions",
        "deploy_targets",
        "vercel_environments",
        "alert_emails",
        "variable_names",
        "record_tables",
        "adopted",
        "kept_as_found",
    )
    @classmethod
    def _sorted_without_duplicates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        # Sorted, so that another order of the same principals is no change of the key policy.
        return tuple(sorted(set(values)))

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        faults = [*self._account_faults(), *self._key_faults(), *self._application_faults(), *self._trail_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _account_faults(self) -> list[str]:
        faults = []
        for name in (
            "administrators",
            "administrator_patterns",
            "deletion_administrators",
            "incident_responders",
            "app_principal_arn",
            "permissions_boundary_arn",
            "ecs_execution_role_arn",
            "vercel_oidc_provider_arn",
            "eks_oidc_provider_arn",
        ):
            value = getattr(self, name)
            for arn in filter(None, (value,) if isinstance(value, str) else value or ()):
                if Arn.parse(arn).account != self.account_id:
                    faults.append(f"{to_camel(name)}: {arn} belongs to another account than {self.account_id}")
                elif Arn.parse(arn).partition != self.partition:
                    faults.append(
                        f"{to_camel(name)}: {arn} is in another partition than {self.region} ({self.partition})"
                    )
        return faults

    def _key_faults(self) -> list[str]:
        faults = []
        if not (self.administrators or self.administrator_patterns):
            faults.append("administrators: name at least one, or a pattern of roles in administratorPatterns")
        for arn in (*self.administrators, *self.deletion_administrators, *self.incident_responders):
            if arn == self.app_principal_arn:
                faults.append(f"appPrincipalArn: {arn} cannot be both the application and a key administrator")
        if self.incident_responders and not self.usage_guard_days:
            faults.append("incidentResponders needs usageGuardDays: without it every administrator can disable the key")
        if self.strict_key_policy and len(self.administrators) < 2:
            faults.append(
                "strictKeyPolicy needs at least two administrators: without the account's IAM, "
                "nobody can manage a key whose only administrator is deleted"
            )
        if self.replica_regions and not self.multi_region:
            faults.append("replicaRegions needs multiRegion, which cannot be changed after the key is created")
        for region in self.replica_regions:
            if region == self.region:
                faults.append(f"replicaRegions: {region} is the key's own Region")
            elif partition_of(region) != self.partition:
                faults.append(f"replicaRegions: {region} is in another partition than {self.region}")
        return faults

    def _application_faults(self) -> list[str]:
        faults = []
        if fields.Target.VERCEL in self.deploy_targets and not (self.vercel_team and self.vercel_project):
            faults.append("the deploy target vercel needs vercelTeam and vercelProject")
        if self.vercel_environment in self.vercel_environments:
            faults.append(f"vercelEnvironments: {self.vercel_environment} is the stack's own vercelEnvironment")
        if self.vercel_access is fields.VercelAccess.USER and self.app_principal_arn:
            faults.append(
                "vercelAccess user creates an IAM user for the application, but appPrincipalArn names another principal"
            )
        faults += faults_between(self.variable_names)
        if self.ecs_service and not self.ecs_cluster:
            faults.append("ecsService needs ecsCluster")
        if fields.Target.EKS in self.deploy_targets and not self.eks_cluster:
            faults.append("the deploy target eks needs eksCluster")
        needs_provider = fields.Target.EKS in self.deploy_targets and self.eks_identity is fields.EksIdentity.IRSA
        if needs_provider and not self.eks_oidc_provider_arn:
            faults.append("eksIdentity irsa needs eksOidcProviderArn, the IAM OIDC provider of the cluster")
        return faults

    def _trail_faults(self) -> list[str]:
        faults = []
        if self.existing_trail_arn and not self.trail_bucket:
            faults.append("existingTrailArn needs trailBucket, the bucket that this trail writes to")
        if len(self.names.trail_bucket) > 63:
            faults.append(f"the bucket name {self.names.trail_bucket} is longer than 63 characters: set trailBucket")
        if self.alert_emails and not self.alerts:
            faults.append("alertEmails needs alerts")
        kinds = [adopted.partition("=")[0] for adopted in self.adopted]
        if len(set(kinds)) < len(kinds):
            faults.append("adopted: one kind of resource has two ids")
        if 0 < self.trail_archive_days < 90:
            faults.append("trailArchiveDays: the cheaper storage bills at least 90 days; use 0 (never), or 90 or more")
        return faults

    @property
    def partition(self) -> str:
        """The AWS partition of the Region."""
        return partition_of(self.region)

    @property
    def iam_region(self) -> str:
        """The Region of the requests to IAM and of their events; it does not depend on the stack's Region.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
        """
        return {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}[self.partition]

    @property
    def regions(self) -> tuple[str, ...]:
        """Every Region of the key: its own first, then those of the replicas."""
        return (self.region, *self.replica_regions)

    @property
    def names(self) -> Names:
        """The names of this environment's resources."""
        return Names.of(
            account_id=self.account_id,
            region=self.region,
            environment=self.environment,
            trail_bucket=self.trail_bucket,
            value=BY_VARIABLE[self._variable],
        )

    def of_key(self, variable: str) -> Self:
        """These settings with the names of another wrapped key: commands with them act on that key."""
        settings = self.model_copy()
        settings._variable = variable
        return settings

    @property
    def wrapped_keys(self) -> tuple[str, ...]:
        """The variables of the wrapped keys that the application has; the data key first."""
        return tuple(each.variable for each in STORED_VALUES if each.setting is None or getattr(self, each.setting))

    @property
    def of_each_key(self) -> tuple[Self, ...]:
        """These settings for each wrapped key that the application has; those of the data key first."""
        return tuple(map(self.of_key, self.wrapped_keys))

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that the application reads, delivered together, by the guide's names; their parameters have
        these names too.
        """
        return (*APPLICATION_VARIABLES, *self.wrapped_keys[1:])

    @property
    def delivered_names(self) -> VariableNames:
        """The names of the variables where the application runs."""
        return VariableNames.of(self.variable_names)

    @property
    def delivered_variables(self) -> dict[str, str]:
        """The names that the application reads, and the guide's name of each, in the same order."""
        return {self.delivered_names[variable]: variable for variable in self.variables}

    @property
    def makes_trail(self) -> bool:
        """Whether the stack has a trail and a bucket of its own."""
        return self.existing_trail_arn is None

    @property
    def makes_user(self) -> bool:
        """Whether the stack creates an IAM user for the application on Vercel."""
        return fields.Target.VERCEL in self.deploy_targets and self.vercel_access is fields.VercelAccess.USER

    @property
    def makes_role(self) -> bool:
        """Whether the stack creates a role for the application: for every target except Vercel with an IAM user."""
        others = set(self.deploy_targets) - ({fields.Target.VERCEL} if self.makes_user else set())
        return self.app_principal_arn is None and bool(others)

    @property
    def trusts_vercel(self) -> bool:
        """Whether the application's role trusts Vercel's tokens."""
        return fields.Target.VERCEL in self.deploy_targets and self.makes_role and not self.makes_user

    @property
    def makes_vercel_provider(self) -> bool:
        """Whether the stack creates the IAM OIDC provider of the Vercel team."""
        return self.trusts_vercel and self.vercel_oidc_provider_arn is None

    @property
    def vercel_place(self) -> tuple[str, str, str]:
        """The Vercel team, its project and the project's environment; empty texts without the target."""
        return self.vercel_team or "", self.vercel_project or "", self.vercel_environment

    @property
    def uses_store(self) -> bool:
        """Whether something in AWS reads the variables from the store: at every target except Vercel."""
        return bool(set(self.deploy_targets) - {fields.Target.VERCEL})

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """The ARN of a resource of the stack's account: in its own Region, in another, in none for a global service."""
        is_global, is_bucket = service in ("iam", "s3"), service == "s3"
        return str(
            Arn(
                partition=self.partition,
                service=service,
                region="" if is_global else region or self.region,
                account="" if is_bucket else self.account_id,
                resource=resource,
            )
        )

    @property
    def execution_role_arn(self) -> str | None:
        """The role that reads the variables for ECS, existing or created by the stack; None without ECS."""
        if fields.Target.ECS not in self.deploy_targets:
            return None
        created = self.arn("iam", f"role/{self.names.execution_role}")
        return self.ecs_execution_role_arn or created

    @property
    def makes_execution_role(self) -> bool:
        """Whether the stack creates a task execution role for ECS."""
        return fields.Target.ECS in self.deploy_targets and self.ecs_execution_role_arn is None

    @property
    def makes_secrets_role(self) -> bool:
        """Whether the stack creates a role for External Secrets, which reads the variables for pods on EKS."""
        return fields.Target.EKS in self.deploy_targets

    @property
    def app_principal_arns(self) -> tuple[str, ...]:
        """The ARNs of the application's principals, also before they are created; the role before the user."""
        return tuple(
            filter(
                None,
                (
                    self.app_principal_arn,
                    self.arn("iam", f"role/{self.names.app_role}") if self.makes_role else None,
                    self.arn("iam", f"user/{self.names.app_user}") if self.makes_user else None,
                ),
            )
        )

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that supports tags."""
        return {"Application": "EONPRO", "Environment": self.environment.capitalize()}

    @classmethod
    def read(cls, values: Mapping[str, Any], *, deployed: bool = False) -> Self:
        """Settings from values by field name; of a `deployed` stack also with root among its administrators.

        Raises ContractError with every fault.
        """
        try:
            return cls.model_validate(dict(values), context={fields.DEPLOYED: deployed})
        except ValidationError as error:
            raise fields.ContractError(_faults(error)) from error

    def to_config(self) -> dict[str, str | int | bool | list[str]]:
        """The stack configuration, by full key. Nothing in it is secret.

        Defaults are omitted, so that the file shows the decisions; the answers to questions are always written.
        """
        config: dict[str, str | int | bool | list[str]] = {
            "aws:region": self.region,
            "aws:allowedAccountIds": [self.account_id],
        }
        dumped = self.model_dump(exclude={"region"}, exclude_none=True, mode="json", by_alias=True)
        written = self.model_dump(exclude_defaults=True, by_alias=True).keys() | _ALWAYS_SAVED
        config.update({f"{PROJECT}:{field}": value for field, value in dumped.items() if field in written})
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, str | None], *, deployed: bool = False) -> Self:
        """Settings from stack configuration, as the engine gives it: strings, lists in JSON; empty means unset.

        Keys of other namespaces than the project's are ignored, except `aws:region`. `deployed` as for `read`.
        Raises ContractError with every fault, each under the name of its key.
        """
        values: dict[str, Any] = {"region": config.get("aws:region") or ""}
        no_lists: dict[str, str] = {}
        for key, text in config.items():
            namespace, _, field = key.partition(":")
            if namespace != PROJECT or text in (None, "", "[]"):
                continue
            values[field] = _from_json(text) if field in LISTS else text
            if values[field] is None:
                no_lists[field] = (
                    f"{text!r} is not a list; set its members: pulumi config set --path '{PROJECT}:{field}[0]' …"
                )
        try:
            return cls.read(values, deployed=deployed)
        except fields.ContractError as error:
            # These messages say more than "wrong type" or "unknown name".
            better = no_lists | dict.fromkeys(REMOVED_KEYS, "no longer exists: no application can use it")
            raise fields.ContractError(
                tuple((field, better.get(field, fault)) for field, fault in error.faults)
            ) from error.__cause__


_ALWAYS_SAVED = frozenset(
    ("environment", "rotationPeriodDays", "trailRetentionDays", "multiRegion", "vercelAccess", "secretStore")
)

LISTS = tuple(
    to_camel(name) for name, field in Settings.model_fields.items() if str(field.annotation).startswith("tuple")
)
"""The configuration keys whose values are lists."""

CONFIG_KEYS = tuple(to_camel(field) for field in Settings.model_fields if field != "region")
"""The project's own configuration keys, without the namespace."""

REMOVED_KEYS = ("encryptionContext", "viaServices")
"""Configuration keys of earlier versions. The application sends no encryption context and calls KMS directly."""


def similar(field: str) -> str | None:
    """The configuration key that somebody meant who wrote another; None where none is near."""
    return next(iter(difflib.get_close_matches(field, CONFIG_KEYS, n=1, cutoff=0.8)), None)


def correction(field: str, stack: str, value: str | None = None) -> tuple[tuple[str, ...], ...]:
    """The words of Pulumi commands that correct a field of a stack's configuration; none for a fault between fields.

    A value under a mistyped key moves to the key that was meant.
    """
    if field == "settings":
        return ()
    if field != "region" and field not in CONFIG_KEYS:
        away = ("pulumi", "config", "rm", "--stack", stack, f"{PROJECT}:{field}")
        near = None if field in REMOVED_KEYS else similar(field)
        if near is None or near in LISTS or not value:
            return (away,)
        return away, ("pulumi", "config", "set", "--stack", stack, f"{PROJECT}:{near}", value)
    key = "aws:region" if field == "region" else f"{PROJECT}:{field}"
    where = ("--path", f"{key}[N]") if field in LISTS else (key,)
    return (("pulumi", "config", "set", "--stack", stack, *where, "VALUE"),)


def correction_line(field: str, stack: str) -> str:
    """The same commands as one line of a shell; empty for none."""
    return " && ".join(map(shlex.join, correction(field, stack)))


def partition_of(region: str) -> str:
    """The AWS partition of a Region."""
    return {"us-gov": "aws-us-gov", "cn": "aws-cn"}.get(region.rsplit("-", 2)[0], "aws")


def _from_json(text: str | None) -> list[Any] | None:
    try:
        value = json.loads(text or "")
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None


def _with_field(fault: str) -> tuple[str, str]:
    """A fault between fields, with the field name that it begins with, if any."""
    field, colon, rest = fault.partition(": ")
    return (field, rest) if colon and field in CONFIG_KEYS else ("settings", fault)


def _faults(error: ValidationError) -> tuple[tuple[str, str], ...]:
    details = error.errors()
    wrong_members = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
    faults: list[tuple[str, str]] = []
    for detail in details:
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        # A list that is empty because all members were refused needs no second fault.
        if detail["type"] == "too_short" and name in wrong_members:
            continue
        if detail["type"] == "missing" or (name == "region" and detail["input"] == ""):
            faults.append((to_camel(name), "is missing"))
        else:
            text = "there is no such setting" if detail["type"] == "extra_forbidden" else fields.in_words(detail)
            if detail["type"] == "extra_forbidden" and (near := similar(name)):
                text += f": did you mean {near}?"
            faults += (
                [_with_field(fault) for fault in text.split("; ")] if name == "settings" else [(to_camel(name), text)]
            )
    return tuple(faults)
