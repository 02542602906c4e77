"""The existing resources under the stack's names: those of others, and those of a crashed run.

Reads keys through the AWS port; everything else is pure.
"""

from collections.abc import Mapping

from components.settings import ImportGroup, Settings
from components.settings.arn import Arn, resource_name
from wizard.core.errors import Problem
from wizard.core.models.account import Existing, KeyFact
from wizard.core.models.delivery import StackState
from wizard.core.models.stack import Step
from wizard.core.ports.run import AwsClient

_ALTERNATIVES = "or import it into this stack: --adopt   or use another environment: --environment NAME --stack NAME"


def resource_conflicts(
    settings: Settings, existing: Existing, state: StackState, orphaned_creations: Mapping[str, str]
) -> list[Problem]:
    """A problem for each of the stack's names that another resource has."""
    problems = []
    names = settings.names
    adopted = {entry.partition("=")[2] for entry in settings.adopted}
    ours = {*state.owned, *orphaned_creations.values(), *adopted}
    if existing.alias_target is not None and names.alias not in ours:
        problems.append(_alias(existing.alias_target, settings))
    for what, arn in (
        ("role", existing.role_arn if settings.makes_role else None),
        ("user", existing.app_user_arn if settings.makes_user else None),
        (
            "role",
            existing.execution_role_arn if settings.makes_execution_role else None,
        ),
        ("policy", existing.app_policy_arn),
        ("role", existing.secrets_role_arn if settings.makes_secrets_role else None),
        ("policy", existing.parameter_policy_arn),
        ("policy", existing.secret_policy_arn),
        ("key", existing.trail_key.arn if existing.trail_key and not settings.existing_trail_arn else None),
        ("role", existing.log_role_arn if settings.cloudwatch_logs and not settings.existing_trail_arn else None),
        ("log group", existing.log_group_arn),
        ("alert topic", existing.alert_topic_arn),
        ("trail", existing.trail.arn if existing.trail and not settings.existing_trail_arn else None),
    ):
        # The state has the name or id of a role, a user and a key, and the ARN of all others.
        known = {*orphaned_creations.values(), *adopted}
        by_name = what in ("role", "user", "key") and arn and Arn.parse(arn).name in known
        by_name = by_name or (what == "log group" and names.log_group in known)
        if arn and arn not in ours and not by_name:
            problems.append(
                Problem(
                    what=f"the {what} {arn} exists already and is not in this stack",
                    why="the stack would create one of that name; it was not changed",
                    next=_next(what, arn, settings),
                )
            )
    return problems + [
        _bucket(bucket, owner, settings) for bucket, owner in _buckets(settings, existing) if bucket not in ours
    ]


def certain_conflicts(settings: Settings, existing: Existing, *, is_importing: bool) -> list[Problem]:
    """The conflicts that are certain without the stack's state."""
    problems = []
    target = existing.alias_target
    # The stack's own key has its tags, unless it is imported.
    if (
        target is not None
        and not (is_importing or settings.adopted)
        and not settings.tags.items() <= target.tags.items()
    ):
        problems.append(_alias(target, settings))
    foreign = [(bucket, owner) for bucket, owner in _buckets(settings, existing) if owner == "foreign"]
    return problems + [_bucket(bucket, owner, settings) for bucket, owner in foreign]


def _alias(target: KeyFact, settings: Settings) -> Problem:
    alias = settings.names.alias
    tags = (f"{k}={v}" for k, v in sorted(target.tags.items()))
    about = ", ".join(filter(None, (target.state, target.description, *tags)))
    return Problem(
        what=f"{alias} already points to the key {target.arn} ({about})",
        why="that key is not in this stack; key and alias were not changed",
        next=f"find its owner: aws kms describe-key --key-id {alias} --region {settings.region}   {_ALTERNATIVES}",
    )


def _buckets(settings: Settings, existing: Existing) -> list[tuple[str, str]]:
    """The existing buckets under the stack's names: (name, owner)."""
    if settings.existing_trail_arn:
        return []
    logs_reads = settings.access_logging and ImportGroup.BUCKET not in settings.kept_as_found
    owners = (
        (settings.names.trail_bucket, existing.bucket),
        (settings.names.access_log_bucket, existing.access_log_bucket if logs_reads else None),
    )
    return [(bucket, owner) for bucket, owner in owners if owner]


def _bucket(bucket: str, owner: str, settings: Settings) -> Problem:
    next_step = "name another: --trail-bucket NAME"
    if bucket == settings.names.access_log_bucket:
        adopt = "" if owner == "foreign" else "import it, if it has the tags of an earlier stack: --adopt   or "
        next_step = f"{adopt}do without: --access-logging no"
    return Problem(
        what=f"the bucket {bucket} exists already "
        f"({'another account' if owner == 'foreign' else 'this account, outside this stack'})",
        why="bucket names are global, and the audit trail needs its own bucket",
        next=next_step,
    )


