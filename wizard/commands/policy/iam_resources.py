"""What the set-up touches in an account, each thing by the ARNs it has or will have, and what settings ask for.

Pure: settings in, ARNs and yes or no out. Says nothing of actions: those are measured (`wizard.commands.policy.operator_actions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components import policies
from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A set-up as its operator's policy sees it."""

    settings: Settings
    operator: str
    """The ARN of who runs it. An administrator of the keys has from their policies what is done with them."""
    adopts: bool = False
    """Whether it takes in what was set up by hand."""

    @property
    def administers(self) -> bool:
        """Whether the operator is an administrator of the keys."""
        return self.operator in self.settings.administrators


FEATURES: Mapping[str, Callable[[Setup], bool]] = {
    "adoption": lambda setup: setup.adopts or bool(setup.settings.adopted),
    "alert e-mails": lambda setup: bool(setup.settings.alert_emails),
    "Parameter Store": lambda setup: not _in_secrets(setup.settings),
    "Secrets Manager": lambda setup: _in_secrets(setup.settings),
    "ECS": lambda setup: setup.settings.execution_role_arn is not None,
    "EKS": lambda setup: setup.settings.makes_secrets_role,
    "existing trail": lambda setup: setup.settings.existing_trail_arn is not None,
    "multi-Region": lambda setup: setup.settings.multi_region,
    "replicas": lambda setup: bool(setup.settings.replica_regions),
    "several targets of the role": lambda setup: len(setup.settings.deploy_targets) - setup.settings.makes_user > 1,
    "Vercel OIDC": lambda setup: setup.settings.trusts_vercel,
    "Vercel user": lambda setup: setup.settings.makes_user,
    "CloudWatch Logs": lambda setup: setup.settings.cloudwatch_logs,
}
"""What makes one set-up need an action on a thing that another does not need on the same thing."""


def things(setup: Setup) -> dict[str, tuple[str, ...]]:
    """The ARNs of everything that this set-up touches, by the name of the thing; `*` is what has no ARN."""
    found = {
        **_keys(setup),
        **_administrators(setup),
        **_principals(setup.settings),
        **_stores(setup),
        **_trail(setup),
        **_alerts(setup.settings),
        "account": ("*",),
    }
    return {name: tuple(arns) for name, arns in found.items() if arns}


def _regional(settings: Settings, service: str, rest: str, *, everywhere: bool = False) -> list[str]:
    regions = settings.regions if everywhere else (settings.region,)
    return [f"arn:{settings.partition}:{service}:{region}:{settings.account_id}:{rest}" for region in regions]


def _iam(settings: Settings, rest: str) -> str:
    return f"arn:{settings.partition}:iam::{settings.account_id}:{rest}"


