"""The settings of the stack, as the pack reads them from its configuration, and the names that follow from them.

Pure. The pack shares no code with the program: a change of `components.settings` changes nothing that the pack allows.
A value that is not exactly of its form is no setting, and without settings nothing passes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

PROJECT = "eonpro-kms"

LEAST_RETENTION_DAYS = 2192
"""Six years, with two leap days."""


class SettingsError(ValueError):
    """The configuration has a value that cannot be read; the text names it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the configuration asks for, by the names of its keys. An empty text and an empty list are not set."""

    account_id: str
    region: str
    environment: str = "production"
    application: str = "eonpro"
    administrators: tuple[str, ...] = ()
    administrator_patterns: tuple[str, ...] = ()
    deletion_administrators: tuple[str, ...] = ()
    usage_guard_days: int = 90
    incident_responders: tuple[str, ...] = ()
    strict_key_policy: bool = False
    exclusive_use: bool = False
    rotation_period_days: int = 365
    multi_region: bool = False
    replica_regions: tuple[str, ...] = ()
    deploy_targets: tuple[str, ...] = ()
    app_principal_arn: str = ""
    permissions_boundary_arn: str = ""
    secret_store: str = "parameter-store"
    vercel_team: str = ""
    vercel_project: str = ""
    vercel_access: str = "oidc"
    vercel_environment: str = "production"
    vercel_environments: tuple[str, ...] = ()
    vercel_issuer_mode: str = "team"
    vercel_oidc_provider_arn: str = ""
    ecs_cluster: str = ""
    ecs_service: str = ""
    ecs_execution_role_arn: str = ""
    eks_cluster: str = ""
    eks_identity: str = "pod-identity"
    eks_oidc_provider_arn: str = ""
    eks_namespace: str = "eonpro"
    eks_service_account: str = "eonpro"
    variable_names: tuple[str, ...] = ()
    hash_key: bool = False
    keys_for_reading: bool = False
    key_check_value: bool = False
    record_tables: tuple[str, ...] = ()
    document_buckets: tuple[str, ...] = ()
    documents_key: bool = False
    existing_trail_arn: str = ""
    trail_bucket: str = ""
    trail_retention_days: int = 2557
    trail_key: bool = True
    trail_lock: str = "governance"
    trail_archive_days: int = 365
    access_logging: bool = True
    cloudwatch_logs: bool = False
    alerts: bool = True
    backup_max_age_days: int = 92
    alert_emails: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    kept_as_found: tuple[str, ...] = ()

    # --- names and ARNs

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    @property
    def regions(self) -> tuple[str, ...]:
        """Every Region of the key: its own first."""
        return (self.region, *self.replica_regions)

    @property
    def iam_region(self) -> str:
        """The Region of IAM's events."""
        return {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}[self.partition]

    @property
    def tags(self) -> dict[str, str]:
        return {"Application": self.label, "Environment": self.environment.capitalize()}

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """The ARN of a resource of the stack's account."""
        where = "" if service in ("iam", "s3") else region or self.region
        account = "" if service == "s3" else self.account_id
        return f"arn:{self.partition}:{service}:{where}:{account}:{resource}"

    @property
    def label(self) -> str:
        """The application in texts, tags and names of policies: the first one's is written in capitals."""
        return "EONPRO" if self.application == "eonpro" else self.application

    @property
    def suffix(self) -> str:
        """The end of every name in this environment: `-staging`; for production it is empty."""
        return "" if self.environment == "production" else f"-{self.environment}"

    def name(self, of: str) -> str:
        """The name of a resource of the application in this environment."""
        return f"{self.application}-{of}{self.suffix}"

    def alias(self, of: str) -> str:
        """The alias of a key of the application in this environment."""
        return f"alias/{self.name(of)}"

    @property
    def log_group(self) -> str:
        """The log group that the trail writes to."""
        return f"/aws/cloudtrail/{self.name('audit-trail')}"

    def policy(self, of: str) -> str:
        """The name of a managed policy of the application in this environment."""
        return f"{self.label}{of}{self.suffix}"

    @property
    def own_bucket(self) -> str:
        """The bucket of the trail's records."""
        return self.trail_bucket or self._bucket("cloudtrail-logs")

    @property
    def access_bucket(self) -> str:
        """The bucket of the access logs."""
        return self._bucket("access-logs")

    def _bucket(self, of: str) -> str:
        name, place = f"{self.application}-{of}", f"-{self.account_id}-{self.region}"
        is_regional = self.is_regional(self.trail_bucket)
        return f"{name}{self.suffix}{place}-an" if is_regional else f"{name}{place}{self.suffix}"

    def is_regional(self, bucket: str) -> bool:
        """Whether the bucket's name is one of the account's own namespace."""
        return bucket.endswith(f"-{self.account_id}-{self.region}-an")

    @property
    def prefix(self) -> str:
        """What the names of the stored values begin with."""
        return f"/{self.application}/{self.environment}"

    @property
    def trail_arn(self) -> str:
        """The trail that records the use of the key."""
        return self.existing_trail_arn or self.arn("cloudtrail", f"trail/{self.name('audit-trail')}")

    @property
    def has_trail_here(self) -> bool:
        """Whether the trail's changes are events of the stack's Region and account."""
        return self.trail_arn.startswith(self.arn("cloudtrail", ""))

    def imported(self, kind: str, otherwise: str) -> str:
        """The id of an imported resource, where the settings name one."""
        return dict(each.split("=", 1) for each in self.adopted).get(kind, otherwise)

    # --- what the stack has

    @property
    def makes_trail(self) -> bool:
        return not self.existing_trail_arn

    @property
    def logs_to_cloudwatch(self) -> bool:
        return self.cloudwatch_logs and "trail" not in self.kept_as_found

    @property
    def has_audit_key(self) -> bool:
        return self.makes_trail and self.trail_key

    @property
    def makes_user(self) -> bool:
        return "vercel" in self.deploy_targets and self.vercel_access == "user"

    @property
    def makes_role(self) -> bool:
        others = set(self.deploy_targets) - ({"vercel"} if self.makes_user else set())
        return not self.app_principal_arn and bool(others)

    @property
    def trusts_vercel(self) -> bool:
        return "vercel" in self.deploy_targets and self.makes_role and not self.makes_user

    @property
    def principals(self) -> tuple[str, ...]:
        """The ARNs of the application's principals."""
        role = self.arn("iam", f"role/{self.name('app-role')}") if self.makes_role else ""
        user = self.arn("iam", f"user/{self.name('app-user')}") if self.makes_user else ""
        return tuple(filter(None, (self.app_principal_arn, role, user)))

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that a platform reads from the store."""
        keys = ["ENCRYPTED_PHI_KEY", *(["ENCRYPTED_PHI_HASH_KEY"] if self.hash_key else [])]
        checks = [f"{each}_CHECK_VALUE" for each in keys if self.key_check_value]
        lists = [f"{each}S_FOR_READING" for each in keys if self.keys_for_reading]
        return ("AWS_REGION", "AWS_KMS_KEY_ID", *keys, *checks, *lists)


def partition_of(region: str) -> str:
    """The AWS partition of a Region."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def last_part(arn: str) -> str:
    """The name in an ARN, without a path: of a role, a user, a policy."""
    return arn.rpartition("/")[2]


