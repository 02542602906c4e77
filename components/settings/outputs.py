"""The stack's outputs, under the names that other programs rely on.

Pure.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Self

from pydantic.alias_generators import to_camel

from components.settings.application import Target
from components.settings.arn import Arn
from components.settings.settings import PROJECT, Settings
from components.settings.values import ContractError


@dataclass(frozen=True, kw_only=True)
class Outputs:
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
    app_user_arn: str | None = None
    """The IAM user of the application on Vercel; None without one."""
    secrets_role_arn: str | None = None
    """The role that External Secrets reads the variables with; None without EKS."""
    replica_key_arns: tuple[str, ...] = ()
    documents_key_arn: str | None = None
    """The key of the application's documents in S3; None without one."""
    program_version: str = ""
    """The version of this program that made the last update; empty for one before 1.1.0."""

    @property
    def app_principal_arns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, (self.app_principal_arn, self.app_user_arn))))

    def principal_of(self, target: str) -> str:
        return self.app_user_arn or self.app_principal_arn if target == Target.VERCEL else self.app_principal_arn

    @property
    def key_arns(self) -> tuple[str, ...]:
        return (self.key_arn, *self.replica_key_arns)

    @property
    def replica_regions(self) -> tuple[str, ...]:
        return tuple(Arn.parse(arn).region for arn in self.replica_key_arns)

    @property
    def regions(self) -> tuple[str, ...]:
        """The Regions with the key or a replica of it, the key's own first."""
        return (Arn.parse(self.key_arn).region, *self.replica_regions)

    @classmethod
    def read(cls, outputs: Mapping[str, Any]) -> Self:
        """Outputs from the stack's output values. Raises ContractError naming every output that is missing."""
        missing = tuple(
            (to_camel(name), "the stack has no such output") for name in _REQUIRED if not outputs.get(to_camel(name))
        )
        if missing:
            raise ContractError(missing)
        return cls(
            **{name: str(outputs[to_camel(name)]) for name in _REQUIRED},
            task_secrets=tuple((entry["name"], entry["valueFrom"]) for entry in outputs.get("taskSecrets") or ()),
            app_user_arn=outputs.get("appUserArn") or None,
            secrets_role_arn=outputs.get("secretsRoleArn") or None,
            replica_key_arns=tuple(outputs.get("replicaKeyArns") or ()),
            documents_key_arn=outputs.get("documentsKeyArn") or None,
            program_version=str(outputs.get("programVersion") or ""),
        )


def replaced_by(
    settings: Settings, *, key_arn: str, parameter_prefix: str, trail_bucket: str | None = None
) -> tuple[tuple[str, str, str], ...]:
    """The settings that would replace a deployed stack, by its outputs: (configuration key, the stack's value, theirs).

    Names in the account follow from these values. `trail_bucket`: the one that the stack made; None without one.
    """
    _, application, environment = parameter_prefix.split("/")
    own = (
        ("aws:region", Arn.parse(key_arn).region, settings.region),
        (f"{PROJECT}:application", application, settings.application),
        (f"{PROJECT}:environment", environment, settings.environment),
    )
    changed = tuple(each for each in own if each[1] != each[2])
    bucket = settings.names.trail_bucket
    if changed or trail_bucket in (None, bucket) or not settings.makes_trail:
        return changed  # Without a bucket in the settings its name follows from the others.
    return ((f"{PROJECT}:trailBucket", trail_bucket, bucket),)


_REQUIRED = tuple(name for name, field in Outputs.__dataclass_fields__.items() if field.default is MISSING)
