"""How AWS is asked for a resource of the stack's table, and for its tags: one way for each type.

Asks IAM, CloudTrail, S3, CloudWatch Logs and SNS; changes nothing.
"""

from collections.abc import Mapping
from typing import Any

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
from components.settings import Settings
from components.settings.arn import Arn
from components.settings.names import in_account_namespace
from wizard.aws import trail as trails
from wizard.aws.auth.session import Session, tags_of

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
        return next((str(each["Arn"]) for each in providers if Arn.parse(each["Arn"]).path == row.name), None)
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