def rest_of(arn: str) -> str:
    """An ARN after its first five fields, without the kind: the issuer of an OIDC provider."""
    return fields_of(arn)[-1].partition("/")[2]


def fields_of(arn: str) -> list[str]:
    """arn, partition, service, Region, account, resource; of a pattern too."""
    return arn.split(":", 5)


# --- reading


_KEYS = {re.sub(r"_(.)", lambda each: each[1].upper(), field.name): field for field in fields(Settings)}
"""Every setting by its key in the configuration."""

_IAM = r"arn:{partition}:iam::{account}:"
_FORMS = {
    "account_id": r"[0-9]{{12}}",
    "region": r"[a-z]{{2}}(?:-[a-z]+)+-[0-9]",
    "replica_regions": r"[a-z]{{2}}(?:-[a-z]+)+-[0-9]",
    "environment": r"[a-z](?:[a-z0-9-]{{0,14}}[a-z0-9])?",
    # One word: every name begins with it and a hyphen, so that none is ever another application's.
    "application": r"(?!aws|ssm)[a-z][a-z0-9]{{1,19}}",
    "administrators": _IAM + r"(?:root|(?:user|role)/[\w+=,.@/-]+)",
    "administrator_patterns": _IAM + r"role/(?=[^*?]*[A-Za-z0-9])[\w+=,.@/*?-]+",
    "deletion_administrators": _IAM + r"(?:root|(?:user|role)/[\w+=,.@/-]+)",
    "incident_responders": _IAM + r"(?:root|(?:user|role)/[\w+=,.@/-]+)",
    "app_principal_arn": _IAM + r"(?:user|role)/[\w+=,.@/-]+",
    "permissions_boundary_arn": _IAM + r"policy/[\w+=,.@/-]+",
    "ecs_execution_role_arn": _IAM + r"role/[\w+=,.@/-]+",
    "vercel_oidc_provider_arn": _IAM + r"oidc-provider/oidc\.vercel\.com(?:/[\w.-]+)?",
    "eks_oidc_provider_arn": _IAM + r"oidc-provider/oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/id/[A-Za-z0-9]+",
    "existing_trail_arn": r"arn:{partition}:cloudtrail:[a-z0-9-]+:[0-9]{{12}}:trail/[\w.-]+",
    "deploy_targets": r"vercel|ecs|eks",
    "secret_store": r"parameter-store|secrets-manager",
    "vercel_access": r"oidc|user",
    "vercel_issuer_mode": r"team|global",
    "vercel_environment": r"(?!development$)[a-z0-9-]+",
    "vercel_environments": r"(?!(?:development|production)$)[a-z0-9-]+",
    "eks_identity": r"pod-identity|irsa",
    "trail_bucket": r"[a-z0-9][a-z0-9-]{{1,61}}[a-z0-9]",
    "document_buckets": r"[a-z0-9][a-z0-9-]{{1,61}}[a-z0-9]",
    "trail_lock": r"none|governance|compliance",
    "alert_emails": r"[^@\s,;<>\"]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    # An ARN in it is of the account: an imported policy is attached to the application.
    "adopted": r"[a-z-]+=(?!.*arn:(?!{partition}:[a-z0-9-]+:[a-z0-9-]*:{account}:))[^\s*?]+",
    "kept_as_found": r"key|application-role|application-policy|trail|bucket",
    "variable_names": r"[\w=]+",
    "record_tables": r"[\w.=+:]+",
}
"""The form of the values; of any other text letters, digits, '.', '_' and '-'."""

