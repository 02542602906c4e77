"""The table of the stack's resources that have a unique name: AWS holds one of each, whoever made it.

Pure. Preflight, the import, the recovery of a run that AWS finished alone, and the permissions of an operator read it.
Keys and aliases are no rows: they are found by tags and by their target.
"""

from dataclasses import dataclass

from components.policies.stack import (
    forwards_events,
    log_group_arn_of,
    logs_to_cloudwatch,
    reading_policy_of,
    trail_arn_of,
)
from components.settings import ImportGroup, ResourceKind, Settings
from components.settings.arn import Arn
from components.targets import vercel

ROLE, USER, POLICY = "aws:iam/role:Role", "aws:iam/user:User", "aws:iam/policy:Policy"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
BUCKET, LOG_GROUP = "aws:s3/bucket:Bucket", "aws:cloudwatch/logGroup:LogGroup"
TOPIC, TRAIL = "aws:sns/topic:Topic", "aws:cloudtrail/trail:Trail"


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


def named_resources(settings: Settings) -> tuple[NamedResource, ...]:
    """The rows for these settings, those too that they do not make."""
    names, makes_trail = settings.names, settings.makes_trail
    provider = vercel.provider_arn_of(settings)
    is_forwarding = forwards_events(settings)
    logs = makes_trail and logs_to_cloudwatch(settings)
    logs_reads = makes_trail and settings.access_logging and ImportGroup.BUCKET not in settings.kept_as_found

    def principal(
        field: str, is_made: bool, permission: str, imported_as: ResourceKind | None = None, type_: str = ROLE
    ) -> NamedResource:
        name, noun = getattr(names, field), "user" if type_ == USER else "role"
        return NamedResource(
            field=field,
            type=type_,
            noun=noun,
            name=name,
            arn=settings.arn("iam", f"{noun}/{name}"),
            is_made=is_made,
            permission=permission,
            imported_as=imported_as,
        )

    def policy(field: str, is_made: bool, permission: str, imported_as: ResourceKind | None = None) -> NamedResource:
        name = getattr(names, field)
        return NamedResource(
            field=field,
            type=POLICY,
            noun="policy",
            name=name,
            arn=settings.arn("iam", f"policy/{name}"),
            is_made=is_made,
            permission=permission,
            imported_as=imported_as,
        )

    def bucket(field: str, is_made: bool) -> NamedResource:
        name = getattr(names, field)
        return NamedResource(
            field=field, type=BUCKET, noun="bucket", name=name, arn=name, is_made=is_made, permission=""
        )

    reading, reads = reading_policy_of(settings)[0] if settings.uses_store else "", "policy that reads the variables"
    return (
        principal("app_role", settings.makes_role, "application's role"),
        principal("app_user", settings.makes_user, "application's user", ResourceKind.APPLICATION_USER, USER),
        principal("execution_role", settings.makes_execution_role, "execution role", ResourceKind.EXECUTION_ROLE),
        policy("app_policy", True, "application's policy"),
        principal(
            "secrets_role", settings.makes_secrets_role, "role that reads the variables", ResourceKind.SECRETS_ROLE
        ),
        policy("parameter_policy", reading == names.parameter_policy, reads, ResourceKind.VARIABLES_POLICY),
        policy("secret_policy", reading == names.secret_policy, reads, ResourceKind.VARIABLES_POLICY),
        *(
            NamedResource(
                field="oidc_provider",
                type=OIDC_PROVIDER,
                noun="OIDC provider",
                name=Arn.parse(arn).path,
                arn=arn,
                is_made=settings.makes_vercel_provider,
                permission="",
            )
            for arn in filter(None, [provider if settings.trusts_vercel else None])
        ),
        principal("log_role", logs, "log role", ResourceKind.LOG_ROLE),
        NamedResource(
            field="log_group",
            type=LOG_GROUP,
            noun="log group",
            name=names.log_group,
            arn=log_group_arn_of(settings),
            is_made=logs,
            permission="",
            imported_as=ResourceKind.LOG_GROUP,
        ),
        *(
            NamedResource(
                field=field,
                type=TOPIC,
                noun=noun,
                name=getattr(names, field),
                arn=settings.arn("sns", getattr(names, field)),
                is_made=settings.alerts,
                permission="alerts' topic",
                imported_as=kind,
            )
            for field, noun, kind in (
                ("alert_topic", "alert topic", ResourceKind.ALERT_TOPIC),
                ("fallback_topic", "fallback topic of the alerts", ResourceKind.FALLBACK_TOPIC),
            )
        ),
        principal("forwarding_role", is_forwarding, "forwarding role"),
        NamedResource(
            field="trail",
            type=TRAIL,
            noun="trail",
            name=names.trail,
            arn=trail_arn_of(settings),
            is_made=makes_trail,
            permission="trail",
        ),
        bucket("trail_bucket", makes_trail),
        bucket("access_log_bucket", logs_reads),
    )
