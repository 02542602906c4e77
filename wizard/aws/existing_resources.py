"""Finds the account's resources that have the stack's names, and their tags: one way for each type.

Asks KMS, IAM, CloudTrail, S3, CloudWatch Logs and SNS, in parallel; changes nothing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from components.policies import named_resources
from components.policies.named_resources import (
    BUCKET,
    LOG_GROUP,
    OIDC_PROVIDER,
    POLICY,
    ROLE,
    TOPIC,
    TRAIL,
    USER,
    NamedResource,
)
from components.policies.stack import other_keys_of
from components.settings import ResourceKind, Settings
from components.settings.arn import resource_name, resource_of
from components.settings.names import in_account_namespace
from wizard.aws import kms
from wizard.aws import trail as trails
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, tags_of
from wizard.core.errors import PermissionDenied, SetupError, Unsupported, attempted, known_or
from wizard.core.models.account import DiscoveredResource, Existing, KeyFact

_NO_ENTITY = ("NoSuchEntity",)


def find(session: Session, settings: Settings, row: NamedResource) -> str | None:
    """The ARN of the resource with the row's name, of a bucket its owner: `ours`, `foreign`. None: the name is free."""
    if row.type in (ROLE, USER):
        arn = _principal(session, row).get("Arn")
        return str(arn) if arn else None
    if row.type == POLICY:
        return row.arn if session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=row.arn) else None
    if row.type == OIDC_PROVIDER:
        providers = session.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]
        return next(
            (arn for each in providers if resource_of(arn := str(each["Arn"])) == f"oidc-provider/{row.name}"), None
        )
    if row.type == TOPIC:
        return row.arn if session.find("sns", "GetTopicAttributes", absent=("NotFound",), TopicArn=row.arn) else None
    if row.type == LOG_GROUP:
        groups = session.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=row.name)
        # The look-up is by prefix. The older of a group's two ARN forms ends in `:*`.
        return next((str(each["arn"]).removesuffix(":*") for each in groups if each["logGroupName"] == row.name), None)
    if row.type == BUCKET:
        return trails.bucket_owner(session, row.name, settings.account_id)
    assert row.type == TRAIL, row.type
    trail = trails.find_trail(session, row.name)
    return trail.arn if trail else None


def tags(session: Session, settings: Settings, row: NamedResource) -> Mapping[str, str] | None:
    """The resource's tags; None where there is no such resource, or only a principal of that name with a path."""
    if row.type in (ROLE, USER):
        principal = _principal(session, row)
        # A path never changes, and the stack's roles and users have none.
        return tags_of(principal.get("Tags", ())) if principal and principal.get("Path", "/") == "/" else None
    if row.type == POLICY:
        answer = session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=row.arn)
        return tags_of(answer["Policy"].get("Tags", ())) if answer else None
    if row.type == OIDC_PROVIDER:
        answer = session.find("iam", "GetOpenIDConnectProvider", absent=_NO_ENTITY, OpenIDConnectProviderArn=row.arn)
        return tags_of(answer.get("Tags", ())) if answer else None
    if row.type == TOPIC:
        absent = ("NotFound", "ResourceNotFound")
        answer = session.find("sns", "ListTagsForResource", absent=absent, ResourceArn=row.arn)
        return tags_of(answer.get("Tags", ())) if answer else None
    if row.type == LOG_GROUP:
        answer = session.find("logs", "ListTagsForResource", absent=("ResourceNotFoundException",), resourceArn=row.arn)
        return (answer or {}).get("tags")
    if row.type == BUCKET:
        return bucket_tags(session, settings, row.name)
    assert row.type == TRAIL, row.type
    if trails.find_trail(session, row.name) is None:
        return None
    no_trail = ("CloudTrailARNInvalidException", "ResourceNotFoundException", "TrailNotFoundException")
    answer = session.find("cloudtrail", "ListTags", absent=no_trail, ResourceIdList=[row.arn])
    return next((tags_of(each.get("TagsList", ())) for each in (answer or {}).get("ResourceTagList") or ()), None)


def bucket_tags(session: Session, settings: Settings, bucket: str) -> Mapping[str, str] | None:
    """The tags of a bucket of the account; None where it has none of that name."""
    account = settings.account_id
    if trails.bucket_owner(session, bucket, account) != "ours":
        return None
    absent = ("NoSuchTagSet", "NoSuchTagSetError")
    tagging = session.find("s3", "GetBucketTagging", absent=absent, Bucket=bucket, ExpectedBucketOwner=account)
    return tags_of((tagging or {}).get("TagSet", ()))