def _next(what: str, arn: str, settings: Settings) -> str:
    if what == "key":
        tags = " ".join(f"{name}={value}" for name, value in {**settings.tags, "Purpose": "AuditLogs"}.items())
        return (
            f"find its owner: aws kms list-resource-tags --key-id {arn} --region {settings.region}   "
            f"if it has the tags {tags}, of an earlier stack: --adopt   or do without: --trail-key no"
        )
    trail = f"   or use that trail: --trail {arn} --trail-bucket NAME" if what == "trail" else ""
    return f"remove or rename it if nobody needs it, {_ALTERNATIVES}{trail}"


def with_existing_provider(
    settings: Settings, existing: Existing, state: StackState, orphaned_creations: Mapping[str, str]
) -> Settings:
    """The settings with an existing OIDC provider of another stack: an account can have only one for a URL."""
    arn = existing.oidc_provider_arn
    if arn and arn not in (*state.owned, *orphaned_creations.values()) and settings.makes_vercel_provider:
        return settings.model_copy(update={"vercel_oidc_provider_arn": arn})
    return settings


def crashed_creations(settings: Settings, existing: Existing, state: StackState, aws: AwsClient) -> dict[str, str]:
    """URN → id of the resources that a crashed run created and that its state does not have.

    Only resources with a unique name, and keys, by the stack's tags. Creating the others again changes nothing:
    settings of a bucket, attachments, inline policies, rules.
    """
    creations = {}
    for step in state.pending:
        id_ = _created_id(step, settings, existing, state, aws) if step.op == "creating" else None
        if id_:
            creations[step.urn] = id_
    return creations


def _created_id(step: Step, settings: Settings, existing: Existing, state: StackState, aws: AwsClient) -> str | None:
    names, kind, name = settings.names, step.type.rsplit(":", 1)[-1], step.physical_name
    if kind == "Key":
        return _own_key(step, settings, state, aws)
    if kind == "ReplicaKey":
        return _replica(step, settings, state, aws)
    if kind == "Alias":
        region = _region_of(step, settings)
        if region != settings.region:
            return name if aws.with_region(region).kms.describe_key(name) else None
        target = existing.trail_key if name == names.trail_key_alias else existing.alias_target
        return name if target else None
    if kind in ("Role", "User", "LogGroup"):
        arns = (existing.role_arn, existing.app_user_arn, existing.execution_role_arn, existing.secrets_role_arn)
        existing_names = {Arn.parse(arn).name for arn in (*arns, existing.log_role_arn) if arn}
        return name if name in existing_names or (kind == "LogGroup" and existing.log_group_arn) else None
    if kind == "Policy":
        by_name = {
            names.app_policy: existing.app_policy_arn,
            names.parameter_policy: existing.parameter_policy_arn,
            names.secret_policy: existing.secret_policy_arn,
        }
        return by_name.get(name)
    if kind == "Bucket":
        owner = existing.access_log_bucket if name == names.access_log_bucket else existing.bucket
        return name if owner == "ours" else None
    return {
        "OpenIdConnectProvider": existing.oidc_provider_arn,
        "Topic": existing.alert_topic_arn,
        "Trail": existing.trail.arn if existing.trail else None,
    }.get(kind)


def _own_key(step: Step, settings: Settings, state: StackState, aws: AwsClient) -> str | None:
    """The id of the key with the stack's tags: the PHI key, or the key of the logs, which has one more tag."""
    for_logs = step.urn.rsplit("::", 1)[-1] != "phi-key"
    keys = [
        key
        for key in aws.kms.find_keys(settings.tags)
        if key.arn not in state.owned and key.state == "Enabled" and ("Purpose" in key.tags) == for_logs
    ]
    # With two such keys it is not known which is the stack's: none is used.
    return Arn.parse(keys[0].arn).name if len(keys) == 1 else None


def _replica(step: Step, settings: Settings, state: StackState, aws: AwsClient) -> str | None:
    """The id of the replica: that of its primary, which is in the state already."""
    regional = aws.with_region(_region_of(step, settings))
    ids = {resource_name(owned) for owned in state.owned if "mrk-" in owned}
    return next((id_ for id_ in sorted(ids) if regional.kms.describe_key(id_)), None)


def _region_of(step: Step, settings: Settings) -> str:
    return next((region for region in settings.replica_regions if step.urn.endswith(f"-{region}")), settings.region)
