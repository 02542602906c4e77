"""Finds the account's resources that have the stack's names, and their tags.

Asks KMS, IAM, CloudTrail, S3, CloudWatch Logs and SNS, in parallel; changes nothing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from components.policies.stack import log_group_arn_of, vercel_issuer_of
from components.settings import ResourceKind, SecretStore, Settings
from components.settings.arn import Arn
from wizard.aws import cloudtrail, kms
from wizard.aws.auth.session import Session, SessionClient, tags_of
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import DiscoveredResource, Existing, KeyFact

_NO_ENTITY = ("NoSuchEntity",)


class ExistingResources(SessionClient):
    """Resources that have the stack's names: a `wizard.core.ports.aws.ExistingResources`."""

    def find_existing(self, settings: Settings) -> Existing:
        """Look up each name that the stack would use, except those of resources that the settings name.

        A name counts as free where the endpoint lacks the operation. Raises PermissionDenied for all denied look-ups.
        """
        lookups = _lookups(self._session, settings)
        answers = self._session.together(*(partial(_answer, lookup) for lookup in lookups.values()))
        _raise_failures(tuple(answer for answer in answers if isinstance(answer, SetupError)))
        return Existing(**dict(zip(lookups, answers, strict=True)))


def _lookups(session: Session, settings: Settings) -> dict[str, Callable[[], Any]]:
    names, account = settings.names, settings.account_id
    lookups: dict[str, Callable[[], Any]] = {
        "alias_target": lambda: kms.KmsKeys(session).alias_target(names.alias),
        "app_policy_arn": lambda: _policy_arn(session, settings, names.app_policy),
    }
    if settings.makes_role:
        lookups["role_arn"] = lambda: _principal_of(session, names.app_role).get("Arn")
    if settings.makes_user:
        lookups["app_user_arn"] = lambda: _principal_of(session, names.app_user, "User").get("Arn")
    elif settings.trusts_vercel:
        lookups["oidc_provider_arn"] = lambda: _oidc_provider_arn(session, vercel_issuer_of(settings))
    if settings.makes_execution_role:
        lookups["execution_role_arn"] = lambda: _principal_of(session, names.execution_role).get("Arn")
    if settings.makes_secrets_role:
        lookups["secrets_role_arn"] = lambda: _principal_of(session, names.secrets_role).get("Arn")
    if settings.uses_store:
        if settings.secret_store is SecretStore.SECRETS_MANAGER:
            lookups["secret_policy_arn"] = lambda: _policy_arn(session, settings, names.secret_policy)
        else:
            lookups["parameter_policy_arn"] = lambda: _policy_arn(session, settings, names.parameter_policy)
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
        lookups["log_role_arn"] = lambda: _principal_of(session, names.log_role).get("Arn")
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


def _principal_of(session: Session, name: str, kind: str = "Role") -> Mapping[str, Any]:
    answer = session.find("iam", f"Get{kind}", absent=_NO_ENTITY, **{f"{kind}Name": name})
    return (answer or {}).get(kind) or {}


def _log_group_arn(session: Session, name: str) -> str | None:
    groups = session.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    # The look-up is by prefix. The older of a group's two ARN forms ends in `:*`.
    return next((str(group["arn"]).removesuffix(":*") for group in groups if group["logGroupName"] == name), None)


def _topic_arn(session: Session, settings: Settings, name: str) -> str | None:
    arn = settings.arn("sns", name)
    return arn if session.find("sns", "GetTopicAttributes", absent=("NotFound",), TopicArn=arn) else None


def _policy_arn(session: Session, settings: Settings, name: str) -> str | None:
    arn = settings.arn("iam", f"policy/{name}")
    return arn if session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=arn) else None


