"""What the caller of the set-up has to be allowed, each action on the resource it is for.

Pure: settings and the caller's ARN in, a list out. What is read, and what the key's own policy grants, is left out.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from components.settings import APPLICATION_VARIABLES, ObjectLock, ResourceKind, SecretStore, Settings

_GLOBAL_REGIONS = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
"""Where a request to IAM is made, whatever the session's Region."""


@dataclass(frozen=True, kw_only=True)
class RequiredPermission:
    """Actions that are needed together, on one resource."""

    actions: tuple[str, ...]
    resource: str
    region: str
    """Where the request is made: policies may ask for it (aws:RequestedRegion)."""


def needs_of(settings: Settings, caller_arn: str) -> tuple[RequiredPermission, ...]:
    """Everything that makes something, but what was adopted: that is there."""
    return (
        *_of_the_keys(settings, caller_arn),
        *_of_the_application(settings),
        *_of_the_stores(settings),
        *_of_the_trail(settings),
        *_of_the_alerts(settings),
    )


def _regional(settings: Settings, region: str, service: str, rest: str, *actions: str) -> RequiredPermission:
    arn = f"arn:{settings.partition}:{service}:{region}:{settings.account_id}:{rest}"
    return RequiredPermission(actions=tuple(f"{service}:{action}" for action in actions), resource=arn, region=region)


def _iam(settings: Settings, rest: str, *actions: str) -> RequiredPermission:
    return RequiredPermission(
        actions=tuple(f"iam:{action}" for action in actions),
        resource=f"arn:{settings.partition}:iam::{settings.account_id}:{rest}",
        region=_GLOBAL_REGIONS.get(settings.partition, settings.region),
    )


def _adopts(settings: Settings, thing: ResourceKind) -> bool:
    return any(adopted.startswith(f"{thing}=") for adopted in settings.adopted)


# --- the keys -----------------------------------------------------------------------------------------------------


def _of_the_keys(settings: Settings, caller_arn: str) -> Iterator[RequiredPermission]:
    names, home = settings.names, settings.region
    makes_trail_key = settings.trail_key and settings.existing_trail_arn is None
    for region in settings.regions:
        makes_key = region != home or makes_trail_key or not _adopts(settings, ResourceKind.KEY)
        if makes_key:
            # A replica is made by CreateKey too, in its own Region.
            yield RequiredPermission(actions=("kms:CreateKey",), resource="*", region=region)
            # Asked of the caller because a key is made with its tags.
            yield _regional(settings, region, "kms", "key/*", "TagResource")
        if region != home or not _adopts(settings, ResourceKind.ALIAS):
            yield _regional(settings, region, "kms", names.alias, "CreateAlias")
    if makes_trail_key:
        yield _regional(settings, home, "kms", names.trail_key_alias, "CreateAlias")
    if not _administers(settings, caller_arn):
        # An administrator has these from the key's own policy.
        own = ["GenerateDataKeyWithoutPlaintext", "EnableKeyRotation", "CreateAlias"]
        yield _regional(settings, home, "kms", "key/*", *own, *(["ReplicateKey"] if settings.replica_regions else []))
        for region in settings.replica_regions:
            yield _regional(settings, region, "kms", "key/*", "CreateAlias")


def _administers(settings: Settings, arn: str) -> bool:
    return arn in settings.administrators or any(
        fnmatchcase(arn, pattern) for pattern in settings.administrator_patterns
    )


# --- the application ----------------------------------------------------------------------------------------------


def _of_the_application(settings: Settings) -> Iterator[RequiredPermission]:
    names, existing = settings.names, settings.app_principal_arn
    attach = not _adopts(settings, ResourceKind.POLICY_ATTACHMENT)
    if not _adopts(settings, ResourceKind.APPLICATION_POLICY):
        yield _iam(settings, f"policy/{names.app_policy}", "CreatePolicy", "TagPolicy")
    if existing is not None and attach:
        what = existing.split(":", 5)[5]
        yield _iam(settings, what, "AttachUserPolicy" if what.startswith("user/") else "AttachRolePolicy")
    if settings.makes_role:
        make = [] if _adopts(settings, ResourceKind.APPLICATION_ROLE) else ["CreateRole", "TagRole"]
        if make or attach:
            yield _iam(settings, f"role/{names.app_role}", *make, *(["AttachRolePolicy"] if attach else []))
    if settings.makes_user:
        # The access key is made beside the stack, in whose state its secret would stay.
        yield _iam(
            settings,
            f"user/{names.app_user}",
            *("CreateUser", "TagUser", "AttachUserPolicy", "CreateAccessKey", "ListAccessKeys"),
        )
    elif settings.makes_vercel_provider:
        provider = f"oidc-provider/oidc.vercel.com/{settings.vercel_team}"
        yield _iam(settings, provider, "CreateOpenIDConnectProvider", "TagOpenIDConnectProvider")


# --- the stores ---------------------------------------------------------------------------------------------------


