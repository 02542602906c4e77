"""What the account already has under the names that the stack would take.

Asks KMS, IAM, CloudTrail, S3, CloudWatch Logs and SNS, all at once; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.settings import ResourceKind, SecretStore, Settings
from wizard.aws import cloudtrail, kms
from wizard.aws.auth.session import Session, tags_of
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import DiscoveredResource, Existing, KeyFact

_NO_ENTITY = ("NoSuchEntity",)


class ExistingResources:
    """What has the stack's names: a `wizard.core.ports.aws.ExistingResources`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find_existing(self, settings: Settings) -> Existing:
        """One look-up for each name that these settings would take; none for what they bring along.

        What the endpoint cannot tell counts as free. Raises PermissionDenied naming every look-up denied.
        """
        looks = {
            **_application_looks(self._session, settings),
            **_store_looks(self._session, settings),
            **_trail_looks(self._session, settings),
        }
        answers = self._session.together(*(lambda look=look: _outcome(look) for look in looks.values()))
        _raise_failures(tuple(answer for answer in answers if isinstance(answer, SetupError)))
        return Existing(**dict(zip(looks, answers, strict=True)))


_Looks = dict[str, Callable[[], Any]]


def _application_looks(session: Session, settings: Settings) -> _Looks:
    names = settings.names
    looks: _Looks = {
        "alias_target": lambda: kms.KmsKeys(session).alias_target(names.alias),
        "app_policy_arn": lambda: _policy_arn(session, settings, names.app_policy),
    }
    if settings.makes_role:
        looks["role_arn"] = lambda: _role_arn(session, names.app_role)
    if settings.makes_user:
        looks["app_user_arn"] = lambda: _user_arn(session, names.app_user)
    elif settings.trusts_vercel:
        looks["oidc_provider_arn"] = lambda: _oidc_provider_arn(session, f"oidc.vercel.com/{settings.vercel_team}")
    return looks


def _store_looks(session: Session, settings: Settings) -> _Looks:
    names = settings.names
    looks: _Looks = {}
    if settings.makes_execution_role:
        looks["execution_role_arn"] = lambda: _role_arn(session, names.execution_role)
    if settings.makes_secrets_role:
        looks["secrets_role_arn"] = lambda: _role_arn(session, names.secrets_role)
    if settings.uses_store:
        if settings.secret_store is SecretStore.SECRETS_MANAGER:
            looks["secret_policy_arn"] = lambda: _policy_arn(session, settings, names.secret_policy)
        else:
            looks["parameter_policy_arn"] = lambda: _policy_arn(session, settings, names.parameter_policy)
    return looks


def _trail_looks(session: Session, settings: Settings) -> _Looks:
    names, account = settings.names, settings.account_id
    looks: _Looks = {}
    if settings.alerts:
        looks["alert_topic_arn"] = lambda: _topic_arn(session, settings, names.alert_topic)
    if settings.existing_trail_arn is not None:
        return looks
    looks["trail"] = lambda: cloudtrail.find_trail(session, names.trail)
    looks["bucket"] = lambda: cloudtrail.bucket_owner(session, names.trail_bucket, account)
    if settings.trail_key:
        looks["trail_key"] = lambda: kms.KmsKeys(session).alias_target(names.trail_key_alias)
    if settings.access_logging:
        looks["access_log_bucket"] = lambda: cloudtrail.bucket_owner(session, names.access_log_bucket, account)
    if settings.cloudwatch_logs:
        looks["log_group_arn"] = lambda: _log_group_arn(session, names.log_group)
        looks["log_role_arn"] = lambda: _role_arn(session, names.log_role)
    return looks


def _outcome(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Unsupported:
        return None
    except SetupError as error:
        return error


def _raise_failures(failures: tuple[SetupError, ...]) -> None:
    graver = [failure for failure in failures if not isinstance(failure, PermissionDenied)]
    if graver:
        raise graver[0]
    if len(failures) > 1:
        told = "; ".join(failure.message for failure in failures)
        raise PermissionDenied(
            told, "have these allowed for the caller, or use a profile that may: AWS_PROFILE=…"
        ) from failures[0]
    if failures:
        raise failures[0]


def _role_arn(session: Session, name: str) -> str | None:
    found = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=name)
    return str(found["Role"]["Arn"]) if found else None


def _user_arn(session: Session, name: str) -> str | None:
    found = session.find("iam", "GetUser", absent=_NO_ENTITY, UserName=name)
    return str(found["User"]["Arn"]) if found else None


def _log_group_arn(session: Session, name: str) -> str | None:
    groups = session.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    # Asked by a prefix. The older of the two ARNs ends in `:*`, its streams.
    return next((str(group["arn"]).removesuffix(":*") for group in groups if group["logGroupName"] == name), None)


def _topic_arn(session: Session, settings: Settings, name: str) -> str | None:
    arn = f"arn:{settings.partition}:sns:{settings.region}:{settings.account_id}:{name}"
    return arn if session.find("sns", "GetTopicAttributes", absent=("NotFound",), TopicArn=arn) else None


def _policy_arn(session: Session, settings: Settings, name: str) -> str | None:
    arn = f"arn:{settings.partition}:iam::{settings.account_id}:policy/{name}"
    return arn if session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=arn) else None


def _oidc_provider_arn(session: Session, issuer: str) -> str | None:
    providers = session.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]
    return next(
        (str(entry["Arn"]) for entry in providers if entry["Arn"].partition(":oidc-provider/")[2] == issuer),
        None,
    )


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