_RANGES = {
    "rotation_period_days": (90, 2560),
    "trail_retention_days": (LEAST_RETENTION_DAYS, 36500),
    "usage_guard_days": (0, 3650),
}


def read(configuration: Mapping[str, str | None]) -> Settings:
    """The settings in the configuration of a stack, as the engine has it: text by full key, lists in JSON.

    Raises SettingsError.
    """
    texts = {"region": configuration.get("aws:region") or ""}
    for key, text in configuration.items():
        namespace, _, name = key.partition(":")
        if namespace == PROJECT and text not in (None, "", "[]"):
            if name == "region" or name not in _KEYS:
                raise SettingsError(f"{key} is no setting")
            texts[name] = str(text)
    if absent := [name for name in ("accountId", "region", "deployTargets") if not texts.get(name)]:
        raise SettingsError(f"{absent[0]} is missing")
    place = {"partition": partition_of(texts["region"]), "account": re.escape(texts["accountId"])}
    values = {_KEYS[name].name: _value(name, text, place) for name, text in texts.items()}
    application = values.get("application", Settings.application)
    settings = Settings(**{"eks_namespace": application, "eks_service_account": application, **values})
    for fault in _conflicts(settings):
        raise SettingsError(fault)
    return settings


def _value(key: str, text: str, place: Mapping[str, str]) -> Any:
    field = _KEYS[key]
    kind = str(field.type)
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise SettingsError(f"{key} is {text!r}, and neither true nor false")
        return text.lower() == "true"
    if kind == "int":
        least, most = _RANGES.get(field.name, (0, 36500))
        if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or not least <= int(text) <= most:
            raise SettingsError(f"{key} is {text!r}, and no number from {least} to {most}")
        return int(text)
    members = _members(key, text) if kind.startswith("tuple") else (text,)
    form = re.compile(_FORMS.get(field.name, r"[\w.-]+").format(**place), re.ASCII)
    for member in members:
        if not form.fullmatch(member):
            raise SettingsError(f"{key} is {member!r}, which is not of its form in the account {place['account']}")
    return members if kind.startswith("tuple") else text


