"""The table of the stack's resources that have a unique name: AWS holds one of each, whoever made it.

Pure. Preflight, the import, the recovery of a run that AWS finished alone, and the permissions of an operator read it.
Keys and aliases are no rows: they are found by tags and by their target.
"""

from dataclasses import dataclass
from functools import partial

from components.policies.stack import forwards_events, logs_to_cloudwatch, reading_policy_of, trail_arn_of
from components.settings import ResourceKind, Settings
from components.settings.arn import Arn
from components.targets import vercel

ROLE, USER, POLICY = "aws:iam/role:Role", "aws:iam/user:User", "aws:iam/policy:Policy"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
BUCKET, LOG_GROUP = "aws:s3/bucket:Bucket", "aws:cloudwatch/logGroup:LogGroup"
TOPIC, TRAIL = "aws:sns/topic:Topic", "aws:cloudtrail/trail:Trail"

_TYPES = {
    ROLE: ("iam", "role/"),
    USER: ("iam", "user/"),
    POLICY: ("iam", "policy/"),
    LOG_GROUP: ("logs", "log-group:"),
    TOPIC: ("sns", ""),
}
"""The service of each type's ARN, and what stands before the name there."""

SERVICES = tuple(dict.fromkeys(service for service, _ in _TYPES.values()))
"""Their services: a command that only reads may read them."""


@dataclass(frozen=True, kw_only=True)
class NamedResource:
    field: str
    """Its field of `Names`; `oidc_provider` for the one that is named after its issuer, which counts where the
    application's role trusts it, whoever made it."""
    type: str
    """Pulumi's token, which says how AWS is asked for it and for its tags."""
    noun: str
    """What a person calls it."""
    name: str
    arn: str
    """A bucket's is its name, by which people know it."""
    is_made: bool
    """Whether the stack of these settings makes it."""
    permission: str
    """Its name in the table of permissions; empty where that has other ARNs than this one."""
    imported_as: ResourceKind | None = None
    """The kind under which an import takes it, if it has the stack's tags."""

    @property
    def id(self) -> str:
        """The engine's import id."""
        return self.name if self.type in (ROLE, USER, BUCKET, LOG_GROUP) else self.arn


def _row(
    settings: Settings,
    field: str,
    type_: str,
    noun: str,
    is_made: bool,
    permission: str = "",
    imported_as: ResourceKind | None = None,
    *,
    arn: str = "",
) -> NamedResource:
    name = Arn.parse(arn).path if type_ == OIDC_PROVIDER else getattr(settings.names, field)
    if not arn:
        service, before = _TYPES[type_]
        arn = settings.arn(service, f"{before}{name}")
    return NamedResource(
        field=field,
        type=type_,
        noun=noun,
        name=name,
        arn=arn,
        is_made=is_made,
        permission=permission,
        imported_as=imported_as,
    )


def named_resources(settings: Settings) -> tuple[NamedResource, ...]:
    """The rows for these settings, those too that they do not make."""
    names, kind, makes_trail = settings.names, ResourceKind, settings.makes_trail
    row = partial(_row, settings)
    reading, reads = reading_policy_of(settings)[0] if settings.uses_store else "", "policy that reads the variables"
    provider = vercel.provider_arn_of(settings) if settings.trusts_vercel else None
    is_made = settings.makes_vercel_provider
    of_vercel = [row("oidc_provider", OIDC_PROVIDER, "OIDC provider", is_made, arn=provider)] if provider else []
    logs = makes_trail and logs_to_cloudwatch(settings)
    logs_reads = settings.owns_bucket and settings.access_logging
    return (
        row("app_role", ROLE, "role", settings.makes_role, "application's role"),
        row("app_user", USER, "user", settings.makes_user, "application's user", kind.APPLICATION_USER),
        row("execution_role", ROLE, "role", settings.makes_execution_role, "execution role", kind.EXECUTION_ROLE),
        row("app_policy", POLICY, "policy", True, "application's policy"),
        row(
            "secrets_role",
            ROLE,
            "role",
            settings.makes_secrets_role,
            "role that reads the variables",
            kind.SECRETS_ROLE,
        ),
        row("parameter_policy", POLICY, "policy", reading == names.parameter_policy, reads, kind.VARIABLES_POLICY),
        row("secret_policy", POLICY, "policy", reading == names.secret_policy, reads, kind.VARIABLES_POLICY),
        *of_vercel,
        row("log_role", ROLE, "role", logs, "log role", kind.LOG_ROLE),
        row("log_group", LOG_GROUP, "log group", logs, imported_as=kind.LOG_GROUP),
        row("alert_topic", TOPIC, "alert topic", settings.alerts, "alerts' topic", kind.ALERT_TOPIC),
        row(
            "fallback_topic",
            TOPIC,
            "fallback topic of the alerts",
            settings.alerts,
            "alerts' topic",
            kind.FALLBACK_TOPIC,
        ),
        row("forwarding_role", ROLE, "role", forwards_events(settings), "forwarding role"),
        row("trail", TRAIL, "trail", makes_trail, "trail", arn=trail_arn_of(settings)),
        row("trail_bucket", BUCKET, "bucket", makes_trail, arn=names.trail_bucket),
        row("access_log_bucket", BUCKET, "bucket", logs_reads, arn=names.access_log_bucket),
    )
