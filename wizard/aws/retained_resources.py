"""What an earlier stack of the same settings left in the account, or a lost state no longer knows: all by its tags.

Asks KMS, IAM, SNS, CloudWatch Logs and S3; changes nothing. What bears no tags of the stack's is not looked at twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.settings import ResourceKind, SecretStore, Settings
from wizard.aws import cloudtrail, kms
from wizard.aws.auth.session import Session, tags_of
from wizard.core.errors import Unsupported
from wizard.core.models.account import DiscoveredResource, KeyFact

PURPOSE = {"Purpose": "AuditLogs"}
"""The tag that tells the logs' key from the PHI key."""

BUCKET_SETTINGS = (
    # Every bucket has these two, set or not: without versioning it is told as none.
    ("versioning", "GetBucketVersioning", "NoSuchBucket"),
    ("encryption", "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("public-access", "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ("ownership", "GetBucketOwnershipControls", "OwnershipControlsNotFoundError"),
    ("lifecycle", "GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
)
"""Settings of a bucket that are resources of their own: the end of the thing's name, how each is read, and the code for
a bucket without it."""

_NO_ENTITY = ("NoSuchEntity",)

Look = Callable[[], tuple[DiscoveredResource, ...]]


def logs_key(session: Session, settings: Settings) -> KeyFact | None:
    """The key that the alias of the logs' key points to, whoever made it."""
    if not settings.trail_key or settings.existing_trail_arn is not None:
        return None
    return kms.KmsKeys(session).alias_target(settings.names.trail_key_alias)


def of_the_logs_key(key: KeyFact | None, settings: Settings) -> tuple[DiscoveredResource, ...]:
    """The key and its alias, where the key's tags say that they are the stack's."""
    if key is None or not {**settings.tags, **PURPOSE}.items() <= key.tags.items():
        return ()
    alias = settings.names.trail_key_alias
    return (
        DiscoveredResource(thing=ResourceKind.LOGS_KEY, id=key.arn.rpartition("/")[2], arn=key.arn),
        DiscoveredResource(thing=ResourceKind.LOGS_KEY_ALIAS, id=alias, arn=alias),
    )


def looks(session: Session, settings: Settings) -> tuple[Look, ...]:
    """Every look-up that these settings need, each to be made beside the others."""
    names = settings.names
    makes_trail = settings.existing_trail_arn is None
    found: list[Look] = []
    if makes_trail and settings.access_logging:
        found.append(lambda: _access_log_bucket(session, settings))
    if makes_trail and settings.cloudwatch_logs:
        found.append(lambda: _log_group(session, settings))
        found.append(lambda: _role(session, settings, ResourceKind.LOG_ROLE, names.log_role))
    if settings.alerts:
        found.append(lambda: _topic(session, settings))
    if settings.makes_user:
        found.append(lambda: _user(session, settings))
    if settings.makes_execution_role:
        found.append(lambda: _role(session, settings, ResourceKind.EXECUTION_ROLE, names.execution_role))
    if settings.makes_secrets_role:
        found.append(lambda: _role(session, settings, ResourceKind.SECRETS_ROLE, names.secrets_role))
    if settings.uses_store:
        in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
        name = names.secret_policy if in_secrets else names.parameter_policy
        found.append(lambda: _policy(session, settings, name))
    return tuple(found)


def settings_of_bucket(session: Session, bucket: str, account_id: str, thing: ResourceKind) -> tuple[ResourceKind, ...]:
    """Which of the bucket's settings are there, its policy apart, as the things that the engine would import."""

    def is_set(operation: str, absent: str) -> bool:
        try:
            answer = session.find("s3", operation, absent=(absent,), Bucket=bucket, ExpectedBucketOwner=account_id)
        except Unsupported:
            return False
        return answer is not None

    answers = session.together(
        *(
            lambda operation=operation, absent=absent: is_set(operation, absent)
            for _, operation, absent in BUCKET_SETTINGS
        )
    )
    there = zip(BUCKET_SETTINGS, answers, strict=True)
    return tuple(ResourceKind(f"{thing}-{setting}") for (setting, _, _), is_there in there if is_there)


def _ours(tags: Mapping[str, str], settings: Settings) -> bool:
    return settings.tags.items() <= tags.items()


def _access_log_bucket(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    bucket, account = settings.names.access_log_bucket, settings.account_id
    if cloudtrail.bucket_owner(session, bucket, account) != "ours":
        return ()

    def ask(operation: str, absent: str) -> Any:
        return session.find("s3", operation, absent=(absent,), Bucket=bucket, ExpectedBucketOwner=account)

    tagging = ask("GetBucketTagging", "NoSuchTagSet") or {}
    if not _ours(tags_of(tagging.get("TagSet", ())), settings):
        return ()
    own = [ResourceKind.ACCESS_LOG_BUCKET]
    own += [ResourceKind.ACCESS_LOG_BUCKET_POLICY] if ask("GetBucketPolicy", "NoSuchBucketPolicy") else []
    own += settings_of_bucket(session, bucket, account, ResourceKind.ACCESS_LOG_BUCKET)
    return tuple(DiscoveredResource(thing=thing, id=bucket, arn=bucket) for thing in own)


def _role(session: Session, settings: Settings, thing: ResourceKind, name: str) -> tuple[DiscoveredResource, ...]:
    answer = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=name)
    role = (answer or {}).get("Role", {})
    # A path never changes, and the stack's roles have none.
    if not role or role.get("Path") != "/" or not _ours(tags_of(role.get("Tags", ())), settings):
        return ()
    return (DiscoveredResource(thing=thing, id=name, arn=str(role["Arn"])),)


def _user(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    name = settings.names.app_user
    answer = session.find("iam", "GetUser", absent=_NO_ENTITY, UserName=name)
    user = (answer or {}).get("User", {})
    if not user or user.get("Path") != "/" or not _ours(tags_of(user.get("Tags", ())), settings):
        return ()
    return (DiscoveredResource(thing=ResourceKind.APPLICATION_USER, id=name, arn=str(user["Arn"])),)


def _policy(session: Session, settings: Settings, name: str) -> tuple[DiscoveredResource, ...]:
    arn = f"arn:{settings.partition}:iam::{settings.account_id}:policy/{name}"
    answer = session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=arn)
    if answer is None or not _ours(tags_of(answer["Policy"].get("Tags", ())), settings):
        return ()
    return (DiscoveredResource(thing=ResourceKind.VARIABLES_POLICY, id=arn, arn=arn),)


def _topic(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    arn = f"arn:{settings.partition}:sns:{settings.region}:{settings.account_id}:{settings.names.alert_topic}"
    answer = session.find("sns", "ListTagsForResource", absent=("NotFound", "ResourceNotFound"), ResourceArn=arn)
    if answer is None or not _ours(tags_of(answer.get("Tags", ())), settings):
        return ()
    return (DiscoveredResource(thing=ResourceKind.ALERT_TOPIC, id=arn, arn=arn),)


def _log_group(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    name = settings.names.log_group
    arn = f"arn:{settings.partition}:logs:{settings.region}:{settings.account_id}:log-group:{name}"
    answer = session.find("logs", "ListTagsForResource", absent=("ResourceNotFoundException",), resourceArn=arn)
    if answer is None or not _ours(answer.get("tags") or {}, settings):
        return ()
    return (DiscoveredResource(thing=ResourceKind.LOG_GROUP, id=name, arn=arn),)