def _members(key: str, text: str) -> tuple[str, ...]:
    try:
        members = json.loads(text)
    except json.JSONDecodeError:
        members = None
    if not isinstance(members, list) or not all(isinstance(each, str) for each in members):
        raise SettingsError(f"{key} is {text!r}, and no list of texts")
    return tuple(sorted(set(members)))


def _conflicts(settings: Settings) -> Iterator[str]:
    """What single values cannot say, and what would let the table say less than it should."""
    named = (*settings.administrators, *settings.deletion_administrators, *settings.incident_responders)
    if not (settings.administrators or settings.administrator_patterns):
        yield "administrators is empty"
    if settings.app_principal_arn in named:
        yield "appPrincipalArn is the application and an administrator of its key"
    if settings.strict_key_policy and (
        len(settings.administrators) < 2 or settings.arn("iam", "root") in settings.administrators
    ):
        yield "strictKeyPolicy needs two administrators, neither of them the account itself"
    if settings.replica_regions and not settings.multi_region:
        yield "replicaRegions needs multiRegion"
    if any(partition_of(each) != settings.partition or each == settings.region for each in settings.replica_regions):
        yield "replicaRegions has the stack's own Region, or one of another partition"
    if settings.existing_trail_arn and not settings.trail_bucket:
        yield "existingTrailArn needs trailBucket"
    if set(settings.document_buckets) & {settings.own_bucket, settings.access_bucket}:
        yield "documentBuckets has a bucket of the audit trail"
    if settings.documents_key and not settings.document_buckets:
        yield "documentsKey needs documentBuckets"
    if "vercel" in settings.deploy_targets and not (settings.vercel_team and settings.vercel_project):
        yield "the deploy target vercel needs vercelTeam and vercelProject"
    if "eks" in settings.deploy_targets and not settings.eks_cluster:
        yield "the deploy target eks needs eksCluster"
    if settings.eks_identity == "irsa" and "eks" in settings.deploy_targets and not settings.eks_oidc_provider_arn:
        yield "eksIdentity irsa needs eksOidcProviderArn"
    if 0 < settings.trail_archive_days < 90:
        yield "trailArchiveDays is less than 90"


def correction(setting: str, stack: str) -> str:
    """The command that changes a setting; empty for what is none."""
    if setting not in _KEYS:
        return ""
    key = "aws:region" if setting == "region" else f"{PROJECT}:{setting}"
    is_list = str(_KEYS[setting].type).startswith("tuple")
    # Brackets mean something to a shell.
    where = f"--path '{key}[N]'" if is_list else key
    return f"pulumi config set --stack {stack} {where} VALUE"


def any_of(names: Iterable[str]) -> str:
    """Names of settings in a sentence."""
    return " or ".join(sorted(set(names)))
