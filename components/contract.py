"""The contract between the wizard, the stack's configuration and the Pulumi program: `Settings` in, `Outputs` out.

Pure: touches nothing but its arguments. Every rule about a value is checked here, and all faults are told together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

PROJECT = "eonpro-kms"
"""Name of the Pulumi project, hence the namespace of its configuration keys."""

DATA_KEY_VARIABLE = "ENCRYPTED_PHI_KEY"
"""The variable that carries the wrapped data key; also the last part of its escrow's name."""

APPLICATION_VARIABLES = ("AWS_REGION", "AWS_KMS_KEY_ID", DATA_KEY_VARIABLE)
"""What the application reads. They travel together: without the third it would make itself a new data key."""

ROTATION_DAYS = range(90, 2561)
"""Rotation periods that KMS takes, in days (EnableKeyRotation, RotationPeriodInDays)."""

DELETION_WINDOW_DAYS = 30
"""Days between ScheduleKeyDeletion and the loss of the key: the longest that KMS offers."""

SHORTEST_RETENTION_DAYS = 2192
"""Six years, two of them leap years: 45 CFR 164.316(b)(2)(i), applied to audit logs by common practice."""

DEFAULT_RETENTION_DAYS = 2557
"""Seven years: one to spare."""

_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-us-gov|aws-cn):(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>[0-9]{12}):(?P<rest>.+)"
)
_PRINCIPAL = re.compile(r"root|(user|role)/[\w+=,.@/-]+", re.ASCII)
_BUCKET = re.compile(r"(?!xn--|sthree-)[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9](?<!-s3alias)")


class Target(StrEnum):
    """Where the application runs."""

    VERCEL = "vercel"
    ECS = "ecs"


