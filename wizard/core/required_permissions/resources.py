"""The resources that the setup touches, by the ARNs that they have or will have, and the features that settings use.

Pure. The actions are in `wizard.core.required_permissions.table`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from components.policies.boundary import bounded_arns
from components.policies.named_resources import named_resources
from components.policies.stack import (
    alert_rules_of,
    other_keys_of,
    stored_key_arns_of,
    variable_arns_of,
    version_arns_of,
)
from components.settings import ObjectLock, ResourceKind, Settings, Target
from components.targets import vercel
from components.targets.platform import platforms


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The inputs of an operator's policy."""

    settings: Settings
    operator: str
    """The ARN of the operator. A key administrator gets the actions on existing keys from the key policies."""
    imports: bool = False
    """Whether resources that were created manually are imported."""

    @property
    def administers(self) -> bool:
        """Whether the operator is an administrator of the keys."""
        return self.operator in self.settings.administrators or any(
            fnmatchcase(self.operator, pattern) for pattern in self.settings.administrator_patterns
        )


def _runs_on(target: Target, setup: Setup) -> bool:
    return target in setup.settings.deploy_targets


FEATURES: Mapping[str, Callable[[Setup], bool]] = {
    "import": lambda setup: setup.imports or bool(setup.settings.adopted),
    "access logs": lambda setup: setup.settings.access_logging,
    "alert e-mails": lambda setup: bool(setup.settings.alert_emails),
    "Object Lock": lambda setup: setup.settings.trail_lock is not ObjectLock.NONE,
    "Parameter Store": lambda setup: not _in_secrets(setup.settings),
    "Secrets Manager": lambda setup: _in_secrets(setup.settings),
    **{each.feature: partial(_runs_on, name) for name, each in platforms().items() if each.feature},
    "existing trail": lambda setup: not setup.settings.makes_trail,
    "multi-Region": lambda setup: setup.settings.multi_region,
    "replicas": lambda setup: bool(setup.settings.replica_regions),
    "several targets of the role": lambda setup: len(setup.settings.deploy_targets) - setup.settings.makes_user > 1,
    "Vercel OIDC": lambda setup: setup.settings.trusts_vercel,
    "Vercel user": lambda setup: setup.settings.makes_user,
    "CloudWatch Logs": lambda setup: setup.settings.cloudwatch_logs,
}
"""Features: a setup that has one may need more actions on the same resource than a setup without it."""


def resources_of(setup: Setup) -> dict[str, tuple[str, ...]]:
    """The ARNs of all resources that this setup touches, by the resource's name; `*` where there is no ARN."""
    arns_by_name = {
        **_keys(setup),
        **_administrators(setup),
        **_principals(setup.settings),
        **_stores(setup),
        **_trail(setup),
        **_alerts(setup.settings),
        "documents' buckets": [setup.settings.arn("s3", bucket) for bucket in setup.settings.document_buckets],
        "account": ("*",),
    }
    return {name: tuple(arns) for name, arns in arns_by_name.items() if arns}


def _regional(settings: Settings, service: str, rest: str, *, everywhere: bool = False) -> list[str]:
    regions = settings.regions if everywhere else (settings.region,)
    return [settings.arn(service, rest, region=region) for region in regions]