def _oidc_provider_arn(session: Session, issuer: str | None) -> str | None:
    providers = session.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]
    return next(
        (str(entry["Arn"]) for entry in providers if Arn.parse(entry["Arn"]).path == issuer),
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
    """The key that the alias of the logs' key points to."""
    if not settings.trail_key or not settings.makes_trail:
        return None
    return kms.KmsKeys(session).alias_target(settings.names.trail_key_alias)


def logs_key_resources(key: KeyFact | None, settings: Settings) -> tuple[DiscoveredResource, ...]:
    """The key and its alias; none unless the key has the stack's tags."""
    if key is None or not {**settings.tags, **PURPOSE}.items() <= key.tags.items():
        return ()
    alias = settings.names.trail_key_alias
    return (
        DiscoveredResource(thing=ResourceKind.LOGS_KEY, id=Arn.parse(key.arn).name, arn=key.arn),
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
    if settings.alerts:
        lookups.append(lambda: _topic(session, settings))
    principals = (
        (settings.makes_trail and settings.cloudwatch_logs, ResourceKind.LOG_ROLE, names.log_role),
        (settings.makes_user, ResourceKind.APPLICATION_USER, names.app_user),
        (settings.makes_execution_role, ResourceKind.EXECUTION_ROLE, names.execution_role),
        (settings.makes_secrets_role, ResourceKind.SECRETS_ROLE, names.secrets_role),
    )
    lookups += [partial(_principal, session, settings, kind, name) for makes, kind, name in principals if makes]
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

    answers = session.together(*(partial(is_set, operation, absent) for _, operation, absent in BUCKET_SETTINGS))
    return tuple(
        ResourceKind(f"{kind}-{setting}")
        for (setting, _, _), exists in zip(BUCKET_SETTINGS, answers, strict=True)
        if exists
    )


def _if_ours(
    settings: Settings, tags: Mapping[str, str], kind: ResourceKind, id: str, arn: str | None
) -> tuple[DiscoveredResource, ...]:
    """The resource; nothing without the stack's tags, as one that does not exist."""
    is_ours = settings.tags.items() <= tags.items()
    return (DiscoveredResource(thing=kind, id=id, arn=str(arn)),) if is_ours else ()


def _access_log_bucket(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    bucket, account = settings.names.access_log_bucket, settings.account_id
    if cloudtrail.bucket_owner(session, bucket, account) != "ours":
        return ()

    def ask(operation: str, absent: str) -> Any:
        return session.find("s3", operation, absent=(absent,), Bucket=bucket, ExpectedBucketOwner=account)

    tagging = ask("GetBucketTagging", "NoSuchTagSet") or {}
    if not settings.tags.items() <= tags_of(tagging.get("TagSet", ())).items():
        return ()
    own = [ResourceKind.ACCESS_LOG_BUCKET]
    own += [ResourceKind.ACCESS_LOG_BUCKET_POLICY] if ask("GetBucketPolicy", "NoSuchBucketPolicy") else []
    own += bucket_settings(session, bucket, account, ResourceKind.ACCESS_LOG_BUCKET)
    return tuple(DiscoveredResource(thing=kind, id=bucket, arn=bucket) for kind in own)


def _principal(session: Session, settings: Settings, kind: ResourceKind, name: str) -> tuple[DiscoveredResource, ...]:
    principal = _principal_of(session, name, "User" if kind is ResourceKind.APPLICATION_USER else "Role")
    # A path never changes, and the stack's roles and users have none.
    own = principal.get("Path") == "/"
    return _if_ours(settings, tags_of(principal.get("Tags", ())) if own else {}, kind, name, principal.get("Arn"))


def _policy(session: Session, settings: Settings, name: str) -> tuple[DiscoveredResource, ...]:
    arn = settings.arn("iam", f"policy/{name}")
    answer = session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=arn)
    tags = tags_of(answer["Policy"].get("Tags", ())) if answer else {}
    return _if_ours(settings, tags, ResourceKind.VARIABLES_POLICY, arn, arn)


def _topic(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    arn = settings.arn("sns", settings.names.alert_topic)
    answer = session.find("sns", "ListTagsForResource", absent=("NotFound", "ResourceNotFound"), ResourceArn=arn)
    return _if_ours(settings, tags_of((answer or {}).get("Tags", ())), ResourceKind.ALERT_TOPIC, arn, arn)


def _log_group(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    name = settings.names.log_group
    arn = log_group_arn_of(settings)
    answer = session.find("logs", "ListTagsForResource", absent=("ResourceNotFoundException",), resourceArn=arn)
    return _if_ours(settings, (answer or {}).get("tags") or {}, ResourceKind.LOG_GROUP, name, arn)