def _of_the_stores(settings: Settings) -> Iterator[RequiredPermission]:
    names = settings.names
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    read_from = settings.uses_store
    # The escrow first; the other two only where something in AWS reads them.
    stored_data_key = names.stored_data_key.rpartition("/")[2]
    others = [name for name in APPLICATION_VARIABLES if name != stored_data_key] if read_from else []
    for region in settings.regions:
        for variable in (stored_data_key, *others):
            name = f"{names.parameter_prefix}/{variable}"
            if in_secrets:
                # The six characters at the end are Secrets Manager's own; a policy has a wildcard for them.
                actions = ["CreateSecret", "TagResource", "GetSecretValue", "DescribeSecret"]
                actions += ["PutSecretValue"] if variable != stored_data_key else []
                yield _regional(settings, region, "secretsmanager", f"secret:{name}-AbCdEf", *actions)
            else:
                actions = ["PutParameter", "GetParameters", "AddTagsToResource"]
                yield _regional(settings, region, "ssm", f"parameter{name}", *actions)
    if read_from:
        policy = names.secret_policy if in_secrets else names.parameter_policy
        yield _iam(settings, f"policy/{policy}", "CreatePolicy", "TagPolicy")
    if settings.execution_role_arn:
        theirs = settings.ecs_execution_role_arn
        role = settings.execution_role_arn.split(":", 5)[5]
        yield _iam(settings, role, *([] if theirs else ["CreateRole", "TagRole", "PutRolePolicy"]), "AttachRolePolicy")
    if settings.makes_secrets_role:
        yield _iam(settings, f"role/{names.secrets_role}", "CreateRole", "TagRole", "AttachRolePolicy")


# --- the trail ----------------------------------------------------------------------------------------------------

_BUCKET = (
    "CreateBucket",
    "PutBucketPolicy",
    "PutLifecycleConfiguration",
    "PutBucketVersioning",
    "PutEncryptionConfiguration",
    "PutBucketPublicAccessBlock",
    "PutBucketOwnershipControls",
    "PutBucketTagging",
)


def _of_the_trail(settings: Settings) -> Iterator[RequiredPermission]:
    if settings.existing_trail_arn is not None:
        return
    names, home = settings.names, settings.region
    bucket = [action for action in _BUCKET if action != "CreateBucket" or not _adopts(settings, ResourceKind.BUCKET)]
    if settings.trail_lock is not ObjectLock.NONE:
        bucket.append("PutBucketObjectLockConfiguration")
    if settings.access_logging:
        bucket.append("PutBucketLogging")
        yield _bucket(settings, names.access_log_bucket, *_BUCKET)
    yield _bucket(settings, names.trail_bucket, *bucket)
    trail = ["UpdateTrail"] if _adopts(settings, ResourceKind.TRAIL) else ["CreateTrail"]
    yield _regional(settings, home, "cloudtrail", f"trail/{names.trail}", *trail, "StartLogging", "AddTags")
    if settings.cloudwatch_logs:
        actions = ("CreateLogGroup", "PutRetentionPolicy", "TagResource")
        yield _regional(settings, home, "logs", f"log-group:{names.log_group}", *actions)
        # CloudTrail takes the role that the caller hands it.
        yield _iam(settings, f"role/{names.log_role}", "CreateRole", "TagRole", "PutRolePolicy", "PassRole")


def _bucket(settings: Settings, bucket: str, *actions: str) -> RequiredPermission:
    return RequiredPermission(
        actions=tuple(f"s3:{action}" for action in actions),
        resource=f"arn:{settings.partition}:s3:::{bucket}",
        region=settings.region,
    )


def _of_the_alerts(settings: Settings) -> Iterator[RequiredPermission]:
    if not settings.alerts:
        return
    names, home = settings.names, settings.region
    topic = ["CreateTopic", "SetTopicAttributes", "TagResource", *(["Subscribe"] if settings.alert_emails else [])]
    yield _regional(settings, home, "sns", names.alert_topic, *topic)
    yield _regional(settings, home, "events", f"rule/{names.key_changes_rule}", "PutRule", "PutTargets", "TagResource")
    if settings.existing_trail_arn is None or _is_at_home(settings, settings.existing_trail_arn):
        yield _regional(
            settings, home, "events", f"rule/{names.trail_changes_rule}", "PutRule", "PutTargets", "TagResource"
        )
    yield _regional(settings, home, "events", f"rule/{names.denied_use_rule}", "PutRule", "TagResource")
    yield _regional(settings, home, "cloudwatch", f"alarm:{names.denied_use_rule}", "PutMetricAlarm", "TagResource")
    if settings.replica_regions:
        role = f"role/{names.forwarding_role}"
        yield _iam(settings, role, "CreateRole", "TagRole", "PutRolePolicy", "PassRole")
    for region in settings.replica_regions:
        for rule in (names.key_changes_rule, names.denied_use_rule):
            yield _regional(settings, region, "events", f"rule/{rule}", "PutRule", "PutTargets", "TagResource")


def _is_at_home(settings: Settings, trail_arn: str) -> bool:
    return trail_arn.split(":")[3:5] == [settings.region, settings.account_id]