def _keys(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    names = settings.names
    linked = "aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
    return {
        "new keys": _regional(settings, "kms", "key/*", everywhere=True),
        "keys": [] if setup.administers else _regional(settings, "kms", "key/*", everywhere=True),
        "key aliases": [
            *_regional(settings, "kms", names.alias, everywhere=True),
            *(
                _regional(settings, "kms", names.trail_key_alias)
                if _makes_trail(settings) and settings.trail_key
                else []
            ),
        ],
        "role of the replicas": [_iam(settings, f"role/{linked}")] if settings.multi_region else [],
    }


def _administrators(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    named = {*settings.administrators, *settings.deletion_administrators} - {setup.operator}
    return {
        "administrators, users": sorted(arn for arn in named if ":user/" in arn),
        "administrators, roles": sorted(arn for arn in named if ":role/" in arn),
    }


def _principals(settings: Settings) -> dict[str, list[str]]:
    names, existing = settings.names, settings.app_principal_arn
    user = existing if existing and ":user/" in existing else None
    role = existing if existing and ":role/" in existing else None
    provider = settings.vercel_oidc_provider_arn or policies.vercel_oidc_provider_arn(
        account_id=settings.account_id, team=settings.vercel_team or "", partition=settings.partition
    )
    return {
        "application's role": [_iam(settings, f"role/{names.app_role}")] if settings.makes_role else [],
        "application's user": [_iam(settings, f"user/{names.app_user}")] if settings.makes_user else [],
        "application's own principal": [arn for arn in (user, role) if arn],
        "application's policy": [_iam(settings, f"policy/{names.app_policy}")],
        "Vercel's identity provider": [provider] if settings.trusts_vercel else [],
        "cluster's identity provider": [settings.eks_oidc_provider_arn] if settings.eks_oidc_provider_arn else [],
        "execution role": [_iam(settings, f"role/{names.execution_role}")] if settings.makes_execution_role else [],
        "existing execution role": [settings.ecs_execution_role_arn] if settings.ecs_execution_role_arn else [],
        "role that reads the variables": [_iam(settings, f"role/{names.secrets_role}")]
        if settings.makes_secrets_role
        else [],
        "policy that reads the variables": [
            _iam(settings, f"policy/{names.secret_policy if _in_secrets(settings) else names.parameter_policy}")
        ]
        if settings.uses_store
        else [],
        # The operator's own name is not known here, and the simulator tells nothing that its policies do not grant.
        "callers": [_iam(settings, "user/*"), _iam(settings, "role/*")],
    }


def _in_secrets(settings: Settings) -> bool:
    return settings.secret_store == "secrets-manager"


GUIDES_PARAMETERS = ("parameter/eonpro/ENCRYPTED_PHI_KEY", "parameter/eonpro/AWS_KMS_KEY_ID")
"""Where the guide's script for ECS puts the variables: their names carry no environment."""


def _stores(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    prefix = settings.names.parameter_prefix
    by_hand = [arn for name in GUIDES_PARAMETERS for arn in _regional(settings, "ssm", name)]
    return {
        "guide's parameters": by_hand if setup.adopts else [],
        "parameters": _regional(settings, "ssm", f"parameter{prefix}/*", everywhere=True),
        "secrets": _regional(settings, "secretsmanager", f"secret:{prefix}/*", everywhere=True),
    }


def _makes_trail(settings: Settings) -> bool:
    return settings.existing_trail_arn is None


def _trail(setup: Setup) -> dict[str, list[str]]:
    settings = setup.settings
    names, theirs = settings.names, settings.existing_trail_arn
    bucket = f"arn:{settings.partition}:s3:::"
    if theirs is not None:
        return {"existing trail": [theirs], "existing trail's bucket": [bucket + names.trail_bucket]}
    trail = policies.trail_arn(
        account_id=settings.account_id, region=settings.region, name=names.trail, partition=settings.partition
    )
    group = f"log-group:{names.log_group}"
    logs = settings.cloudwatch_logs
    return {
        "trail": [trail],
        "trail's bucket": [
            bucket + name for name in (_found_buckets(settings) if setup.adopts else [names.trail_bucket])
        ],
        "access logs' bucket": [bucket + names.access_log_bucket] if settings.access_logging else [],
        # The actions on its tags take the ARN without the ending.
        "log group": [*_regional(settings, "logs", group), *_regional(settings, "logs", f"{group}:*")] if logs else [],
        "log role": [_iam(settings, f"role/{names.log_role}")] if logs else [],
    }


def _found_buckets(settings: Settings) -> list[str]:
    """The names that a bucket made by hand may have: the one given, the usual one, the guide's."""
    usual = settings.model_copy(update={"trail_bucket": None}).names.trail_bucket
    return list(dict.fromkeys([settings.names.trail_bucket, usual, f"eonpro-cloudtrail-logs-{settings.account_id}"]))


def _alerts(settings: Settings) -> dict[str, list[str]]:
    if not settings.alerts:
        return {}
    names = settings.names
    home = settings.existing_trail_arn or ""
    trail_rule = _makes_trail(settings) or home.split(":")[3:5] == [settings.region, settings.account_id]
    return {
        "alerts' topic": _regional(settings, "sns", names.alert_topic),
        "alerts' rules": [
            *_regional(settings, "events", f"rule/{names.key_changes_rule}", everywhere=True),
            *(_regional(settings, "events", f"rule/{names.trail_changes_rule}") if trail_rule else []),
            *_regional(settings, "events", f"rule/{names.denied_use_rule}", everywhere=True),
        ],
        "alarm": _regional(settings, "cloudwatch", f"alarm:{names.denied_use_rule}"),
        "alarms": _regional(settings, "cloudwatch", "alarm:*"),
        "forwarding role": [_iam(settings, f"role/{names.forwarding_role}")] if settings.replica_regions else [],
    }
