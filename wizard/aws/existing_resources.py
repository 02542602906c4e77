"""What the account already has under the stack's names, and which of that carries the stack's tags.

Asks KMS, IAM, CloudTrail, S3, CloudWatch Logs and SNS, in parallel; changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from components.settings import ResourceKind, SecretStore, Settings
from wizard.aws import cloudtrail, kms
from wizard.aws.auth.session import Session, SessionClient, tags_of
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import DiscoveredResource, Existing, KeyFact

_NO_ENTITY = ("NoSuchEntity",)


class ExistingResources(SessionClient):
    """Resources that have the stack's names: a `wizard.core.ports.aws.ExistingResources`."""

    def find_existing(self, settings: Settings) -> Existing:
        """One look-up for each name that the stack would use; none for resources that the settings name themselves.

        A name counts as free where the endpoint lacks the operation. Raises PermissionDenied for all denied look-ups.
        """
        lookups = {
            **_application_lookups(self._session, settings),
            **_store_lookups(self._session, settings),
            **_trail_lookups(self._session, settings),
        }
        answers = self._session.together(*(lambda lookup=lookup: _answer(lookup) for lookup in lookups.values()))
        _raise_failures(tuple(answer for answer in answers if isinstance(answer, SetupError)))
        return Existing(**dict(zip(lookups, answers, strict=True)))


_Lookups = dict[str, Callable[[], Any]]


def _application_lookups(session: Session, settings: Settings) -> _Lookups:
    names = settings.names
    lookups: _Lookups = {
        "alias_target": lambda: kms.KmsKeys(session).alias_target(names.alias),
        "app_policy_arn": lambda: _policy_arn(session, settings, names.app_policy),
    }
    if settings.makes_role:
        lookups["role_arn"] = lambda: _role_arn(session, names.app_role)
    if settings.makes_user:
        lookups["app_user_arn"] = lambda: _user_arn(session, names.app_user)
    elif settings.trusts_vercel:
        lookups["oidc_provider_arn"] = lambda: _oidc_provider_arn(session, f"oidc.vercel.com/{settings.vercel_team}")
    return lookups


def _store_lookups(session: Session, settings: Settings) -> _Lookups:
    names = settings.names
    lookups: _Lookups = {}
    if settings.makes_execution_role:
        lookups["execution_role_arn"] = lambda: _role_arn(session, names.execution_role)
    if settings.makes_secrets_role:
        lookups["secrets_role_arn"] = lambda: _role_arn(session, names.secrets_role)
    if settings.uses_store:
        if settings.secret_store is SecretStore.SECRETS_MANAGER:
            lookups["secret_policy_arn"] = lambda: _policy_arn(session, settings, names.secret_policy)
        else:
            lookups["parameter_policy_arn"] = lambda: _policy_arn(session, settings, names.parameter_policy)
    return lookups


def _trail_lookups(session: Session, settings: Settings) -> _Lookups:
    names, account = settings.names, settings.account_id
    lookups: _Lookups = {}
    if settings.alerts:
        lookups["alert_topic_arn"] = lambda: _topic_arn(session, settings, names.alert_topic)
    if not settings.makes_trail:
        return lookups
    lookups["trail"] = lambda: cloudtrail.find_trail(session, names.trail)
    lookups["bucket"] = lambda: cloudtrail.bucket_owner(session, names.trail_bucket, account)
    if settings.trail_key:
        lookups["trail_key"] = lambda: kms.KmsKeys(session).alias_target(names.trail_key_alias)
    if settings.access_logging:
        lookups["access_log_bucket"] = lambda: cloudtrail.bucket_owner(session, names.access_log_bucket, account)
    if settings.cloudwatch_logs:
        lookups["log_group_arn"] = lambda: _log_group_arn(session, names.log_group)
        lookups["log_role_arn"] = lambda: _role_arn(session, names.log_role)
    return lookups


def _answer(lookup: Callable[[], Any]) -> Any:
    try:
        return lookup()
    except Unsupported:
        return None
    except SetupError as error:
        return error


def _raise_failures(failures: tuple[SetupError, ...]) -> None:
    others = [failure for failure in failures if not isinstance(failure, PermissionDenied)]
    if others:
        raise others[0]
    if len(failures) > 1:
        raise PermissionDenied(
            "; ".join(failure.message for failure in failures),
            "allow these for the caller, or use a profile that is allowed: AWS_PROFILE=…",
        ) from failures[0]
    if failures:
        raise failures[0]


def _role_arn(session: Session, name: str) -> str | None:
    answer = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=name)
    return str(answer["Role"]["Arn"]) if answer else None