def _keys(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    names = settings.names
    has_imported_alias = any(entry.startswith(f"{ResourceKind.ALIAS}=") for entry in settings.adopted)
    imported_alias = _regional(settings, "kms", names.alias)[0] if has_imported_alias else None
    linked = "aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
    return {
        "new keys": _regional(settings, "kms", "key/*", everywhere=True),
        "keys": [] if setup.administers else _regional(settings, "kms", "key/*", everywhere=True),
        "key aliases": [
            *(arn for arn in _regional(settings, "kms", names.alias, everywhere=True) if arn != imported_alias),
            *(arn for key in other_keys_of(settings) for arn in _regional(settings, "kms", key.alias)),
        ],
        REPLICAS_ELSEWHERE: _replicas_elsewhere(settings),
        "role of the replicas": [settings.arn("iam", f"role/{linked}")] if settings.multi_region else [],
    }


REPLICAS_ELSEWHERE = "replicas elsewhere"
"""The replicas of the key in Regions that the settings do not name, which have none of its tags: they are only read."""


def _replicas_elsewhere(settings: Settings) -> list[str]:
    return [settings.arn("kms", "key/mrk-*", region="*")] if settings.multi_region else []


BOUNDARY = "permissions boundary"
"""The policy that limits what the stack makes. It is only read, where the simulator says that it denies something."""


def _administrators(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    named = {*settings.administrators, *settings.deletion_administrators, *settings.incident_responders}
    named -= {setup.operator}
    return {
        "administrators, users": sorted(arn for arn in named if ":user/" in arn),
        "administrators, roles": sorted(arn for arn in named if ":role/" in arn),
    }


def _named(settings: Settings) -> dict[str, list[str]]:
    """The resources with a unique name that the stack makes."""
    made: dict[str, list[str]] = {}
    for row in named_resources(settings):
        if row.is_made and row.permission:
            made.setdefault(row.permission, []).append(row.arn)
    return made


def _principals(settings: Settings) -> dict[str, list[str]]:
    existing = settings.app_principal_arn
    user = existing if existing and ":user/" in existing else None
    role = existing if existing and ":role/" in existing else None
    provider, boundary = vercel.provider_arn_of(settings), settings.permissions_boundary_arn
    return {
        **_named(settings),
        "existing application user": [user] if user else [],
        "existing application role": [role] if role else [],
        "Vercel's identity provider": [provider] if settings.trusts_vercel and provider else [],
        **{name: [arn] for each in platforms().values() for name, arn in each.existing(settings).items() if arn},
        BOUNDARY: [boundary] if boundary and bounded_arns(settings) else [],
        # The operator's own name is not known here, and the simulator tells nothing that its policies do not grant.
        "callers": [settings.arn("iam", "user/*"), settings.arn("iam", "role/*")],
    }


def _in_secrets(settings: Settings) -> bool:
    return settings.secret_store == "secrets-manager"


LOGS_KEY = "logs' key"
"""The key of the audit logs, whose only use by an auditor is through S3, for the trail's objects."""


def _stores(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    prefix = settings.names.parameter_prefix
    guides = (settings.names.guide_data_key, settings.names.guide_key)
    guide = [arn for name in guides for arn in _regional(settings, "ssm", f"parameter{name}")]
    variables = _variables(settings, _others(settings), settings.regions) if settings.uses_store else []
    records = {name for each in settings.of_each_key for name in (each.names.last_backup, each.names.last_drill)}
    return {
        "guide's parameters": guide if setup.imports else [],
        "parameters": _regional(settings, "ssm", f"parameter{prefix}/*", everywhere=True),
        "delivered parameters": [] if _in_secrets(settings) else variables,
        RECORDS: [arn for name in sorted(records) for arn in _regional(settings, "ssm", f"parameter{name}")],
        "secrets": _regional(settings, "secretsmanager", f"secret:{prefix}/*", everywhere=True),
        "delivered secrets": variables if _in_secrets(settings) else [],
    }


RECORDS = "records of backups"
"""What `backup` writes; a set-up does not."""
STORED_KEYS = "stored keys"
COPIES = "copies of the keys"
CREATE_ONLY = frozenset({"parameters", COPIES})
"""The parameters that are created and not overwritten."""


def kept_keys_of(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The stored keys, and the entries of their versions with the folders in which they are listed."""
    entries = version_arns_of(settings)
    folders = [] if _in_secrets(settings) else [entry.removesuffix("/*") for entry in entries]
    return {STORED_KEYS: tuple(stored_key_arns_of(settings)), "versions": (*folders, *entries)}


def variables_of(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The variables that a delivery reads and writes, and the keys, which it only reads.

    A stored key is only created, in other Regions.
    """
    written = _variables(settings, _others(settings), settings.regions)
    copies = _variables(settings, settings.wrapped_keys, settings.replica_regions)
    elsewhere = _replicas_elsewhere(settings)
    return {
        "account": ("*",),
        # Whether anybody has more on the key than the settings give.
        "keys": tuple(_regional(settings, "kms", "key/*", everywhere=True)),
        **({REPLICAS_ELSEWHERE: tuple(elsewhere)} if elsewhere else {}),
        "variables": tuple(_variables(settings, settings.variables, settings.regions)),
        **({"delivered variables": tuple(written)} if settings.uses_store else {}),
        **({COPIES: tuple(copies)} if settings.uses_store and copies else {}),
    }


def _others(settings: Settings) -> list[str]:
    return [name for name in settings.variables if name not in settings.wrapped_keys]


def _variables(settings: Settings, names: Sequence[str], regions: Sequence[str]) -> list[str]:
    arns = [variable_arns_of(settings, region)[name] for region in regions for name in names]
    # Secrets Manager adds six random characters to a secret's ARN.
    return [f"{name}-??????" for name in arns] if _in_secrets(settings) else arns


def _trail(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    names, existing = settings.names, settings.existing_trail_arn
    bucket = settings.arn("s3", "")
    if existing is not None:
        return {"existing trail": [existing], "existing trail's bucket": [bucket + names.trail_bucket]}
    group = f"log-group:{names.log_group}"
    logs = settings.cloudwatch_logs
    return {
        "trail's bucket": [
            bucket + name for name in (_possible_buckets(settings) if setup.imports else [names.trail_bucket])
        ],
        "access logs' bucket": [bucket + names.access_log_bucket] if settings.access_logging else [],
        # The actions on its tags need the ARN without `:*`.
        "log group": [*_regional(settings, "logs", group), *_regional(settings, "logs", f"{group}:*")] if logs else [],
    }


def _possible_buckets(settings: Settings) -> list[str]:
    """The names that a bucket created manually may have: the one in the settings, the default, the guide's."""
    usual = settings.model_copy(update={"trail_bucket": None}).names.trail_bucket
    guides = f"{settings.application}-cloudtrail-logs-{settings.account_id}"
    return list(dict.fromkeys([settings.names.trail_bucket, usual, guides]))


def _alerts(settings: Settings) -> dict[str, list[str]]:
    if not settings.alerts:
        return {}
    names, rules = settings.names, alert_rules_of(settings)
    return {
        "alerts' rules": [settings.arn("events", f"rule/{rule.name}", region=rule.region) for rule in rules],
        "alarm": _regional(settings, "cloudwatch", f"alarm:{names.denied_use_rule}"),
        "alarms": _regional(settings, "cloudwatch", "alarm:*"),
    }