class ContractError(ValueError):
    """Settings that cannot be used. `faults` holds (field, what is wrong with it) for every one of them."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{field}: {fault}" for field, fault in faults))


def _account(value: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ValueError(f"{value!r} is not an AWS account id (12 digits)")
    return value


def _region(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", value):
        raise ValueError(f"{value!r} is not an AWS Region name such as us-east-1")
    return value


def _environment(value: str) -> str:
    if not re.fullmatch(r"[a-z](?:[a-z0-9-]{0,14}[a-z0-9])?", value):
        raise ValueError(
            f"{value!r} is not an environment name: up to 16 lower-case letters, digits and hyphens, a letter first"
        )
    return value


def _principal(value: str) -> str:
    if "*" in value:
        raise ValueError(f"{value!r} has a wildcard; KMS takes no wildcard in a principal's ARN")
    arn = _ARN.fullmatch(value)
    if arn is None or arn["service"] != "iam" or arn["region"] or not _PRINCIPAL.fullmatch(arn["rest"]):
        raise ValueError(
            f"{value!r} is not the ARN of an IAM user or role, such as arn:aws:iam::111122223333:role/admin"
        )
    return value


def _application(value: str) -> str:
    if _principal(value).endswith(":root"):
        raise ValueError("the account's root may not be the application")
    return value


def _role(value: str) -> str:
    if ":role/" not in _principal(value):
        raise ValueError(f"{value!r} is not the ARN of an IAM role")
    return value


def _trail(value: str) -> str:
    arn = _ARN.fullmatch(value)
    if arn is None or arn["service"] != "cloudtrail" or not arn["rest"].startswith("trail/"):
        raise ValueError(f"{value!r} is not the ARN of a CloudTrail trail")
    return value


def _oidc_provider(value: str) -> str:
    arn = _ARN.fullmatch(value)
    if arn is None or arn["service"] != "iam" or not re.match(r"oidc-provider/oidc\.vercel\.com(/|$)", arn["rest"]):
        raise ValueError(f"{value!r} is not the ARN of an IAM OIDC provider of Vercel's (oidc.vercel.com/<team>)")
    return value


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        raise ValueError(f"{value!r} is not an S3 bucket name: 3 to 63 lower-case letters, digits and hyphens")
    return value


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?", value):
        raise ValueError(f"{value!r} is not a Vercel slug: lower-case letters, digits, '.', '_' and '-'")
    return value


def _ecs_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", value):
        raise ValueError(f"{value!r} is not an ECS name: letters, digits, '-' and '_'")
    return value


AccountId = Annotated[str, AfterValidator(_account)]
Region = Annotated[str, AfterValidator(_region)]
Environment = Annotated[str, AfterValidator(_environment)]
PrincipalArn = Annotated[str, AfterValidator(_principal)]
ApplicationArn = Annotated[str, AfterValidator(_application)]
RoleArn = Annotated[str, AfterValidator(_role)]
TrailArn = Annotated[str, AfterValidator(_trail)]
OidcProviderArn = Annotated[str, AfterValidator(_oidc_provider)]
BucketName = Annotated[str, AfterValidator(_bucket)]
VercelSlug = Annotated[str, AfterValidator(_slug)]
EcsName = Annotated[str, AfterValidator(_ecs_name)]


@dataclass(frozen=True, kw_only=True)
class Names:
    """Every name the product gives to something in the account, for one environment (the guide's, for production)."""

    alias: str
    app_policy: str
    app_role: str
    execution_role: str
    parameter_policy: str
    trail: str
    trail_bucket: str
    parameter_prefix: str

    @property
    def escrow(self) -> str:
        """Name of the SSM parameter that holds the wrapped data key."""
        return f"{self.parameter_prefix}/{DATA_KEY_VARIABLE}"


class Settings(BaseModel):
    """What one environment shall be. Frozen; the same before and after its way through the stack's configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    account_id: AccountId
    region: Region
    environment: Environment = "production"
    administrators: tuple[PrincipalArn, ...] = Field(min_length=1)
    deploy_targets: tuple[Target, ...] = Field(min_length=1)
    app_principal_arn: ApplicationArn | None = None
    rotation_period_days: int = Field(default=365, ge=ROTATION_DAYS.start, lt=ROTATION_DAYS.stop)
    existing_trail_arn: TrailArn | None = None
    trail_bucket: BucketName | None = None
    trail_retention_days: int = Field(default=DEFAULT_RETENTION_DAYS, ge=SHORTEST_RETENTION_DAYS, le=36500)
    vercel_team: VercelSlug | None = None
    vercel_project: VercelSlug | None = None
    vercel_oidc_provider_arn: OidcProviderArn | None = None
    ecs_cluster: EcsName | None = None
    ecs_service: EcsName | None = None
    ecs_execution_role_arn: RoleArn | None = None

    @field_validator("administrators", "deploy_targets")
    @classmethod
    def _one_order_no_twins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        # One order, so that the same people named in another order are no change of the key policy.
        return tuple(sorted(set(values)))

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        faults = []
        for role, arns in (
            ("administrator", self.administrators),
            ("application principal", (self.app_principal_arn,)),
            ("execution role", (self.ecs_execution_role_arn,)),
            ("OIDC provider", (self.vercel_oidc_provider_arn,)),
        ):
            for arn in filter(None, arns):
                if arn.split(":")[4] != self.account_id:
                    faults.append(f"the {role} {arn} belongs to another account than {self.account_id}")
                elif arn.split(":")[1] != self.partition:
                    faults.append(f"the {role} {arn} is in another partition than {self.region} ({self.partition})")
        if self.app_principal_arn in self.administrators:
            faults.append(f"{self.app_principal_arn} cannot be the application and a key administrator at once")
        if Target.VERCEL in self.deploy_targets and not (self.vercel_team and self.vercel_project):
            faults.append("the deploy target vercel needs vercelTeam and vercelProject")
        if self.ecs_service and not self.ecs_cluster:
            faults.append("ecsService needs ecsCluster")
        if self.existing_trail_arn and not self.trail_bucket:
            faults.append("existingTrailArn needs trailBucket, the bucket that trail writes to")
        if len(self.names.trail_bucket) > 63:
            faults.append(f"the bucket name {self.names.trail_bucket} is longer than 63 characters: set trailBucket")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def partition(self) -> str:
        """The AWS partition of the Region."""
        return {"us-gov": "aws-us-gov", "cn": "aws-cn"}.get(self.region.rsplit("-", 2)[0], "aws")

    @property
    def names(self) -> Names:
        """The names of this environment's things."""
        suffix = "" if self.environment == "production" else f"-{self.environment}"
        return Names(
            alias=f"alias/eonpro-phi-key{suffix}",
            app_policy=f"EONPROKMSAccess{suffix}",
            app_role=f"eonpro-app-role{suffix}",
            execution_role=f"eonpro-execution-role{suffix}",
            parameter_policy=f"EONPROParameterAccess{suffix}",
            trail=f"eonpro-audit-trail{suffix}",
            trail_bucket=self.trail_bucket or f"eonpro-cloudtrail-logs-{self.account_id}-{self.region}{suffix}",
            parameter_prefix=f"/eonpro/{self.environment}",
        )

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that takes tags."""
        return {"Application": "EONPRO", "Environment": self.environment.capitalize()}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Settings from values by field name.

        Raises ContractError with every fault.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ContractError(_faults(error)) from error

    def to_config(self) -> dict[str, str | int | list[str]]:
        """The stack configuration, by full key. Nothing in it is secret; a field that is None has no key."""
        config: dict[str, str | int | list[str]] = {
            "aws:region": self.region,
            "aws:allowedAccountIds": [self.account_id],
        }
        for field, value in self.model_dump(exclude={"region"}, exclude_none=True, mode="json", by_alias=True).items():
            config[f"{PROJECT}:{field}"] = value
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, str | None]) -> Self:
        """Settings from stack configuration, as the engine gives it: strings, lists in JSON; empty means unset.

        Keys of other namespaces than the project's are passed over, but for `aws:region`.
        Raises ContractError with every fault, each under the name of its key.
        """
        values: dict[str, Any] = {"region": config.get("aws:region") or ""}
        no_lists: dict[str, str] = {}
        for key, text in config.items():
            namespace, _, field = key.partition(":")
            if namespace != PROJECT or text in (None, "", "[]"):
                continue
            values[field] = _from_json(text) if field in _LISTS else text
            if values[field] is None:
                no_lists[field] = (
                    f"{text!r} is not a list; set its members: pulumi config set --path '{PROJECT}:{field}[0]' …"
                )
        try:
            return cls.read(values)
        except ContractError as error:
            # What the list's members would be cannot be told of a list that is none.
            raise ContractError(
                tuple((field, no_lists.get(field, fault)) for field, fault in error.faults)
            ) from error.__cause__


_LISTS = ("administrators", "deployTargets")

CONFIG_KEYS = tuple(to_camel(field) for field in Settings.model_fields if field != "region")
"""The project's own configuration keys, without the namespace."""


def _from_json(text: str | None) -> list[Any] | None:
    try:
        value = json.loads(text or "")
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None


def _faults(error: ValidationError) -> tuple[tuple[str, str], ...]:
    details = error.errors()
    wrong_members = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
    faults: list[tuple[str, str]] = []
    for detail in details:
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        # A list whose members were all refused is no longer empty for a reason of its own.
        if detail["type"] == "too_short" and name in wrong_members:
            continue
        if detail["type"] == "missing" or (name == "region" and detail["input"] == ""):
            faults.append((to_camel(name), "is missing"))
        else:
            told = str(detail["msg"]).removeprefix("Value error, ")
            faults += [(to_camel(name), each) for each in (told.split("; ") if name == "settings" else [told])]
    return tuple(faults)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What the stack tells: its outputs, under the names that other programs rely on."""

    key_arn: str
    key_id: str
    alias_name: str
    app_policy_arn: str
    app_principal_arn: str
    trail_arn: str
    trail_bucket: str
    parameter_prefix: str
    task_secrets: tuple[tuple[str, str], ...] = ()
    """(name, valueFrom) of each entry of an ECS container definition's `secrets`; empty without ECS."""

    @classmethod
    def read(cls, outputs: Mapping[str, Any]) -> Self:
        """Outputs from the stack's output values. Raises ContractError naming every output that is missing."""
        names = [name for name in cls.__dataclass_fields__ if name != "task_secrets"]
        missing = tuple(
            (to_camel(name), "the stack has no such output") for name in names if not outputs.get(to_camel(name))
        )
        if missing:
            raise ContractError(missing)
        secrets = tuple((entry["name"], entry["valueFrom"]) for entry in outputs.get("taskSecrets") or ())
        return cls(**{name: str(outputs[to_camel(name)]) for name in names}, task_secrets=secrets)