def _user_arn(session: Session, name: str) -> str | None:
    answer = session.find("iam", "GetUser", absent=_NO_ENTITY, UserName=name)
    return str(answer["User"]["Arn"]) if answer else None


def _log_group_arn(session: Session, name: str) -> str | None:
    groups = session.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    # The look-up is by prefix. The older of a group's two ARN forms ends in `:*`.
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
"""The tag that distinguishes the logs' key from the PHI key."""

BUCKET_SETTINGS = (
    # GetBucketVersioning answers for every bucket, so versioning always counts as set.
    ("versioning", "GetBucketVersioning", "NoSuchBucket"),
    ("encryption", "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("public-access", "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ("ownership", "GetBucketOwnershipControls", "OwnershipControlsNotFoundError"),
    ("lifecycle", "GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
)
"""Settings of a bucket that Pulumi has as separate resources: the end of the ResourceKind, the operation that reads the
setting, and the error code of a bucket without it."""


Lookup = Callable[[], tuple[DiscoveredResource, ...]]


def logs_key(session: Session, settings: Settings) -> KeyFact | None:
    """The key that the alias of the logs' key points to, whoever created it."""
    if not settings.trail_key or not settings.makes_trail:
        return None
    return kms.KmsKeys(session).alias_target(settings.names.trail_key_alias)


def logs_key_resources(key: KeyFact | None, settings: Settings) -> tuple[DiscoveredResource, ...]:
    """The key and its alias; none unless the key has the stack's tags."""
    if key is None or not {**settings.tags, **PURPOSE}.items() <= key.tags.items():
        return ()
    alias = settings.names.trail_key_alias
    return (
        DiscoveredResource(thing=ResourceKind.LOGS_KEY, id=key.arn.rpartition("/")[2], arn=key.arn),
        DiscoveredResource(thing=ResourceKind.LOGS_KEY_ALIAS, id=alias, arn=alias),
    )


def tagged_lookups(session: Session, settings: Settings) -> tuple[Lookup, ...]:
    """The look-ups of resources with the stack's tags; `import_discovery` looks up key, role, policy and trail."""
    names = settings.names
    lookups: list[Lookup] = []
    if settings.makes_trail and settings.access_logging:
        lookups.append(lambda: _access_log_bucket(session, settings))
    if settings.makes_trail and settings.cloudwatch_logs:
        lookups.append(lambda: _log_group(session, settings))
        lookups.append(lambda: _principal(session, settings, ResourceKind.LOG_ROLE, names.log_role))
    if settings.alerts:
        lookups.append(lambda: _topic(session, settings))
    if settings.makes_user:
        lookups.append(lambda: _principal(session, settings, ResourceKind.APPLICATION_USER, names.app_user))
    if settings.makes_execution_role:
        lookups.append(lambda: _principal(session, settings, ResourceKind.EXECUTION_ROLE, names.execution_role))
    if settings.makes_secrets_role:
        lookups.append(lambda: _principal(session, settings, ResourceKind.SECRETS_ROLE, names.secrets_role))
    if settings.uses_store:
        in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
        name = names.secret_policy if in_secrets else names.parameter_policy
        lookups.append(lambda: _policy(session, settings, name))
    return tuple(lookups)


def bucket_settings(session: Session, bucket: str, account_id: str, kind: ResourceKind) -> tuple[ResourceKind, ...]:
    """The bucket's settings that are set, without its policy, as the resources that the engine would import."""

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
    return tuple(
        ResourceKind(f"{kind}-{setting}")
        for (setting, _, _), exists in zip(BUCKET_SETTINGS, answers, strict=True)
        if exists
    )


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
    own += bucket_settings(session, bucket, account, ResourceKind.ACCESS_LOG_BUCKET)
    return tuple(DiscoveredResource(thing=kind, id=bucket, arn=bucket) for kind in own)


def _principal(session: Session, settings: Settings, kind: ResourceKind, name: str) -> tuple[DiscoveredResource, ...]:
    iam_type = "User" if kind is ResourceKind.APPLICATION_USER else "Role"
    answer = session.find("iam", f"Get{iam_type}", absent=_NO_ENTITY, **{f"{iam_type}Name": name})
    principal = (answer or {}).get(iam_type, {})
    # A path never changes, and the stack's roles and users have none.
    if not principal or principal.get("Path") != "/" or not _ours(tags_of(principal.get("Tags", ())), settings):
        return ()
    return (DiscoveredResource(thing=kind, id=name, arn=str(principal["Arn"])),)


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