def is_untagged_by_a_crash(session: Session, settings: Settings, bucket: str) -> bool:
    """Whether a bucket without tags is the stack's: a new one gets them by a second call.

    It is, if nobody else could have made it, or if it is empty.
    """
    account = settings.account_id
    if in_account_namespace(bucket, account_id=account, region=settings.region):
        return True
    objects = session.call("s3", "ListObjectsV2", MaxKeys=1, Bucket=bucket, ExpectedBucketOwner=account)
    return not objects.get("Contents")


def _principal(session: Session, row: NamedResource) -> Mapping[str, Any]:
    kind = "User" if row.type == USER else "Role"
    answer = session.find("iam", f"Get{kind}", absent=_NO_ENTITY, **{f"{kind}Name": row.name})
    return (answer or {}).get(kind) or {}


class ExistingResources(SessionClient):
    """Finds the account's resources under the stack's names."""

    def find_existing(self, settings: Settings) -> Existing:
        """Look up each name that the stack would use, except those of resources that the settings name.

        A name counts as free where the endpoint lacks the operation. Raises PermissionDenied for all denied look-ups.
        """
        session, names = self._session, settings.names
        rows = [row for row in named_resources.named_resources(settings) if row.is_made or row.field == "oidc_provider"]
        answers: tuple[Any, ...] = session.together(
            lambda: attempted(kms.KmsKeys(session).alias_target, names.alias),
            lambda: attempted(other_keys, session, settings),
            *(partial(attempted, find, session, settings, row) for row in rows),
        )
        failures = [answer for answer in answers if isinstance(answer, SetupError)]
        _raise_failures(tuple(failure for failure in failures if not isinstance(failure, Unsupported)))
        alias_target, others, *found = (known_or(answer, None) for answer in answers)
        by_field = {row.field: answer for row, answer in zip(rows, found, strict=True) if answer}
        return Existing(alias_target=alias_target, other_keys=others or {}, found=by_field)


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


def other_keys(session: Session, settings: Settings) -> dict[str, KeyFact]:
    """The keys that the aliases of the stack's other keys point to, by the alias."""
    keys = kms.KmsKeys(session)
    targets = {other.alias: keys.alias_target(other.alias) for other in other_keys_of(settings)}
    return {alias: key for alias, key in targets.items() if key is not None}


def other_key_resources(found: Mapping[str, KeyFact], settings: Settings) -> tuple[DiscoveredResource, ...]:
    """Each of these keys and its alias; none of a key without the stack's tags."""
    return tuple(
        resource
        for other in other_keys_of(settings)
        if (key := found.get(other.alias)) is not None
        and {**settings.tags, "Purpose": other.purpose}.items() <= (key.tags or {}).items()
        for resource in (
            DiscoveredResource(thing=other.imported_as[0], id=resource_name(key.arn), arn=key.arn),
            DiscoveredResource(thing=other.imported_as[1], id=other.alias, arn=other.alias),
        )
    )


def tagged_lookups(session: Session, settings: Settings) -> tuple[Lookup, ...]:
    """The look-ups of resources with the stack's tags; `import_discovery` looks up key, role, policy and trail."""
    rows = named_resources.named_resources(settings)
    lookups: list[Lookup] = [
        partial(_tagged, session, settings, row) for row in rows if row.is_made and row.imported_as
    ]
    if settings.makes_trail and settings.access_logging:
        lookups.insert(0, partial(_access_log_bucket, session, settings))
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


def _tagged(session: Session, settings: Settings, row: named_resources.NamedResource) -> tuple[DiscoveredResource, ...]:
    """The resource; nothing without the stack's tags, as one that does not exist."""
    if row.imported_as is None or not settings.tags.items() <= (tags(session, settings, row) or {}).items():
        return ()
    return (DiscoveredResource(thing=row.imported_as, id=row.id, arn=row.arn),)


def _access_log_bucket(session: Session, settings: Settings) -> tuple[DiscoveredResource, ...]:
    bucket, account = settings.names.access_log_bucket, settings.account_id
    if not settings.tags.items() <= (bucket_tags(session, settings, bucket) or {}).items():
        return ()
    place = {"Bucket": bucket, "ExpectedBucketOwner": account}
    policy = session.find("s3", "GetBucketPolicy", absent=("NoSuchBucketPolicy",), **place)
    own = [ResourceKind.ACCESS_LOG_BUCKET]
    own += [ResourceKind.ACCESS_LOG_BUCKET_POLICY] if policy else []
    own += bucket_settings(session, bucket, account, ResourceKind.ACCESS_LOG_BUCKET)
    return tuple(DiscoveredResource(thing=kind, id=bucket, arn=bucket) for kind in own)
